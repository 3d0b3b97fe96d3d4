package observe

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"go.opentelemetry.io/otel/attribute"
)

type noAttributes struct{}

func (noAttributes) Attribute(string) string { return "" }

func TestTracingCostsNothingWhenItIsOff(t *testing.T) {
	ctx := context.Background()
	m := Message{ID: "1", Events: 1, Attributes: noAttributes{}}
	header := make(http.Header)
	f := &Failure{Status: 500, Err: errors.New("the answer is not 2xx")}
	if n := testing.AllocsPerRun(100, func() {
		describe(ctx, func() []attribute.KeyValue { return []attribute.KeyValue{attribute.String("id", m.ID)} })
		ctx, span := startSpan(ctx, m, nil)
		Propagate(ctx, header)
		endSpan(span, f)
	}); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
	if len(header) != 0 {
		t.Errorf("got %v, want no header", header)
	}
}
