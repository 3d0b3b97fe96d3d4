package sender

import (
	"bytes"
	"fmt"
	"net/http"
)

// Refusal returns an error that explains the answer to a notification, or nil
// if the status is 200.
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
	case a.redirects():
		hint = fmt.Sprintf("it redirects to %s. Meta does not follow redirects", a.location(s.url))
	case a.Status == http.StatusBadRequest && s.url.Scheme == "http" && bytes.Contains(a.Body, []byte("HTTPS")):
		hint = "the server speaks HTTPS on this port. Use https:// in the URL"
	case a.Status == http.StatusBadRequest && bytes.Contains(a.Body, []byte("SSL certificate")):
		hint = "the server requires a client certificate"
	case known:
	case a.Status >= 500:
		hint = "the server failed"
	default:
		hint = "Meta accepts only 200"
	}
	return fmt.Errorf("%s: %s", a.StatusText(), hint)
}

// The usual meaning of status codes. The README lists those of meta_webhook.
var (
	verificationHints = map[int]string{
		http.StatusBadRequest:       "the server does not see a verification request. Perhaps a proxy in front of it drops the query",
		http.StatusUnauthorized:     "something in front of meta_webhook requires a login",
		http.StatusForbidden:        "the server has another verify token, requires a client certificate, or is behind a firewall that refuses the request",
		http.StatusMethodNotAllowed: "another handler serves this path, not meta_webhook",
	}
	notificationHints = map[int]string{
		http.StatusBadRequest:            "the server does not accept the body as JSON",
		http.StatusUnauthorized:          "the server has another app secret, or something in front of it changes the body or requires a login",
		http.StatusForbidden:             "the server requires another client certificate, or is behind a firewall that refuses the request",
		http.StatusMethodNotAllowed:      "another handler serves this path, not meta_webhook",
		http.StatusRequestTimeout:        "the body took too long to arrive",
		http.StatusRequestEntityTooLarge: "the body exceeds the server's max_size",
		http.StatusBadGateway:            "the app behind the gateway failed or is not running. Meta would send the notification again",
		http.StatusServiceUnavailable:    "the server is not ready. Meta would send the notification again",
	}
	commonHints = map[int]string{
		http.StatusNotFound:           "no webhook handler at this path",
		http.StatusMisdirectedRequest: "the server has no site with this name on this connection",
		http.StatusTooManyRequests:    "the server limits the rate of requests",
		http.StatusGatewayTimeout:     "the app behind the gateway took too long",
	}
)
