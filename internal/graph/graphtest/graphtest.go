// Package graphtest provides a stand-in for the Graph API in tests: an app and its
// subscriptions, a Page, and a WhatsApp Business Account with phone numbers, as
// Meta documents them.
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

	t testing.TB

	mu            sync.Mutex
	client        *http.Client // verifies callback URLs
	subscriptions []*Subscription
	connections   Connections
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
	s := &Server{t: t, Version: version, AppID: appID, Token: appID + "|" + secret, client: http.DefaultClient}
	s.connections.Numbers = map[string]Override{}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// VerifyWith sets the client that verifies callback URLs.
func (s *Server) VerifyWith(client *http.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.client = client
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
	path, ok := strings.CutPrefix(r.URL.Path, "/"+s.Version+"/")
	if handler := s.route(path); ok && handler != nil {
		handler(w, r)
		return
	}
	fail(w, http.StatusBadRequest, 100, "Unsupported "+strings.ToLower(r.Method)+" request. Object with ID '"+r.URL.Path+"' does not exist")
}

// route returns the handler of an ID or an edge of it, or nil if there is none.
func (s *Server) route(path string) http.HandlerFunc {
	id, edge, _ := strings.Cut(path, "/")
	switch {
	case path == s.AppID+"/subscriptions":
		return s.authorized(s.Token, methods{http.MethodGet: s.list, http.MethodPost: s.add, http.MethodDelete: s.remove})
	case path == PageID+"/subscribed_apps":
		return s.authorized(AccessToken, methods{http.MethodGet: s.listPage, http.MethodPost: s.subscribePage, http.MethodDelete: s.leavePage})
	case path == AccountID+"/subscribed_apps":
		return s.authorized(AccessToken, methods{http.MethodGet: s.listAccount, http.MethodPost: s.subscribeAccount, http.MethodDelete: s.leaveAccount})
	case path == AccountID+"/phone_numbers":
		return s.authorized(AccessToken, methods{http.MethodGet: s.listNumbers})
	case edge == "" && slices.Contains(NumberIDs, id):
		return s.authorized(AccessToken, methods{
			http.MethodGet:  func(w http.ResponseWriter, r *http.Request) { s.showNumber(w, r, id) },
			http.MethodPost: func(w http.ResponseWriter, r *http.Request) { s.changeNumber(w, r, id) },
		})
	}
	return nil
}

// methods are the handlers of an edge by method.
type methods map[string]http.HandlerFunc

// authorized returns the handler of an edge that requires an access token.
func (s *Server) authorized(token string, m methods) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		got, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		switch {
		case subtle.ConstantTimeCompare([]byte(got), []byte(token)) == 1:
		case got == s.Token:
			fail(w, http.StatusBadRequest, 210, "(#210) A page access token is required to request this resource.")
			return
		default:
			fail(w, http.StatusBadRequest, 190, "Malformed access token "+got)
			return
		}
		if handler := m[r.Method]; handler != nil {
			handler(w, r)
			return
		}
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

type object = map[string]any

// list returns the subscriptions.
func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	all := make([]object, len(s.subscriptions))
	for i, sub := range s.subscriptions {
		fields := make([]object, 0, len(sub.Fields))
		for _, field := range sub.Fields {
			fields = append(fields, object{"name": field, "version": s.Version})
		}
		all[i] = object{"object": sub.Object, "callback_url": sub.CallbackURL, "active": true, "fields": fields}
	}
	s.page(w, r, all)
}

// page answers with one element per page.
func (s *Server) page(w http.ResponseWriter, r *http.Request, all []object) {
	first := 0
	if _, err := fmt.Sscanf(r.FormValue("after"), "cursor-%d", &first); err != nil {
		first = 0
	}
	answer := object{"data": []object{}}
	if first < len(all) {
		answer["data"] = all[first : first+1]
		if first+1 < len(all) {
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
	if !s.verified(w, sub.CallbackURL, sub.VerifyToken) {
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
	respond(w, http.StatusOK, object{"success": true})
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

// verified verifies a callback URL, and answers with an error if that fails.
func (s *Server) verified(w http.ResponseWriter, callback, token string) bool {
	if got := s.echoed(callback, token); got != http.StatusOK {
		fail(w, http.StatusBadRequest, 2200, fmt.Sprintf("(#2200) Callback verification failed with the following errors: HTTP Status Code = %d", got))
		return false
	}
	return true
}

// echoed sends a verification request and returns the status of its answer, or 0
// if the answer is not the challenge.
func (s *Server) echoed(callback, token string) int {
	const challenge = "1158201444"
	query := url.Values{"hub.mode": {"subscribe"}, "hub.challenge": {challenge}, "hub.verify_token": {token}}
	res, err := s.client.Get(callback + "?" + query.Encode())
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
