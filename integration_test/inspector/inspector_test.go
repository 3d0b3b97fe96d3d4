package inspector

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/freeport"
)

// inspector returns the directive of an inspector with options.
func inspector(options ...string) string {
	return "meta_webhook_inspector {\n" + harness.Lines(options...) + "\n}"
}

func TestInspectorShowsHowEventsWereDelivered(t *testing.T) {
	for mode, want := range map[string]harness.InspectedEvent{
		"each": {Mode: "each", Events: 1}, "batch": {Mode: "batch", Events: 2}, "original": {Mode: "original", Events: 2},
	} {
		t.Run(mode, func(t *testing.T) {
			g := harness.Start(t, harness.Lines(harness.Hook("deliver "+mode), inspector()))
			notify(g, harness.Page([]string{"a", "b"}))
			shown := harness.ReadEvents(g, 2)
			slices.SortFunc(shown, func(a, b harness.InspectedEvent) int { return cmp.Compare(a.Subject, b.Subject) }) // each sends them side by side
			for i, got := range shown {
				want.Object, want.Kind, want.Subject, want.State = "page", "feed", []string{"a", "b"}[i], "done"
				if got != want {
					t.Errorf("got %+v, want %+v", got, want)
				}
			}
		})
	}
}

// TestInspectorShowsNothingButDeliveries has requests that must not get onto
// the page: forged, of another path, and to the page itself.
func TestInspectorShowsNothingButDeliveries(t *testing.T) {
	g := harness.Start(t, harness.Lines(inspector(), harness.Hook())) // Caddy orders them
	harness.WantStatus(t, g.Verify(harness.Token, "1"), 200)
	harness.WantStatus(t, g.Verify("wrong", "1"), 403)
	forged := g.Notification(harness.Page([]string{"forged"}))
	forged.Header.Set(harness.SignatureHeader, harness.Sign("wrong", harness.Page([]string{"forged"})))
	harness.WantStatus(t, g.Do(forged), 401)
	for path, want := range map[string]int{"/webhooks/": 200, "/other": 200, "/": 200, "/inspector": 405, "/inspector/events": 405} {
		r := g.Notification(harness.Page([]string{"elsewhere"}))
		r.URL.Path = path
		r.Header.Set("Webhook-Id", "1")
		harness.WantStatus(t, g.Do(r), want)
	}
	notify(g, harness.Page([]string{"genuine"}))
	if got := harness.ReadEvents(g, 1)[0]; got.Subject != "genuine" {
		t.Errorf("got %+v, want the genuine event alone", got)
	}
}

func TestInspectorInFrontOfTheApp(t *testing.T) {
	failing := true
	u := harness.NewUpstream(t, func(w http.ResponseWriter, _ harness.Received) {
		if failing {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	g := harness.Start(t, harness.Lines(harness.Hook(), inspector("pass"), "reverse_proxy "+u.Addr))
	body := harness.Page([]string{"a"})
	harness.WantStatus(t, g.Post(body), 502)
	failing = false
	harness.WantStatus(t, g.Post(body), 200)
	u.WantPosts("a", "a")
	events := harness.ReadEvents(g, 2)
	if events[0].Status != 500 || events[0].State != "failed" || events[1].Status != 200 || events[1].State != "done" {
		t.Errorf("got %+v, want the answers 500 and 200", events)
	}
	g.Reload(harness.Lines(harness.Hook(), inspector("pass"))) // no app at all
	harness.WantStatus(t, g.Post(harness.Page([]string{"b"})), 502)
	if got := harness.ReadEvents(g, 3)[2]; got.Error == "" || got.State != "failed" {
		t.Errorf("got %+v, want that nobody took it", got)
	}
}

// TestInspectorKeepsEventsOverAReload makes sure as well that an open page
// does not hold up the configuration that is replaced.
func TestInspectorKeepsEventsOverAReload(t *testing.T) {
	g := harness.Start(t, harness.Lines(harness.Hook(), inspector()))
	notify(g, harness.Page([]string{"a"}))
	streams := make(chan time.Duration, 3)
	for range cap(streams) {
		stream := harness.OpenStream(g, t.Context())
		if !stream.Scan() {
			t.Fatal("got no line of the stream, want one")
		}
		go func() {
			start := time.Now()
			for stream.Scan() {
			}
			streams <- time.Since(start)
		}()
	}
	g.Reload(harness.Lines(harness.Hook(), inspector("max_events 2")))
	for range cap(streams) {
		if open := <-streams; open > 4*time.Second { // the grace period is 5 seconds
			t.Errorf("got a stream that ended after %v, want it to end at once", open)
		}
	}
	notify(g, harness.Page([]string{"b"}))
	harness.ReadEvents(g, 2)
	notify(g, harness.Page([]string{"c"}))
	if got := harness.ReadEvents(g, 2); got[0].Subject != "b" || got[1].Subject != "c" {
		t.Errorf("got %+v, want the last two", got)
	}
}

func TestInspectorStandsBehindAPassword(t *testing.T) {
	g := harness.Start(t, harness.Lines(inspector(), harness.Hook(),
		"basic_auth /inspector* {", "operator $2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG", "}"))
	notify(g, harness.Page([]string{"a"}))
	harness.WantStatus(t, g.Do(g.Request("POST", "/inspector/operate", nil)), 401)
	for _, path := range []string{"/inspector", "/inspector/", "/inspector/events", "/inspector/event?id=x-1", "/inspector/destinations", "/inspector/dropped", "/inspector/stream", "/inspector/payload?of=x-1"} {
		harness.WantStatus(t, g.Do(g.Request("GET", path, nil)), 401)
	}
}

// TestInspectorIsNotSeenThroughAProxy has a proxy on the same machine, from
// where everybody's requests come.
func TestInspectorIsNotSeenThroughAProxy(t *testing.T) {
	site := func(g *harness.Gateway, port int, options ...string) string {
		return harness.Lines("reverse_proxy 127.0.0.1:"+strconv.Itoa(port), "}", "http://:"+strconv.Itoa(port)+" {", inspector(options...))
	}
	for name, tc := range map[string]struct {
		servers, option, client string
		want                    int
	}{
		"no trusted proxy":                {"", "", "", 403},
		"no trusted proxy, client's word": {"", "", "127.0.0.1", 403},
		"no trusted proxy, allowed":       {"", "allow 127.0.0.0/8", "", 403},
		"trusted proxy":                   {"trusted_proxies static 127.0.0.1", "", "", 403},
		"trusted proxy, allowed":          {"trusted_proxies static 127.0.0.1", "allow 127.0.0.1", "", 200},
		"trusted proxy, allowed client":   {"trusted_proxies static 127.0.0.1", "allow 192.0.2.0/24", "192.0.2.7", 200},
		"trusted proxy, other client":     {"trusted_proxies static 127.0.0.1", "allow 192.0.2.0/24", "192.0.3.7", 403},
	} {
		t.Run(name, func(t *testing.T) {
			g := harness.NewGateway(t, harness.PlainHTTP1)
			g.Servers = tc.servers
			port := freeport.Of(t)
			g.MustLoad(site(g, port, tc.option))
			r := g.Request("GET", "/inspector/", nil)
			if tc.client != "" {
				r.Header.Set("X-Forwarded-For", tc.client)
			}
			harness.WantStatus(t, g.Do(r), tc.want)
			direct, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/inspector/", port))
			if err != nil {
				t.Fatal(err)
			}
			_ = direct.Body.Close()
			if direct.StatusCode != 200 {
				t.Errorf("got %d without the proxy, want 200", direct.StatusCode)
			}
		})
	}
}

func TestInspectorTellsErrorRoutesWhy(t *testing.T) {
	g := harness.Start(t, harness.Lines(inspector(), `handle_errors {`, `respond "{http.meta_webhook_inspector.error}" {http.error.status_code}`, `}`))
	r := g.Request("GET", "/inspector/", nil)
	r.Host = "evil.example"
	a := g.Do(r)
	harness.WantStatus(t, a, 403)
	if a.Body != "host_not_allowed" {
		t.Errorf("got %q, want the reason", a.Body)
	}
	if !strings.Contains(g.Logs(), `"reason":"host_not_allowed"`) {
		t.Error("got no log line about it, want one")
	}
}
