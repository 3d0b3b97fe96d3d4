package integration_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// inspector returns the directive of an inspector with options.
func inspector(options ...string) string {
	return "meta_webhook_inspector {\n" + lines(options...) + "\n}"
}

// An inspectedEvent is what the page gets of an event.
type inspectedEvent struct {
	Type    string `json:"type"`
	Mode    string `json:"mode"`
	Events  int    `json:"events"`
	Answer  int    `json:"answer"`
	Failure string `json:"failure"`
	Subject string `json:"subject"`
}

// openStream opens the stream of a page's events.
func openStream(g *gateway, ctx context.Context) *bufio.Scanner {
	g.t.Helper()
	res, err := g.client.Do(g.request("GET", "/inspector/events", nil).WithContext(ctx))
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = res.Body.Close() })
	if res.StatusCode != http.StatusOK {
		g.t.Fatalf("got answer %d, want the stream of events", res.StatusCode)
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 16<<20)
	return lines
}

// readEvents reads so many events from the stream, and makes sure that there
// are no more.
func readEvents(g *gateway, n int) []inspectedEvent {
	g.t.Helper()
	ctx, cancel := context.WithCancel(g.t.Context())
	defer cancel()
	stream := openStream(g, ctx)
	var events []inspectedEvent
	timer := time.AfterFunc(patience, cancel)
	defer timer.Stop()
	for isNext := false; stream.Scan(); isNext = strings.HasPrefix(stream.Text(), "id: ") {
		if isNext {
			events = append(events, decode[inspectedEvent](g.t, strings.TrimPrefix(stream.Text(), "data: ")))
		}
		if len(events) == n {
			timer.Reset(100 * time.Millisecond) // for one too many to come
		}
	}
	if len(events) != n {
		g.t.Fatalf("got %d events on the page, want %d", len(events), n)
	}
	return events
}

func TestInspectorShowsHowEventsWereDelivered(t *testing.T) {
	for mode, want := range map[string]inspectedEvent{
		"each": {Mode: "each", Events: 1}, "batch": {Mode: "batch", Events: 2}, "original": {Mode: "original", Events: 2},
	} {
		t.Run(mode, func(t *testing.T) {
			g := start(t, lines(hook("deliver "+mode), inspector()))
			notify(g, page([]string{"a", "b"}))
			for i, got := range readEvents(g, 2) {
				want.Type, want.Subject = "com.facebook.page.feed", []string{"a", "b"}[i]
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
	g := start(t, lines(inspector(), hook())) // Caddy orders them
	wantStatus(t, g.verify(token, "1"), 200)
	wantStatus(t, g.verify("wrong", "1"), 403)
	forged := g.notification(page([]string{"forged"}))
	forged.Header.Set(signatureHeader, sign("wrong", page([]string{"forged"})))
	wantStatus(t, g.do(forged), 401)
	for path, want := range map[string]int{"/webhooks/": 200, "/other": 200, "/": 200, "/inspector": 405, "/inspector/events": 405} {
		r := g.notification(page([]string{"elsewhere"}))
		r.URL.Path = path
		r.Header.Set("Webhook-Id", "1")
		wantStatus(t, g.do(r), want)
	}
	notify(g, page([]string{"genuine"}))
	if got := readEvents(g, 1)[0]; got.Subject != "genuine" {
		t.Errorf("got %+v, want the genuine event alone", got)
	}
}

func TestInspectorInFrontOfTheApp(t *testing.T) {
	failing := true
	u := newUpstream(t, func(w http.ResponseWriter, _ received) {
		if failing {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	g := start(t, lines(hook(), inspector("pass"), "reverse_proxy "+u.addr))
	body := page([]string{"a"})
	wantStatus(t, g.post(body), 502)
	failing = false
	wantStatus(t, g.post(body), 200)
	u.wantPosts("a", "a")
	events := readEvents(g, 2)
	if events[0].Answer != 500 || events[1].Answer != 200 {
		t.Errorf("got %+v, want the answers 500 and 200", events)
	}
	g.reload(lines(hook(), inspector("pass"))) // no app at all
	wantStatus(t, g.post(page([]string{"b"})), 502)
	if got := readEvents(g, 3)[2]; got.Failure == "" {
		t.Errorf("got %+v, want that nobody took it", got)
	}
}

// TestInspectorKeepsEventsOverAReload makes sure as well that an open page
// does not hold up the configuration that is replaced.
func TestInspectorKeepsEventsOverAReload(t *testing.T) {
	g := start(t, lines(hook(), inspector()))
	notify(g, page([]string{"a"}))
	streams := make(chan time.Duration, 3)
	for range cap(streams) {
		stream := openStream(g, t.Context())
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
	g.reload(lines(hook(), inspector("max_events 2")))
	for range cap(streams) {
		if open := <-streams; open > 4*time.Second { // the grace period is 5 seconds
			t.Errorf("got a stream that ended after %v, want it to end at once", open)
		}
	}
	notify(g, page([]string{"b"}))
	readEvents(g, 2)
	notify(g, page([]string{"c"}))
	if got := readEvents(g, 2); got[0].Subject != "b" || got[1].Subject != "c" {
		t.Errorf("got %+v, want the last two", got)
	}
}

func TestInspectorStandsBehindAPassword(t *testing.T) {
	g := start(t, lines(inspector(), hook(),
		"basic_auth /inspector* {", "operator $2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG", "}"))
	notify(g, page([]string{"a"}))
	for _, path := range []string{"/inspector", "/inspector/", "/inspector/events", "/inspector/payload?of=x-1"} {
		wantStatus(t, g.do(g.request("GET", path, nil)), 401)
	}
}

// TestInspectorIsNotSeenThroughAProxy has a proxy on the same machine, from
// where everybody's requests come.
func TestInspectorIsNotSeenThroughAProxy(t *testing.T) {
	site := func(g *gateway, port int, options ...string) string {
		return lines("reverse_proxy 127.0.0.1:"+strconv.Itoa(port), "}", "http://:"+strconv.Itoa(port)+" {", inspector(options...))
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
			g := newGateway(t, plainHTTP1)
			g.servers = tc.servers
			port := freePort(t)
			g.mustLoad(site(g, port, tc.option))
			r := g.request("GET", "/inspector/", nil)
			if tc.client != "" {
				r.Header.Set("X-Forwarded-For", tc.client)
			}
			wantStatus(t, g.do(r), tc.want)
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
	g := start(t, lines(inspector(), `handle_errors {`, `respond "{http.meta_webhook_inspector.error}" {http.error.status_code}`, `}`))
	r := g.request("GET", "/inspector/", nil)
	r.Host = "evil.example"
	a := g.do(r)
	wantStatus(t, a, 403)
	if a.body != "host_not_allowed" {
		t.Errorf("got %q, want the reason", a.body)
	}
	if !strings.Contains(g.logs(), `"reason":"host_not_allowed"`) {
		t.Error("got no log line about it, want one")
	}
}
