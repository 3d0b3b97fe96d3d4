package metawebhook

import (
	"context"
	"net/http"
	"sync"

	"go.opentelemetry.io/contrib/propagators/autoprop"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

const (
	tracerName = "github.com/caddy-meta-webhook/caddy-meta-webhook"
	spanName   = "meta_webhook deliver"
)

// propagators write a trace's context into headers, in the ways that
// OTEL_PROPAGATORS names, as Caddy's tracing does.
var propagators = sync.OnceValue(func() propagation.TextMapPropagator { return autoprop.NewTextMapPropagator() })

// untraced is the span of what nobody traces.
var untraced = trace.SpanFromContext(context.Background())

// describe adds attributes to the span that Caddy's tracing has begun for a
// request, if it has.
func describe(ctx context.Context, attributes func() []attribute.KeyValue) {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.SetAttributes(attributes()...)
	}
}

// startSpan begins the span of a message, if the notification is traced.
func (m *message) startSpan(ctx context.Context) (context.Context, trace.Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, untraced
	}
	attributes := []attribute.KeyValue{
		attribute.String("cloudevents.event_id", m.id.String()),
		attribute.Int("meta_webhook.events", len(m.events)),
	}
	for _, a := range []struct {
		name string
		of   func(*event.Event) string
	}{
		{"cloudevents.event_type", (*event.Event).Type},
		{"cloudevents.event_source", (*event.Event).Source},
		{"cloudevents.event_subject", (*event.Event).Subject},
	} {
		if value := m.shared(a.of); value != "" {
			attributes = append(attributes, attribute.String(a.name, value))
		}
	}
	return parent.TracerProvider().Tracer(tracerName).Start(ctx, spanName,
		trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...))
}

// endSpan ends the span of a message that was delivered, or failed.
func endSpan(span trace.Span, f *failure) {
	if f != nil && span.IsRecording() {
		span.SetStatus(codes.Error, f.err.Error())
		if f.answered != 0 {
			span.SetAttributes(attribute.Int("http.response.status_code", f.answered))
		}
	}
	span.End()
}

// propagate has the header of a request tell which trace it is a part of.
// Baggage stays here: it is from outside, and no signature covers it.
func propagate(ctx context.Context, h http.Header) {
	if trace.SpanContextFromContext(ctx).IsValid() {
		propagators().Inject(baggage.ContextWithoutBaggage(ctx), propagation.HeaderCarrier(h))
	}
}
