package telemetry

import (
	"context"
	"net/http"
	"strings"
	"sync"
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
	id := harness.Decode[harness.CloudEvent](t, u.Requests()[1].Body).ID
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
