// Package observe tells what happens: to the log, the metrics, the traces, the
// access log, the subscribers of Caddy's events, and the status.
//
// An [Observer] has a method for every fact. The rest of the program states
// facts, once each, and knows nothing of where they are told.
package observe

import (
	"context"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// ResultOK is the result of a request that was not refused.
const ResultOK = "ok"

// DeliveryFailed is the result of a notification with events that could not
// be delivered.
const DeliveryFailed = "delivery_failed"

// An Observer tells what happens under one name, in one configuration.
type Observer struct {
	name   string
	meter  *meter
	state  *State
	events emitter
	logger *zap.Logger
}

// New returns the observer of a handler in the configuration that is being
// loaded. It needs a Close.
func New(ctx caddy.Context, name string, logger *zap.Logger) (*Observer, error) {
	events, err := newEmitter(ctx)
	if err != nil {
		return nil, err
	}
	o := &Observer{name: name, state: openState(name), events: events, logger: logger}
	if o.meter, err = newMeter(ctx, name); err != nil {
		_ = o.state.close()
		return nil, err
	}
	return o, nil
}

// Close ends the use of the observer. What was counted under a name ends with
// the last observer of the name.
func (o *Observer) Close() error { return o.state.close() }

// SetLogger has the observer log to another logger.
func (o *Observer) SetLogger(logger *zap.Logger) { o.logger = logger }

// State returns what is going on under the observer's name.
func (o *Observer) State() *State { return o.state }

// Refused states that a request was refused for a reason, which is a fixed
// word, and what the request has shown of itself.
func (o *Observer) Refused(r *http.Request, reason string, status int, shown ...zap.Field) {
	if suppressed, ok := o.state.lines.allow(reason, fewLines); ok {
		o.logRefusal(r, reason, status, suppressed, shown)
		o.emitRefused(r, reason, status, suppressed)
	}
	o.state.refuse(r, reason, status)
	o.answered(r, reason)
}

// Verified states that a verification request was answered with its challenge.
func (o *Observer) Verified(r *http.Request) { o.answered(r, ResultOK) }

// answered notes what a request was answered with.
func (o *Observer) answered(r *http.Request, result string) {
	o.meter.answered(r.Method, result)
	if extra := accessLog(r); extra != nil {
		extra.Set(zap.String("meta_webhook.result", result))
	}
	describe(r.Context(), func() []attribute.KeyValue {
		return []attribute.KeyValue{attribute.String("meta_webhook.name", o.name), attribute.String("meta_webhook.result", result)}
	})
}

// DuplicatesHeader is the header of a 200 that says how many of a notification's
// events were delivered before, and are not delivered again.
const DuplicatesHeader = "Meta-Webhook-Duplicates"

// A Notification tells what becomes of one authentic notification.
type Notification struct {
	o     *Observer
	r     *http.Request
	start time.Time
	size  int // of the body

	events, repeats, failed int
	rejected                bool // because the store failed
}

// Received states that an authentic notification has come, and is being
// worked on. It ends with Answered.
func (o *Observer) Received(r *http.Request, size int) *Notification {
	n := &Notification{o: o, r: r, start: time.Now(), size: size}
	o.meter.sizes.Observe(float64(size))
	o.state.begin(n)
	return n
}

// Start returns when the notification came.
func (n *Notification) Start() time.Time { return n.start }

// Parsed states how many events there are in the notification.
func (n *Notification) Parsed(events int) { n.events = events }

// Repeated states that events were delivered before, and are dropped.
func (n *Notification) Repeated(events []event.Event) {
	if len(events) == 0 {
		return
	}
	n.repeats += len(events)
	n.o.meter.count(events, outcomeDuplicate)
	n.o.state.delivered(events)
	n.o.state.repeat(events)
}

// Repeats returns how many of the events were delivered before.
func (n *Notification) Repeats() int { return n.repeats }

// Delivered states that events were delivered.
func (n *Notification) Delivered(events []event.Event) {
	n.o.meter.count(events, outcomeDelivered)
	n.o.state.delivered(events)
}

// Failed states that events were tried, and not delivered: Meta has to send
// them again.
func (n *Notification) Failed(events []event.Event) {
	n.o.meter.count(events, outcomeFailed)
	n.o.state.owe(n.start, events)
}

// Stored states that events are stored, for a destination or more.
func (n *Notification) Stored(events []event.Event) { n.o.meter.count(events, outcomeStored) }

// Unmatched states that events are stored, and match no destination.
func (n *Notification) Unmatched(events []event.Event) { n.o.meter.count(events, outcomeUnmatched) }

// Rejected states that events were not tried, because the store failed.
func (n *Notification) Rejected(events []event.Event) {
	n.rejected = true
	n.o.state.owe(n.start, events)
}

// Unsuccessful states how many events the answer to the notification says
// were not delivered.
func (n *Notification) Unsuccessful(events int) { n.failed = events }

// Answered states what the notification is answered with. A refusal has been
// stated by then, for the result then is its reason.
func (n *Notification) Answered(result string) {
	o := n.o
	if result == ResultOK || result == DeliveryFailed {
		o.answered(n.r, result)
	}
	o.state.end(n, result)
	o.logNotification(n, result)
}

// StoreFailed states that the store has failed in an operation.
func (o *Observer) StoreFailed(operation string, err error) {
	o.meter.errors.WithLabelValues(operation).Inc()
	if suppressed, ok := o.state.lines.allow("dedup "+operation, fewLines); ok {
		fields := o.fields(suppressed, zap.String("operation", operation), zap.Error(err))
		o.logger.Error("store failed", fields...)
	}
}

// Waited states since when a duplicate waited for the outcome of a delivery.
func (o *Observer) Waited(start time.Time) { since(o.meter.waits, start) }

// An Attributes says what the placeholders of an event say: type, source,
// subject and so on, by their names.
type Attributes interface {
	Attribute(name string) string
}

// A Message is what the observer needs to know of one request to the app.
type Message struct {
	ID          string
	Events      int
	Attributes  Attributes
	Destination string // empty inline
	Attempt     int    // likewise 0
	Replay      bool
	Traces      []string // of the notifications that it is from, if it was stored
}

// A Failure is why a message was not delivered.
type Failure struct {
	Status int   // of the app's answer, 0 without one
	Err    error // which holds nothing of the message
	Stack  []byte
}

// Sending states that a message is about to be sent. The context that it
// returns is in the trace of the message, and done takes what became of it: nil
// if it was delivered.
func (o *Observer) Sending(ctx context.Context, m Message) (_ context.Context, done func(*Failure)) {
	start := time.Now()
	ctx, span := startSpan(ctx, m, o.state.tracing.Load())
	return ctx, func(f *Failure) {
		endSpan(span, f)
		since(o.meter.deliveries, start)
		if f == nil {
			return
		}
		if suppressed, ok := o.state.lines.allow(DeliveryFailed, moreLines); ok {
			o.logFailure(m, f, suppressed)
			o.emitFailed(m, f, suppressed)
		}
	}
}

// clientIP returns the address that a request came from, as Caddy has it.
func clientIP(r *http.Request) string {
	ip, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	return ip
}
