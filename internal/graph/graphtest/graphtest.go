// Package graphtest provides a stand-in for the Graph API in tests: the webhook
// subscriptions of an app, as Meta documents them.
package graphtest

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A Server is a Graph API with one app.
type Server struct {
	URL     string
	Version string // that requests must name
	AppID   string
	Token   string // the app access token

	Client *http.Client // verifies callback URLs; default: http.DefaultClient

	t testing.TB

	mu            sync.Mutex
	subscriptions []*Subscription
}

// A Subscription is the app's subscription to fields of an object.
type Subscription struct {
	Object, CallbackURL, VerifyToken string
	IncludeValues                    bool
	Fields                           []string
}

// objects are the objects of this Graph API and their fields.
var objects = map[string][]string{
	"user":                      {"photos", "feed"},
	"page":                      {"feed", "mention", "messages"},
	"whatsapp_business_account": {"messages"},
}

// Start starts a server that is closed at the end of the test.
func Start(t testing.TB, version, appID, secret string) *Server {
	t.Helper()
	s := &Server{t: t, Version: version, AppID: appID, Token: appID + "|" + secret}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Subscriptions returns the subscriptions of the app.
func (s *Server) Subscriptions() []Subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Subscription, len(s.subscriptions))
	for i, sub := range s.subscriptions {
		all[i] = *sub
	}
	return all
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if strings.Contains(r.URL.RawQuery, "token") {
		s.t.Errorf("got a token in the query %s, want none", r.URL.RawQuery)
	}
	if want := "/" + s.Version + "/" + s.AppID + "/subscriptions"; r.URL.Path != want {
		fail(w, http.StatusBadRequest, 100, "Unsupported "+strings.ToLower(r.Method)+" request. Object with ID '"+r.URL.Path+"' does not exist")
		return
	}
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if subtle.ConstantTimeCompare([]byte(token), []byte(s.Token)) == 0 {
		fail(w, http.StatusBadRequest, 190, "Malformed access token "+token)
		return
	}
	switch r.Method {
	case http.MethodGet:
		s.list(w, r)
	case http.MethodPost:
		s.add(w, r)
	case http.MethodDelete:
		s.remove(w, r)
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

// list returns one subscription per page.
func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	first := 0
	if _, err := fmt.Sscanf(r.FormValue("after"), "cursor-%d", &first); err != nil {
		first = 0
	}
	type object = map[string]any
	answer := object{"data": []object{}}
	if first < len(s.subscriptions) {
		sub := s.subscriptions[first]
		fields := make([]object, 0, len(sub.Fields))
		for _, field := range sub.Fields {
			fields = append(fields, object{"name": field, "version": s.Version})
		}
		answer["data"] = []object{{"object": sub.Object, "callback_url": sub.CallbackURL, "active": true, "fields": fields}}
		if first+1 < len(s.subscriptions) {
			after := fmt.Sprintf("cursor-%d", first+1)
			answer["paging"] = object{"cursors": object{"after": after}, "next": s.URL + "/next?access_token=" + s.Token + "&after=" + after}
		}
	}
	respond(w, http.StatusOK, answer)
}

func (s *Server) add(w http.ResponseWriter, r *http.Request) {
	sub := Subscription{
		Object:        r.PostFormValue("object"),
		CallbackURL:   r.PostFormValue("callback_url"),
		VerifyToken:   r.PostFormValue("verify_token"),
		IncludeValues: r.PostFormValue("include_values") == "true",
		Fields:        strings.Split(r.PostFormValue("fields"), ","),
	}
	for _, field := range sub.Fields {
		if !slices.Contains(objects[sub.Object], field) {
			fail(w, http.StatusBadRequest, 100, "(#100) Param fields must be one of {"+strings.ToUpper(strings.Join(objects[sub.Object], ", "))+"}")
			return
		}
	}
	if got := s.echoed(sub); got != http.StatusOK {
		fail(w, http.StatusBadRequest, 2200, fmt.Sprintf("(#2200) Callback verification failed with the following errors: HTTP Status Code = %d", got))
		return
	}
	if old := s.find(sub.Object); old != nil {
		for _, field := range old.Fields {
			if !slices.Contains(sub.Fields, field) {
				sub.Fields = append(sub.Fields, field)
			}
		}
		*old = sub
	} else {
		s.subscriptions = append(s.subscriptions, &sub)
	}
	respond(w, http.StatusOK, map[string]any{"success": true})
}

func (s *Server) remove(w http.ResponseWriter, r *http.Request) {
	object, fields := r.URL.Query().Get("object"), r.URL.Query().Get("fields")
	sub := s.find(object)
	if sub == nil {
		fail(w, http.StatusBadRequest, 100, "(#100) there is no subscription to "+object)
		return
	}
	sub.Fields = slices.DeleteFunc(sub.Fields, func(field string) bool {
		return fields == "" || slices.Contains(strings.Split(fields, ","), field)
	})
	s.subscriptions = slices.DeleteFunc(s.subscriptions, func(sub *Subscription) bool { return len(sub.Fields) == 0 })
	respond(w, http.StatusOK, map[string]any{"success": "true"})
}

func (s *Server) find(object string) *Subscription {
	i := slices.IndexFunc(s.subscriptions, func(sub *Subscription) bool { return sub.Object == object })
	if i < 0 {
		return nil
	}
	return s.subscriptions[i]
}

// echoed verifies a callback URL and returns the status of its answer, or 0 if
// the answer is not the challenge.
func (s *Server) echoed(sub Subscription) int {
	const challenge = "1158201444"
	query := url.Values{"hub.mode": {"subscribe"}, "hub.challenge": {challenge}, "hub.verify_token": {sub.VerifyToken}}
	client := s.Client
	if client == nil {
		client = http.DefaultClient
	}
	res, err := client.Get(sub.CallbackURL + "?" + query.Encode())
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode == http.StatusOK && string(body) != challenge {
		return 0
	}
	return res.StatusCode
}

func fail(w http.ResponseWriter, status, code int, message string) {
	respond(w, status, map[string]any{"error": map[string]any{
		"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "AbCdEf123",
	}})
}

func respond(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
