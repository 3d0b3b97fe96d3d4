//go:build unix

package listen

import (
	"encoding/json"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
)

// same are the headers that a copy has as the app got them.
var same = []string{
	"Content-Type", "Content-Length", "Webhook-Id", "Idempotency-Key", "Webhook-Attempt", "Webhook-Replay", "X-Hub-Signature-256", "User-Agent",
}

// TestCopiesAreAsTheAppGotThem compares what reaches the app and the laptop, in
// every way of delivery.
func TestCopiesAreAsTheAppGotThem(t *testing.T) {
	t.Parallel()
	for name, site := range map[string]func(p *place) string{
		"inline, each":     func(p *place) string { return p.inline("sign " + harness.OldSecret) },
		"inline, batch":    func(p *place) string { return p.inline("deliver batch", "cloudevents", "sign "+harness.OldSecret) },
		"inline, original": func(p *place) string { return p.inline("deliver original", "sign "+harness.OldSecret) },
		"stored, each":     func(p *place) string { return p.stored("cloudevents", "sign "+harness.OldSecret) },
		"stored, batch":    func(p *place) string { return p.stored("deliver batch 1", "sign "+harness.OldSecret) },
		"stored, original": func(p *place) string { return p.stored("deliver original", "sign "+harness.OldSecret) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			p.gateway.Start(site(p))
			secret := harness.WriteFile(t, p.gateway.Path(""), "secret", []byte(harness.NewSecret))
			l := p.listen("--secret-file", secret)
			if got := p.post(harness.WhatsApp([]string{"wamid.a\r\n<&>\u2028"}, []string{"wamid.b"})); got != http.StatusOK {
				t.Fatalf("got %d, want 200", got)
			}
			requests := 2
			if !strings.HasSuffix(name, "each") && name != "stored, batch" {
				requests = 1
			}
			harness.Eventually(t, "the copies", func() bool {
				return len(p.app.Requests()) == requests && len(p.local.Requests()) == requests
			})
			copies := make(map[string]harness.Received)
			for _, r := range p.local.Requests() {
				copies[r.Header.Get("Webhook-Id")] = r
			}
			for _, want := range p.app.Requests() {
				got := copies[want.Header.Get("Webhook-Id")]
				if got.Body != want.Body || got.Method != want.Method || got.URI != "/hook" {
					t.Errorf("got %s %s with\n%q\nwant\n%q", got.Method, got.URI, got.Body, want.Body)
				}
				for _, header := range same {
					if got.Header.Get(header) != want.Header.Get(header) {
						t.Errorf("got %s: %q, want %q", header, got.Header.Get(header), want.Header.Get(header))
					}
				}
				if err := harness.CheckSignature(t, harness.NewSecret, got.Body, got.Header); err != nil {
					t.Errorf("got error %v from the signature, want the laptop's own", err)
				}
				if err := harness.CheckSignature(t, harness.OldSecret, got.Body, got.Header); err == nil {
					t.Error("got the gateway's own signature on the laptop, want none")
				}
			}
			p.wantInterrupt(l)
		})
	}
}

// TestProductionDoesNotWaitForAListener has listeners that hang.
func TestProductionDoesNotWaitForAListener(t *testing.T) {
	t.Parallel()
	for name, site := range sites {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			p.gateway.Start(site(p))
			for range 3 {
				l := p.listen()
				if err := l.Process.Signal(syscall.SIGSTOP); err != nil {
					t.Fatal(err)
				}
			}
			text := strings.Repeat("x", 1<<19) // more than the kernel keeps
			for i := range 40 {
				start := time.Now()
				if got := p.post(harness.WhatsApp([]string{"wamid." + string(rune('a'+i)) + text}, nil)); got != http.StatusOK {
					t.Fatalf("got %d, want 200", got)
				}
				if took := time.Since(start); took > harness.AtOnce {
					t.Errorf("got %v for a notification while listeners hang, want no wait", took)
				}
			}
			harness.Eventually(t, "every event at the app", func() bool { return len(p.app.Requests()) == 40 })
		})
	}
}

// TestOneEventOnceMore has the gateway send an event again, and one that it
// never had.
func TestOneEventOnceMore(t *testing.T) {
	t.Parallel()
	for name, site := range sites {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			p.gateway.Start(site(p))
			p.send(3)
			harness.Eventually(t, "every event at the app", func() bool { return len(p.app.Requests()) == 3 })
			id := p.app.Requests()[1].Header.Get("Webhook-Id")
			url := []string{"--url", "https://" + p.network.address() + "/inspector"}
			l := p.command(append(url, "--forward-to", "http://"+p.local.Addr, "--replay", id)...)
			if got := l.code(); got != 0 || p.local.Only().Body != p.app.Requests()[1].Body {
				t.Errorf("got exit code %d and %+v, want 0 and the event", got, p.local.Requests())
			}
			l = p.command(append(url, "--replay", strings.Repeat("0", 32))...)
			if got := l.code(); got != 2 || !strings.Contains(l.stderr.String(), "keeps no event with the id") {
				t.Errorf("got exit code %d and %s, want 2 and that there is none", got, l.stderr.String())
			}

			l = p.command(append(url, "--since", "1h", "--json", "--kind", "feed")...)
			harness.Eventually(t, "three lines", func() bool { return strings.Count(l.stdout.String(), "\n") == 3 })
			for i, line := range strings.Split(strings.TrimSpace(l.stdout.String()), "\n") {
				var report struct{ ID, Object, Kind, Body string }
				if err := json.Unmarshal([]byte(line), &report); err != nil || report.Object != "page" || report.Kind != "feed" || report.Body != p.app.Requests()[i].Body {
					t.Errorf("got %s, want event %d", line, i)
				}
			}
			p.wantInterruptQuietly(l)
		})
	}
}
