package callback

import (
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// FuzzSignedRequest has anybody send any form, and Meta sign any payload. What
// comes of it is one event, whatever the payload would like to be.
func FuzzSignedRequest(f *testing.F) {
	for _, payload := range []string{
		`{"algorithm":"HMAC-SHA256","user_id":"218471","issued_at":1291836800}`, `{"algorithm":"hmac-sha256","user_id":"\"}]}]"}`,
		`{"algorithm":"none","user_id":"1"}`, `{"user_id":1}`, `[]`, `null`, `{}{}`, "\xff",
	} {
		f.Add([]byte("signed_request="+base64.RawURLEncoding.EncodeToString(make([]byte, 32))+"."+base64.RawURLEncoding.EncodeToString([]byte(payload))), payload)
	}
	f.Add([]byte("signed_request=a.b&signed_request=c.d"), "{}")
	f.Add([]byte("signed_request=%zz"), "{}")
	f.Fuzz(func(t *testing.T, form []byte, payload string) {
		c := &Callback{Kind: Deauthorize}
		if s, err := Parse(form); err == nil {
			_, _ = c.Notification(s)
		}
		body, err := c.Notification(SignedRequest{Signed: []byte(base64.RawURLEncoding.EncodeToString([]byte(payload)))})
		if err != nil {
			return
		}
		events, err := event.Parse(body)
		if err != nil {
			return // refused as any notification that is no JSON to it
		}
		var p struct {
			UserID string `json:"user_id"`
		}
		if err := json.Unmarshal([]byte(payload), &p); err != nil {
			t.Fatalf("%q: got a notification, want an error: %v", payload, err)
		}
		if len(events) != 1 || events[0].Object() != "app" || events[0].Kind() != Deauthorize || events[0].Entry() != p.UserID {
			t.Errorf("%q: got %s, want one event of the user %q", payload, body, p.UserID)
		}
	})
}
