package telemetry

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
)

func init() {
	caddy.RegisterModule(listener{})
}

// heard is the events that listeners have heard.
var heard struct {
	sync.Mutex
	events []caddy.Event
}

// A listener keeps the events of Caddy that it is subscribed to.
type listener struct{}

func (listener) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "events.handlers.test_listener", New: func() caddy.Module { return new(listener) }}
}

func (listener) UnmarshalCaddyfile(*caddyfile.Dispenser) error { return nil }

func (listener) Handle(_ context.Context, e caddy.Event) error {
	heard.Lock()
	defer heard.Unlock()
	heard.events = append(heard.events, e)
	return nil
}

var _ caddyevents.Handler = (*listener)(nil)

// takeHeard returns the events that were heard since the last call.
func takeHeard() []caddy.Event {
	heard.Lock()
	defer heard.Unlock()
	events := heard.events
	heard.events = nil
	return events
}

func TestListenersHearOfRefusalsAndFailures(t *testing.T) {
	takeHeard()
	u := harness.NewUpstream(t, func(w http.ResponseWriter, r harness.Received) {
		if strings.Contains(r.Body, "poison") {
			w.WriteHeader(503)
		}
	})
	g := harness.NewGateway(t, harness.PlainHTTP1)
	g.LogLevel = "INFO"
	g.Global = "events {\non meta_webhook.refused test_listener\non meta_webhook.failed test_listener\n}"
	g.MustLoad(harness.Lines(harness.Hook("name "+t.Name()), "reverse_proxy "+u.Addr))
	hear := func(name string, want map[string]any) {
		t.Helper()
		got := takeHeard()
		if len(got) != 1 || got[0].Name() != name || got[0].Origin().CaddyModule().ID != "http.handlers.meta_webhook" {
			t.Fatalf("got events %+v, want one %s", got, name)
		}
		want["name"], want["suppressed"] = t.Name(), int64(0)
		if len(got[0].Data) != len(want) {
			t.Errorf("got data %v, want %v", got[0].Data, want)
		}
		for field, value := range want {
			if got[0].Data[field] != value {
				t.Errorf("got %s %v, want %v", field, got[0].Data[field], value)
			}
		}
	}

	harness.WantStatus(t, g.Verify("wrong", "1"), 403)
	hear("meta_webhook.refused", map[string]any{"reason": "verify_token_mismatch", "status": 403, "client_ip": "127.0.0.1"})
	harness.WantStatus(t, g.Post(harness.Page([]string{"a", "poison"})), 502)
	var id string
	for _, r := range u.Requests() { // side by side
		if strings.Contains(r.Body, "poison") {
			id = harness.Decode[harness.CloudEvent](t, r.Body).ID
		}
	}
	hear("meta_webhook.failed", map[string]any{
		"id": id, "type": "com.facebook.page.feed", "events": 1, "upstream_status": 503, "error": "the answer is not 2xx",
	})
	harness.WantStatus(t, g.Post(harness.Page([]string{"a"})), 200)
	if got := takeHeard(); len(got) > 0 {
		t.Errorf("got events %+v about what went well, want none", got)
	}

	const flood = 100
	for range flood {
		g.Verify("wrong", "1")
	}
	if got := len(takeHeard()); got == 0 || got > flood/10 {
		t.Errorf("got %d events about a flood of %d, want a few", got, flood)
	}
}

// TestListenersHearOfDestinations has one destination that is down and up
// again, and one that gives events up.
func TestListenersHearOfDestinations(t *testing.T) {
	takeHeard()
	var down atomic.Bool
	down.Store(true)
	u := harness.NewUpstream(t, func(w http.ResponseWriter, _ harness.Received) {
		if down.Load() {
			w.WriteHeader(503)
		}
	})
	g := harness.NewGateway(t, harness.PlainHTTP1)
	g.LogLevel = "INFO"
	g.Global = "events {\non meta_webhook.dead test_listener\non meta_webhook.destination_down test_listener\non meta_webhook.destination_up test_listener\n}"
	g.MustLoad(harness.Lines("@refused vars {http.meta_webhook.event.kind} feed", harness.Hook("name "+t.Name(),
		"store file {\npath "+filepath.ToSlash(harness.StoreDir(t))+"\n}",
		"destination app {", "reverse_proxy "+u.Addr, "}",
		"destination strict @refused {", "retry 10ms 10ms", "give_up 1ms", "respond 422", "}")))
	var all []caddy.Event
	hear := func(name string) caddy.Event {
		t.Helper()
		var got caddy.Event
		harness.Eventually(t, name, func() bool {
			all = append(all, takeHeard()...)
			for _, e := range all {
				if e.Name() == name {
					got = e
					return true
				}
			}
			return false
		})
		return got
	}
	wantData := func(e caddy.Event, want map[string]any) {
		t.Helper()
		want["name"] = t.Name()
		if !maps.Equal(e.Data, want) {
			t.Errorf("%s: got data %v, want %v", e.Name(), e.Data, want)
		}
	}
	for i := range 5 { // conversations that fail in a row
		harness.WantStatus(t, g.Post(fmt.Appendf(nil,
			`{"object":"page","entry":[{"id":"1","time":1,"messaging":[{"sender":{"id":"%d"},"recipient":{"id":"1"},"timestamp":1,"message":{"mid":"m%d"}}]}]}`, i, i)), 200)
	}
	wantData(hear("meta_webhook.destination_down"), map[string]any{"destination": "app", "cause": "http_503"})
	down.Store(false)
	wantData(hear("meta_webhook.destination_up"), map[string]any{"destination": "app", "cause": ""})
	harness.WantStatus(t, g.Post(harness.Page([]string{"a"})), 200)
	wantData(hear("meta_webhook.dead"), map[string]any{"destination": "strict", "cause": "http_422", "events": 1, "suppressed": int64(0)})
	if len(all) != 3 {
		t.Errorf("got events %+v, want one of each", all)
	}
}
