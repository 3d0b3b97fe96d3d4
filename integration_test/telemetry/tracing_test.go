package telemetry

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
)

// A span is one that a collector has got.
type span struct {
	name, trace, id, parent string
	failed                  bool
	attributes              map[string]any
	links                   []string // trace and span
}

// A traceCollector takes what Caddy's tracing exports.
type traceCollector struct {
	t *testing.T

	mu    sync.Mutex
	spans []span
}

// newTraceCollector starts a collector, and has Caddy export to it.
func newTraceCollector(t *testing.T) *traceCollector {
	t.Helper()
	c := &traceCollector{t: t}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
	return c
}

func (c *traceCollector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	request := new(collector.ExportTraceServiceRequest)
	if err == nil {
		err = proto.Unmarshal(body, request)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		c.t.Errorf("got an export to %s that cannot be read: %v", r.URL, err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, of := range request.GetResourceSpans() {
		for _, scope := range of.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				attributes := make(map[string]any)
				for _, a := range s.GetAttributes() {
					if text := a.GetValue().GetStringValue(); text != "" {
						attributes[a.GetKey()] = text
					} else if truth := a.GetValue().GetBoolValue(); truth {
						attributes[a.GetKey()] = truth
					} else {
						attributes[a.GetKey()] = a.GetValue().GetIntValue()
					}
				}
				var linked []string
				for _, to := range s.GetLinks() {
					linked = append(linked, hex.EncodeToString(to.GetTraceId())+" "+hex.EncodeToString(to.GetSpanId()))
				}
				c.spans = append(c.spans, span{
					s.GetName(), hex.EncodeToString(s.GetTraceId()), hex.EncodeToString(s.GetSpanId()), hex.EncodeToString(s.GetParentSpanId()),
					s.GetStatus().GetCode() == 2, attributes, linked,
				})
			}
		}
	}
}

// named returns the spans of a name.
func (c *traceCollector) named(name string) (spans []span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if s.name == name {
			spans = append(spans, s)
		}
	}
	return spans
}

// wantAttributes fails the test unless a span has these attributes.
func wantAttributes(t *testing.T, got span, want map[string]any) {
	t.Helper()
	for name, value := range want {
		if got.attributes[name] != value {
			t.Errorf("got %s %v of the span %q, want %v", name, got.attributes[name], got.name, value)
		}
	}
}

// TestTraceGoesThroughTheGateway follows a trace that the sender has begun:
// gateway, events, and the app, which fails for one of them.
func TestTraceGoesThroughTheGateway(t *testing.T) {
	const (
		trace  = "0af7651916cd43dd8448eb211c80319c"
		parent = "b7ad6b7169203331"
	)
	for mode, events := range map[string]int{"each": 2, "batch": 1, "original": 1} {
		t.Run(mode, func(t *testing.T) {
			c := newTraceCollector(t)
			u := harness.NewUpstream(t, func(w http.ResponseWriter, r harness.Received) {
				if strings.Contains(r.Body, "poison") {
					w.WriteHeader(503)
				}
			})
			g := harness.Start(t, harness.Lines("tracing {\nspan gateway\n}", harness.Hook("name shop", "deliver "+mode), "reverse_proxy "+u.Addr))
			r := g.Notification(harness.Page([]string{"a", "poison"}))
			r.Header.Set("Traceparent", "00-"+trace+"-"+parent+"-01")
			r.Header.Set("Baggage", "from=outside")
			harness.WantStatus(t, g.Do(r), 502)
			harness.WantStatus(t, g.Verify("wrong", "1"), 403)
			g.MustLoad("respond 200") // the last of its spans are exported when tracing ends

			gateways, deliveries := c.named("gateway"), c.named("meta_webhook deliver")
			if len(gateways) != 2 || len(deliveries) != events {
				t.Fatalf("got spans %+v and %+v, want 2 of the gateway and %d of deliveries", gateways, deliveries, events)
			}
			gateway, refused := gateways[0], gateways[1]
			if gateway.trace != trace || gateway.parent != parent {
				t.Errorf("got the gateway's span in trace %s below %s, want %s and %s", gateway.trace, gateway.parent, trace, parent)
			}
			wantAttributes(t, gateway, map[string]any{
				"meta_webhook.name": "shop", "meta_webhook.result": "delivery_failed", "meta_webhook.events": int64(2),
				"meta_webhook.failed": map[string]int64{"each": 1, "batch": 2, "original": 2}[mode],
			})
			wantAttributes(t, refused, map[string]any{"meta_webhook.name": "shop", "meta_webhook.result": "verify_token_mismatch"})

			delivered := make(map[string]span)
			for _, s := range deliveries {
				delivered["00-"+trace+"-"+s.id+"-01"] = s
				if s.trace != trace || s.parent != gateway.id {
					t.Errorf("got a delivery's span in trace %s below %s, want %s and %s", s.trace, s.parent, trace, gateway.id)
				}
			}
			for _, r := range u.Requests() {
				s, ok := delivered[r.Header.Get("Traceparent")]
				if !ok {
					t.Errorf("got traceparent %q upstream, want that of a delivery's span", r.Header.Get("Traceparent"))
					continue
				}
				wantAttributes(t, s, map[string]any{
					"cloudevents.event_id": r.Header.Get("Webhook-Id"), "cloudevents.event_type": "com.facebook.page.feed",
					"meta_webhook.events": map[bool]int64{true: 1, false: 2}[mode == "each"],
				})
				if poison := strings.Contains(r.Body, "poison"); s.failed != poison || (s.attributes["http.response.status_code"] == int64(503)) != poison {
					t.Errorf("got a span that failed: %t, with %v, want %t", s.failed, s.attributes, poison)
				}
				if got := r.Header.Get("Baggage"); got != "" {
					t.Errorf("got baggage %q upstream, want none", got)
				}
			}
		})
	}
}

func TestNothingIsTracedUnasked(t *testing.T) {
	c := newTraceCollector(t)
	u := harness.NewUpstream(t, nil)
	g := harness.Start(t, harness.Lines(harness.Hook(), "reverse_proxy "+u.Addr))
	harness.WantStatus(t, g.Post(harness.Page([]string{"a"})), 200)
	if got, ok := u.Only().Header["Traceparent"]; ok {
		t.Errorf("got traceparent %q upstream, want none", got)
	}
	g.MustLoad("respond 200")
	if len(c.spans) > 0 {
		t.Errorf("got spans %+v, want none", c.spans)
	}
}

// TestAttemptLinksToItsNotification has an app refuse stored events once: each
// attempt is a trace of its own, which the app's spans join, and which links to
// the trace of the notification, or of all notifications in a batch.
func TestAttemptLinksToItsNotification(t *testing.T) {
	for mode, notifications := range map[string]int{"each": 1, "batch 10 200ms": 2} {
		t.Run(mode, func(t *testing.T) {
			c := newTraceCollector(t)
			var mu sync.Mutex
			attempts := 0
			u := harness.NewUpstream(t, func(w http.ResponseWriter, _ harness.Received) {
				mu.Lock()
				defer mu.Unlock()
				if attempts++; attempts == 1 {
					w.WriteHeader(503)
				}
			})
			g := harness.Start(t, harness.Lines("tracing {\nspan gateway\n}", harness.Hook("name "+t.Name(),
				"store file {\npath "+filepath.ToSlash(harness.StoreDir(t))+"\n}", "destination app {", "deliver "+mode, "retry 50ms 50ms", "reverse_proxy "+u.Addr, "}")))
			for i := range notifications {
				r := g.Notification(harness.Page([]string{strconv.Itoa(i)}))
				r.Header.Set("Tracestate", "vendor=outside")
				r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
				harness.WantStatus(t, g.Do(r), 200)
			}
			harness.Eventually(t, "a second attempt", func() bool { return len(u.Requests()) == 2 })
			g.MustLoad("respond 200") // the last of its spans are exported when tracing ends

			want := make(map[string]bool)
			for _, s := range c.named("gateway") {
				want[s.trace+" "+s.id] = true
			}
			spans := c.named("meta_webhook deliver")
			if len(want) != notifications || len(spans) != 2 {
				t.Fatalf("got %d spans of notifications and %+v of attempts, want %d and 2", len(want), spans, notifications)
			}
			for i, s := range spans {
				if s.parent != "" || len(s.links) != notifications {
					t.Errorf("attempt %d: got a span below %q with the links %q, want one of its own with links to %v", i+1, s.parent, s.links, want)
				}
				for _, to := range s.links {
					if !want[to] {
						t.Errorf("attempt %d: got a link to %s, want one of %v", i+1, to, want)
					}
				}
				wantAttributes(t, s, map[string]any{"meta_webhook.destination": "app", "meta_webhook.attempt": int64(i + 1)})
				r := u.Requests()[i]
				if got := r.Header.Get("Traceparent"); got != "00-"+s.trace+"-"+s.id+"-01" || r.Header.Get("Tracestate") != "" {
					t.Errorf("attempt %d: got traceparent %q and tracestate %q upstream, want those of the attempt", i+1, got, r.Header.Get("Tracestate"))
				}
			}
			if !spans[0].failed || spans[1].failed {
				t.Errorf("got spans that failed: %t, %t, want the first alone", spans[0].failed, spans[1].failed)
			}
		})
	}
}
