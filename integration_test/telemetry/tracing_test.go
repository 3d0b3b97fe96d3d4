package telemetry

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
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
					} else {
						attributes[a.GetKey()] = a.GetValue().GetIntValue()
					}
				}
				c.spans = append(c.spans, span{
					s.GetName(), hex.EncodeToString(s.GetTraceId()), hex.EncodeToString(s.GetSpanId()), hex.EncodeToString(s.GetParentSpanId()),
					s.GetStatus().GetCode() == 2, attributes,
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
