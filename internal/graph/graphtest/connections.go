package graphtest

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// The Page and the WhatsApp Business Account of the Graph API.
const (
	PageID      = "1067280970047460"
	AccountID   = "102290129340398"
	AccessToken = "EAAJ-access-token" // of their edges

	// OtherAppID is another app that is subscribed to both.
	OtherAppID = "52565000000001"
)

// NumberIDs are the IDs of the account's phone numbers.
var NumberIDs = []string{"106540352242922", "106540352242923"}

// Connections are what the app is connected to.
type Connections struct {
	PageFields []string // that the app is subscribed to

	Subscribed bool                // to the account
	Account    Override            // callback URL of the account
	Numbers    map[string]Override // callback URLs of phone numbers, by ID
}

// An Override is a callback URL in place of that of the app.
type Override struct {
	URL         string `json:"override_callback_uri"`
	VerifyToken string `json:"verify_token"`
}

// Connections returns what the app is connected to.
func (s *Server) Connections() Connections {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.connections
	c.Numbers = maps.Clone(c.Numbers)
	return c
}

func (s *Server) listPage(w http.ResponseWriter, r *http.Request) {
	apps := []object{{"id": OtherAppID, "name": "Jaspers Market", "link": "https://example.com/", "subscribed_fields": []string{"leadgen"}}}
	if len(s.connections.PageFields) > 0 {
		apps = append(apps, object{"id": s.AppID, "name": "Lucky Shrub", "subscribed_fields": s.connections.PageFields})
	}
	s.page(w, r, apps)
}

// subscribePage replaces the fields.
func (s *Server) subscribePage(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Fields []string `json:"subscribed_fields"`
	}
	if !decode(w, r, &body) {
		return
	}
	for _, field := range body.Fields {
		if !slices.Contains(objects["page"], field) {
			fail(w, http.StatusBadRequest, 100, "(#100) Param subscribed_fields must be one of {"+strings.Join(objects["page"], ", ")+"}")
			return
		}
	}
	s.connections.PageFields = body.Fields
	respond(w, http.StatusOK, object{"success": true})
}

func (s *Server) leavePage(w http.ResponseWriter, _ *http.Request) {
	s.connections.PageFields = nil
	respond(w, http.StatusOK, object{"success": true})
}

func (s *Server) listAccount(w http.ResponseWriter, r *http.Request) {
	apps := []object{{"whatsapp_business_api_data": object{"id": OtherAppID, "name": "Jaspers Market", "link": "https://example.com/"}}}
	if s.connections.Subscribed {
		app := object{"whatsapp_business_api_data": object{"id": s.AppID, "name": "Lucky Shrub"}}
		if url := s.connections.Account.URL; url != "" {
			app["override_callback_uri"] = url
		}
		apps = append(apps, app)
	}
	s.page(w, r, apps)
}

// subscribeAccount subscribes the app, and sets the override or removes it.
func (s *Server) subscribeAccount(w http.ResponseWriter, r *http.Request) {
	var o Override
	if r.ContentLength != 0 {
		if !decode(w, r, &o) {
			return
		}
		if !s.connections.Subscribed {
			fail(w, http.StatusBadRequest, 100, "(#100) Before override the current callback uri, your app must be subscribed to receive messages for WhatsApp Business Account")
			return
		}
		if !s.verified(w, o.URL, o.VerifyToken) {
			return
		}
	}
	s.connections.Subscribed, s.connections.Account = true, o
	respond(w, http.StatusOK, object{"success": true})
}

func (s *Server) leaveAccount(w http.ResponseWriter, _ *http.Request) {
	s.connections.Subscribed, s.connections.Account = false, Override{}
	respond(w, http.StatusOK, object{"success": true})
}

func (s *Server) listNumbers(w http.ResponseWriter, r *http.Request) {
	all := make([]object, len(NumberIDs))
	for i, id := range NumberIDs {
		all[i] = object{"id": id, "display_phone_number": number(id), "verified_name": "Lucky Shrub"}
	}
	s.page(w, r, all)
}

// number returns the phone number of an ID.
func number(id string) string { return "+1 555-078-3" + id[len(id)-3:] }

func (s *Server) showNumber(w http.ResponseWriter, r *http.Request, id string) {
	answer := object{"id": id}
	for field := range strings.SplitSeq(r.FormValue("fields"), ",") {
		switch field {
		case "display_phone_number":
			answer[field] = number(id)
		case "verified_name":
			answer[field] = "Lucky Shrub"
		case "webhook_configuration":
			answer[field] = s.configuration(id)
		}
	}
	respond(w, http.StatusOK, answer)
}

// configuration returns the callback URLs of a phone number; levels without one
// are absent.
func (s *Server) configuration(id string) object {
	c := object{}
	if sub := s.find("whatsapp_business_account"); sub != nil {
		c["application"] = sub.CallbackURL
	}
	if url := s.connections.Account.URL; url != "" {
		c["whatsapp_business_account"] = url
	}
	if url := s.connections.Numbers[id].URL; url != "" {
		c["phone_number"] = url
	}
	return c
}

func (s *Server) changeNumber(w http.ResponseWriter, r *http.Request, id string) {
	var body struct {
		Configuration *Override `json:"webhook_configuration"`
	}
	if !decode(w, r, &body) {
		return
	}
	switch o := body.Configuration; {
	case o == nil:
		fail(w, http.StatusBadRequest, 100, "(#100) The parameter webhook_configuration is required.")
		return
	case o.URL == "":
		delete(s.connections.Numbers, id)
	case !s.verified(w, o.URL, o.VerifyToken):
		return
	default:
		s.connections.Numbers[id] = *o
	}
	respond(w, http.StatusOK, object{"success": true})
}

// decode decodes the body of a request, and answers with an error if it is not
// JSON.
func decode(w http.ResponseWriter, r *http.Request, v any) bool {
	if err := json.NewDecoder(r.Body).Decode(v); err != nil || r.Header.Get("Content-Type") != "application/json" {
		fail(w, http.StatusBadRequest, 100, "(#100) Invalid parameter")
		return false
	}
	return true
}
