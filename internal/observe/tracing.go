package observe

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
)

const (
	tracerName = "github.com/caddy-meta-webhook/caddy-meta-webhook"
	spanName   = "meta_webhook deliver"
)

// propagators write a trace's context into headers, in the ways that
// OTEL_PROPAGATORS names, as Caddy's tracing does.
var propagators = sync.OnceValue(func() propagation.TextMapPropagator { return autoprop.NewTextMapPropagator() })

// untraced is the span of a message that is not traced.
var untraced = trace.SpanFromContext(context.Background())

// describe adds attributes to the span that Caddy's tracing has begun for a
// request, if it has.
func describe(ctx context.Context, attributes func() []attribute.KeyValue) {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.SetAttributes(attributes()...)
	}
}

// startSpan begins the span of a message, if the notification is traced.
func startSpan(ctx context.Context, m Message) (context.Context, trace.Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, untraced
	}
	attributes := []attribute.KeyValue{
		attribute.String("cloudevents.event_id", m.ID),
		attribute.Int("meta_webhook.events", m.Events),
	}
	for _, name := range []string{"type", "source", "subject"} {
		if value := m.Attributes.Attribute(name); value != "" {
			attributes = append(attributes, attribute.String("cloudevents.event_"+name, value))
		}
	}
	return parent.TracerProvider().Tracer(tracerName).Start(ctx, spanName,
		trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...))
}

// endSpan ends the span of a message that was delivered, or failed.
func endSpan(span trace.Span, f *Failure) {
	if f != nil && span.IsRecording() {
		span.SetStatus(codes.Error, f.Err.Error())
		if f.Status != 0 {
			span.SetAttributes(attribute.Int("http.response.status_code", f.Status))
		}
	}
	span.End()
}

// Propagate writes into the header of a request which trace it is a part of.
// Baggage is left out: it is from outside, and no signature covers it.
func Propagate(ctx context.Context, h http.Header) {
	if trace.SpanContextFromContext(ctx).IsValid() {
		propagators().Inject(baggage.ContextWithoutBaggage(ctx), propagation.HeaderCarrier(h))
	}
}
