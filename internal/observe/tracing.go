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

// Trace returns which trace a notification is a part of, in the form of a
// traceparent, for the attempts that are made of it later. It is empty if the
// notification is not traced.
func (o *Observer) Trace(ctx context.Context) string {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return ""
	}
	provider := span.TracerProvider()
	o.state.tracing.Store(&provider)
	carrier := make(propagation.MapCarrier)
	propagation.TraceContext{}.Inject(trace.ContextWithSpanContext(context.Background(), span.SpanContext()), carrier)
	return carrier.Get("traceparent")
}

// Tracing reports whether attempts can have spans: a notification had one.
func (o *Observer) Tracing() bool { return o.state.tracing.Load() != nil }

// links returns links to traces.
func links(traces []string) []trace.Link {
	var all []trace.Link
	for _, t := range traces {
		ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": t})
		if to := trace.SpanContextFromContext(ctx); to.IsValid() {
			all = append(all, trace.Link{SpanContext: to})
		}
	}
	return all
}

// startSpan begins the span of a message, if the notification is traced. That
// of a stored message is the first of a trace of its own, for it comes when the
// notification was long answered, and links to the notification's. It is made
// by the provider of the notifications that come these days, which is nil
// before the first.
func startSpan(ctx context.Context, m Message, stored *trace.TracerProvider) (context.Context, trace.Span) {
	parent := trace.SpanFromContext(ctx)
	provider, options := parent.TracerProvider(), []trace.SpanStartOption(nil)
	if !parent.IsRecording() {
		if stored == nil || len(m.Traces) == 0 {
			return ctx, untraced
		}
		provider = *stored
		options = append(options, trace.WithNewRoot(), trace.WithLinks(links(m.Traces)...), trace.WithAttributes(
			attribute.String("meta_webhook.destination", m.Destination),
			attribute.Int("meta_webhook.attempt", m.Attempt),
			attribute.Bool("meta_webhook.replay", m.Replay),
		))
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
	return provider.Tracer(tracerName).Start(ctx, spanName,
		append(options, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...))...)
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

// Propagate writes into the header of a request which trace it is a part of,
// in place of what it says so far. Baggage is left out: it is from outside, and
// no signature covers it.
func Propagate(ctx context.Context, h http.Header) {
	if trace.SpanContextFromContext(ctx).IsValid() {
		delete(h, "Traceparent")
		delete(h, "Tracestate")
		propagators().Inject(baggage.ContextWithoutBaggage(ctx), propagation.HeaderCarrier(h))
	}
}
