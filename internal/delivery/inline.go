package delivery

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/observe"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// Inline delivers the events of a notification to the next handler while Meta
// waits for the answer:
//
//	claim → send, conversation by conversation → record or release
type Inline struct {
	Sender
	Options *Options
	Policy  Policy                // nil without deduplication
	Ledger  *Shared[store.Ledger] // likewise
	Lease   time.Duration         // of claims

	life *lifetime
}

// Start has deliveries end with their senders once the context has ended,
// which is when the server begins to shut down.
func (i *Inline) Start(stopping context.Context) { i.life = newLifetime(stopping) }

// A Notification is what Inline delivers.
type Notification struct {
	Request *http.Request // Meta's
	Next    caddyhttp.Handler
	Body    []byte
	Events  []event.Event
	Told    *observe.Notification
}

// The errors of a notification whose events were not tried, or are being
// delivered elsewhere.
var (
	ErrStore    = errors.New("the store failed")
	ErrInFlight = errors.New("still being delivered")
)

// UndeliveredError is the error of a notification with events that failed.
type UndeliveredError struct {
	Status     int // to answer with: that of the first
	Failed, Of int // events
}

// Error implements error.
func (u *UndeliveredError) Error() string {
	return fmt.Sprintf("%s: %d of %d", observe.DeliveryFailed, u.Failed, u.Of)
}

// A delivery is a notification on its way to the next handler.
type delivery struct {
	*Inline
	*Notification
	ctx    context.Context // of the requests that are made for it
	cancel context.CancelFunc
	chain  Chain
	origin *Origin
}

// Deliver delivers the events of a notification. It returns nil once all of
// them were delivered, now or before; else ErrStore, ErrInFlight, or an
// *UndeliveredError.
func (i *Inline) Deliver(n *Notification) error {
	server, _ := n.Request.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	d := &delivery{
		Inline: i, Notification: n,
		chain:  Chain{Handler: n.Next, Server: server, Before: n.Request},
		origin: OriginOf(n.Request),
	}
	i.life.begin(d, n.Request)
	defer i.life.end(d)
	if i.Policy == nil {
		return d.fold(d.send(d.Events, nil))
	}
	return d.deliverNew()
}

// deliverNew delivers the events that were not delivered before. For those
// that are being delivered elsewhere it waits, after its own: two deliveries
// that waited for each other would wait in vain.
func (d *delivery) deliverNew() error {
	left, repeats := distinct(d.Events)
	d.Told.Repeated(repeats)
	ledger, err := d.Ledger.Acquire()
	if err != nil {
		return d.deliverUnclaimed(left, "open", err)
	}
	defer d.release()
	wait := outcomeWait{ctx: d.Request.Context(), most: d.Lease}
	defer func() {
		if wait.waited() {
			d.Observer.Waited(wait.start)
		}
	}()
	for {
		lease, err := d.claim(ledger, left)
		if err != nil {
			return d.deliverUnclaimed(left, "claim", err)
		}
		if left, err = d.deliverClaimed(lease, left); err != nil || len(left) == 0 {
			return err
		}
		if !wait.more() {
			return ErrInFlight
		}
	}
}

// release ends the use of the ledger.
func (d *delivery) release() {
	if err := d.Ledger.Release(); err != nil {
		d.Observer.StoreFailed("close", err)
	}
}

// deliverClaimed delivers those of the events that the lease is for, and
// returns those that are being delivered elsewhere.
func (d *delivery) deliverClaimed(l *Lease, events []event.Event) (elsewhere []event.Event, err error) {
	if d.Options.Deliver == Original && len(l.inFlight) > 0 {
		l.settle() // Meta's bytes are not divisible
		return events, nil
	}
	d.Told.Repeated(l.repeats)
	if len(l.events) == 0 {
		return l.inFlight, nil
	}
	failures := d.send(l.events, l)
	elsewhere = append(l.inFlight, l.settle()...)
	return elsewhere, d.fold(failures)
}

// deliverUnclaimed does what the policy says while the store fails. A store
// that is merely busy has not failed.
func (d *delivery) deliverUnclaimed(events []event.Event, operation string, err error) error {
	d.Observer.StoreFailed(operation, err)
	busy := errors.Is(err, store.ErrBusy)
	if busy || d.Policy.Rejects() {
		d.Told.Rejected(events)
	}
	switch {
	case busy:
		return ErrStoreBusy // it works, and there may be claims in it
	case d.Policy.Rejects():
		return ErrStore
	}
	return d.fold(d.send(events, nil))
}

// send sends events in the configured way. It returns what became of each, and
// notes it in the lease.
func (d *delivery) send(events []event.Event, l *Lease) []*Failure {
	var m Message
	switch d.Options.Deliver {
	case Batch:
		m = newMessage(event.Digest(events), events)
		m.ContentType = d.Options.contentType(event.BatchMediaType)
		m.setArray(events, len(d.Body), len(d.Keys) > 0)
	case Original:
		m = newMessage(event.Digest(d.Events), d.Events)
		m.ContentType = typeJSON
		m.Signature = d.Request.Header[signatureHeader]
		m.Body = d.Body
	default:
		return d.sendEach(events, l)
	}
	_, f := d.Send(d.ctx, &d.chain, d.origin, &m)
	d.note(l, 0, events, f)
	return slices.Repeat([]*Failure{f}, len(events))
}

// sendOne sends a message of one event.
func (d *delivery) sendOne(events []event.Event) *Failure {
	m := newMessage(events[0].ID(), events)
	m.ContentType = d.Options.contentType(event.MediaType)
	m.Body = events[0].AppendJSON(nil)
	_, f := d.Send(d.ctx, &d.chain, d.origin, &m)
	return f
}

// note notes what became of events, the first of which is the one of the lease
// at that index.
func (d *delivery) note(l *Lease, first int, events []event.Event, f *Failure) {
	if f != nil {
		d.Told.Failed(events)
	} else {
		d.Told.Delivered(events)
	}
	l.note(first, len(events), f)
}

// fold turns what became of events into an error, or nil if all of them were
// delivered.
func (d *delivery) fold(failures []*Failure) error {
	var first *Failure
	failed := 0
	for _, f := range failures {
		if f == nil {
			continue
		}
		if first == nil {
			first = f
		}
		failed++
	}
	if first == nil {
		return nil
	}
	d.Told.Unsuccessful(failed)
	return &UndeliveredError{Status: first.Reply, Failed: failed, Of: len(failures)}
}
