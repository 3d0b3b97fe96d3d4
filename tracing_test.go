package metawebhook

import (
	"net/http"
	"testing"

	"go.opentelemetry.io/otel/attribute"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

func TestTracingCostsNothingWhenItIsOff(t *testing.T) {
	events, err := event.Parse([]byte(oneEvent))
	if err != nil {
		t.Fatal(err)
	}
	ctx := newNotification(oneEvent).Context()
	m := message{events: events, id: events[0].ID()}
	header := make(http.Header)
	f := &failure{answered: 500, err: errStatus}
	if n := testing.AllocsPerRun(100, func() {
		describe(ctx, func() []attribute.KeyValue { return []attribute.KeyValue{attribute.String("id", m.id.String())} })
		ctx, span := m.startSpan(ctx)
		propagate(ctx, header)
		endSpan(span, f)
	}); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
	if len(header) != 0 {
		t.Errorf("got %v, want no header", header)
	}
}
