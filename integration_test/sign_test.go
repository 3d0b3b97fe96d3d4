package integration_test

import (
	"net/http"
	"strings"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Secrets of Standard Webhooks.
const (
	oldSecret   = "whsec_b2xkIHNlY3JldCBvZiB0aGUgd2ViaG9va3M="
	newSecret   = "whsec_bmV3IHNlY3JldCBvZiB0aGUgd2ViaG9va3M="
	otherSecret = "whsec_YW5vdGhlciBzZWNyZXQgb2YgdGhlIHdlYmhvb2tz"
)

// checkSignature returns what the library of Standard Webhooks, with a secret,
// says of a request.
func checkSignature(t *testing.T, secret, body string, header http.Header) error {
	t.Helper()
	webhook, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	return webhook.Verify([]byte(body), header)
}

// TestAppCanVerifyWhatIsHandedOn has an app that drops the connection at first,
// and then answers an error, so that both reverse_proxy and Meta try again.
func TestAppCanVerifyWhatIsHandedOn(t *testing.T) {
	for _, mode := range []string{"each", "batch", "original"} {
		t.Run(mode, func(t *testing.T) {
			tries := 0
			u := newUpstream(t, func(w http.ResponseWriter, _ received) {
				switch tries++; tries {
				case 1:
					panic(http.ErrAbortHandler)
				case 2:
					w.WriteHeader(500)
				}
			})
			site := func(options ...string) string {
				return lines(hook(append(options, "deliver "+mode)...), "reverse_proxy "+u.addr+" {\nlb_retries 1\nlb_retry_match {\nmethod POST\n}\n}")
			}
			g := start(t, site("sign "+newSecret+" "+oldSecret))
			body := page([]string{"a"})
			wantStatus(t, g.post(body), 502)
			wantStatus(t, g.post(body), 200)
			requests := u.requests()
			if len(requests) != 3 {
				t.Fatalf("got %d requests upstream, want 3", len(requests))
			}
			for i, r := range requests {
				for _, secret := range []string{newSecret, oldSecret} {
					if err := checkSignature(t, secret, r.body, r.header); err != nil {
						t.Errorf("request %d: got error %v, want a right signature", i, err)
					}
				}
				if checkSignature(t, otherSecret, r.body, r.header) == nil {
					t.Errorf("request %d: got a right signature by a secret that nobody has", i)
				}
				if checkSignature(t, newSecret, r.body+" ", r.header) == nil {
					t.Errorf("request %d: got a right signature of another body", i)
				}
			}

			u.forget()
			g.reload(site("sign " + newSecret))
			wantStatus(t, g.post(page([]string{"b"})), 200)
			r := u.only()
			if err := checkSignature(t, newSecret, r.body, r.header); err != nil {
				t.Errorf("got error %v, want a right signature", err)
			}
			if checkSignature(t, oldSecret, r.body, r.header) == nil {
				t.Error("got a right signature by the secret that was taken away")
			}
			if strings.Contains(g.logs(), newSecret) || strings.Contains(g.logs(), strings.TrimPrefix(newSecret, "whsec_")) {
				t.Error("got a log with a secret, want none")
			}
		})
	}
}
