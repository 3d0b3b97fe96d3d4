package delivery

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
)

// TestAppCanVerifyWhatIsHandedOn has an app that drops the connection at first,
// and then answers an error, so that both reverse_proxy and Meta try again.
func TestAppCanVerifyWhatIsHandedOn(t *testing.T) {
	for _, mode := range []string{"each", "batch", "original"} {
		t.Run(mode, func(t *testing.T) {
			tries := 0
			u := harness.NewUpstream(t, func(w http.ResponseWriter, _ harness.Received) {
				switch tries++; tries {
				case 1:
					panic(http.ErrAbortHandler)
				case 2:
					w.WriteHeader(500)
				}
			})
			site := func(options ...string) string {
				return harness.Lines(harness.Hook(append(options, "deliver "+mode)...), "reverse_proxy "+u.Addr+" {\nlb_retries 1\nlb_retry_match {\nmethod POST\n}\n}")
			}
			g := harness.Start(t, site("sign "+harness.NewSecret+" "+harness.OldSecret))
			body := harness.Page([]string{"a"})
			harness.WantStatus(t, g.Post(body), 502)
			harness.WantStatus(t, g.Post(body), 200)
			requests := u.Requests()
			if len(requests) != 3 {
				t.Fatalf("got %d requests upstream, want 3", len(requests))
			}
			for i, r := range requests {
				for _, secret := range []string{harness.NewSecret, harness.OldSecret} {
					if err := harness.CheckSignature(t, secret, r.Body, r.Header); err != nil {
						t.Errorf("request %d: got error %v, want a right signature", i, err)
					}
				}
				if harness.CheckSignature(t, harness.OtherSecret, r.Body, r.Header) == nil {
					t.Errorf("request %d: got a right signature by a secret that is not configured", i)
				}
				if harness.CheckSignature(t, harness.NewSecret, r.Body+" ", r.Header) == nil {
					t.Errorf("request %d: got a right signature of another body", i)
				}
			}

			u.Forget()
			g.Reload(site("sign " + harness.NewSecret))
			harness.WantStatus(t, g.Post(harness.Page([]string{"b"})), 200)
			r := u.Only()
			if err := harness.CheckSignature(t, harness.NewSecret, r.Body, r.Header); err != nil {
				t.Errorf("got error %v, want a right signature", err)
			}
			if harness.CheckSignature(t, harness.OldSecret, r.Body, r.Header) == nil {
				t.Error("got a right signature by the secret that was taken away")
			}
			if strings.Contains(g.Logs(), harness.NewSecret) || strings.Contains(g.Logs(), strings.TrimPrefix(harness.NewSecret, "whsec_")) {
				t.Error("got a log with a secret, want none")
			}
		})
	}
}
