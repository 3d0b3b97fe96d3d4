package sender

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
)

// Refusal says what it means that a notification was answered other than 200.
// It is nil for 200.
func (s *Sender) Refusal(a Answer) error {
	if a.Status == http.StatusOK {
		return nil
	}
	return s.refusal(a, notificationHints)
}

func (s *Sender) refusal(a Answer, hints map[int]string) error {
	hint, known := hints[a.Status]
	if !known {
		hint, known = commonHints[a.Status]
	}
	switch {
	case a.Status >= 300 && a.Status <= 399:
		hint = "it redirects to " + s.location(a) + ", where Meta does not follow. Give Meta the URL at which it ends"
	case a.Status == http.StatusBadRequest && s.url.Scheme == "http" && bytes.Contains(a.Body, []byte("HTTPS")):
		hint = "the server speaks HTTPS on this port. Use https:// in the URL"
	case a.Status == http.StatusBadRequest && bytes.Contains(a.Body, []byte("SSL certificate")):
		hint = "the server demands a client certificate"
	case known:
	case a.Status >= 500:
		hint = "an error of the server"
	default:
		hint = "only 200 counts"
	}
	return fmt.Errorf("%s: %s", a.StatusText(), hint)
}

// What the status codes of a callback URL usually mean. Those of meta_webhook
// stand in the README.
var (
	verificationHints = map[int]string{
		http.StatusBadRequest:       "the server does not see a verification request in it. Perhaps something in front drops the query",
		http.StatusUnauthorized:     "something in front of the webhook's handler wants a login",
		http.StatusForbidden:        "the verify token is another one than the server's, or it wants a client certificate, or a firewall is in between",
		http.StatusMethodNotAllowed: "something else than a webhook's handler is at this path",
	}
	notificationHints = map[int]string{
		http.StatusBadRequest:            "the server does not see a notification in JSON in it",
		http.StatusUnauthorized:          "the app secret is another one than the server's, or something in front changes the body or wants a login",
		http.StatusForbidden:             "the server wants another client certificate, or a firewall is in between",
		http.StatusMethodNotAllowed:      "something else than a webhook's handler is at this path",
		http.StatusRequestTimeout:        "the body took too long to arrive",
		http.StatusRequestEntityTooLarge: "the body is larger than the server takes",
		http.StatusBadGateway:            "the app behind the gateway failed, or is not there. Meta would send the notification again",
		http.StatusServiceUnavailable:    "the server wants it later. Meta would send the notification again",
	}
	commonHints = map[int]string{
		http.StatusNotFound:           "nothing takes webhooks at this path",
		http.StatusMisdirectedRequest: "the server has no site of this name on this connection",
		http.StatusTooManyRequests:    "the server limits how often it is asked",
		http.StatusGatewayTimeout:     "the app behind the gateway took too long",
	}
)

// location returns where an answer redirects to, without a query: that of a
// verification request holds the verify token.
func (s *Sender) location(a Answer) string {
	raw := a.Header.Get("Location")
	if raw == "" {
		return "nowhere, for want of a Location"
	}
	to, err := s.url.Parse(raw)
	if err != nil {
		return "what is no URL"
	}
	return (&url.URL{Scheme: to.Scheme, Host: to.Host, Path: to.Path}).String()
}
