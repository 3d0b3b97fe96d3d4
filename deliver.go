package metawebhook

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// How events are handed to the next handler.
const (
	deliverEach     = "each"
	deliverBatch    = "batch"
	deliverOriginal = "original"
)

var deliverModes = []string{deliverEach, deliverBatch, deliverOriginal}

const typeJSON = "application/json"

// deliver hands the events of a notification to the next handler, and returns
// the error that answers the notification unless all of them succeed, now or
// before.
func (h *Handler) deliver(w http.ResponseWriter, d *delivery) error {
	if h.Dedup.Off {
		return h.fold(d, h.handOn(d, d.all, nil))
	}
	return h.deliverNew(d, w)
}

// deliverNew hands on those events that were not delivered before. What
// somebody else is delivering right now it waits for, after its own: two that
// waited for each other would wait in vain.
func (h *Handler) deliverNew(d *delivery, w http.ResponseWriter) error {
	r := d.original
	left, repeated := distinct(d.all)
	h.drop(d, repeated)
	store, err := h.store.acquire()
	if err != nil {
		return h.deliverUnclaimed(d, w, left, "open", err)
	}
	defer func() {
		if err := h.store.release(); err != nil {
			h.storeFailed("close", err)
		}
	}()
	wait := outcomeWait{ctx: r.Context(), most: h.lease}
	defer wait.observe(h.meter.waits)
	for {
		own, err := h.claim(d, store, left)
		if err != nil {
			return h.deliverUnclaimed(d, w, left, "claim", err)
		}
		inFlight := own.inFlight
		if h.Deliver == deliverOriginal && len(inFlight) > 0 {
			own.settle() // there is no leaving out what is in flight
			inFlight = left
		} else {
			h.drop(d, own.repeats)
			if len(own.events) > 0 {
				failures := h.handOn(d, own.events, own)
				inFlight = append(inFlight, own.settle()...)
				if err := h.fold(d, failures); err != nil {
					return err
				}
			}
		}
		if len(inFlight) == 0 {
			return nil
		}
		if !wait.more() {
			return h.refuseForNow(w, r, errInFlight)
		}
		left = inFlight
	}
}

// drop counts events that were delivered before, and are not again.
func (h *Handler) drop(d *delivery, repeats []event.Event) {
	d.duplicates += len(repeats)
	h.meter.count(repeats, outcomeDuplicate)
	h.record.settle(repeats)
}

// became notes what has become of events that were handed on.
func (h *Handler) became(d *delivery, events []event.Event, f *failure) {
	if f != nil {
		h.meter.count(events, outcomeFailed)
		h.record.owe(d, events)
		return
	}
	h.meter.count(events, outcomeDelivered)
	h.record.settle(events)
}

// deliverUnclaimed does what the configuration says for when the store fails.
func (h *Handler) deliverUnclaimed(d *delivery, w http.ResponseWriter, events []event.Event, operation string, err error) error {
	h.storeFailed(operation, err)
	if h.Dedup.OnError == onErrorReject {
		h.record.owe(d, events)
		return h.refuseForNow(w, d.original, errDedup)
	}
	return h.fold(d, h.handOn(d, events, nil))
}

// distinct parts the events from those that repeat an earlier one.
func distinct(events []event.Event) (first, repeated []event.Event) {
	if len(events) == 1 {
		return events, nil
	}
	seen := make(map[event.ID]struct{}, len(events))
	first = events
	for i := range events {
		before := len(seen)
		seen[events[i].ID()] = struct{}{}
		if len(seen) == before {
			if repeated == nil {
				first = slices.Clone(events[:i])
			}
			repeated = append(repeated, events[i])
		} else if repeated != nil {
			first = append(first, events[i])
		}
	}
	return first, repeated
}

// An outcomeWait is how long to wait for what somebody else is delivering: as
// long as the lease and the sender, looking again less and less often.
type outcomeWait struct {
	ctx   context.Context
	most  time.Duration
	start time.Time // of the first look
	pause time.Duration
}

const (
	firstPause   = 5 * time.Millisecond
	longestPause = 500 * time.Millisecond
)

// more waits for the time to look again. It returns false if there is none.
func (w *outcomeWait) more() bool {
	now := time.Now()
	if w.start.IsZero() {
		w.start = now
	}
	w.pause = min(max(firstPause, 2*w.pause), longestPause)
	if now.Add(w.pause).Sub(w.start) > w.most {
		return false
	}
	select {
	case <-time.After(w.pause):
		return true
	case <-w.ctx.Done():
		return false
	}
}

// observe observes how long the wait has been, if there was one.
func (w *outcomeWait) observe(o prometheus.Observer) {
	if !w.start.IsZero() {
		since(o, w.start)
	}
}

// handOn hands events to the next handler in the configured way. It returns
// what became of each event, and has c note it, too.
func (h *Handler) handOn(d *delivery, events []event.Event, c *claims) []*failure {
	m := message{events: events}
	switch h.Deliver {
	case deliverEach:
		return h.handOnEach(d, events, c)
	case deliverBatch:
		m.contentType = h.contentType(event.BatchMediaType)
		m.body = event.AppendJSONArray(nil, events)
	case deliverOriginal:
		m.events = d.all
		m.contentType = typeJSON
		m.signature = d.original.Header[signatureHeader]
		m.body = d.body
	}
	m.id = event.Digest(m.events)
	f := h.send(d, m)
	h.became(d, events, f)
	c.note(0, len(events), f)
	return slices.Repeat([]*failure{f}, len(events))
}

// handOnEach hands on events one by one, those of an entry in their order,
// those of several entries side by side.
func (h *Handler) handOnEach(d *delivery, events []event.Event, c *claims) []*failure {
	failures := make([]*failure, len(events))
	var (
		running sync.WaitGroup
		places  chan struct{}
		first   int
	)
	for entry := range event.Entries(events) {
		from, n := first, len(entry)
		first += n
		if n == len(events) {
			h.handOnInOrder(d, events, 0, c, failures)
			break
		}
		if places == nil {
			places = make(chan struct{}, h.Parallel)
		}
		places <- struct{}{}
		running.Go(func() {
			h.handOnInOrder(d, entry, from, c, failures[from:])
			<-places
		})
	}
	running.Wait()
	return failures
}

// handOnInOrder hands on events one after another, and notes what becomes of
// each. They are the claimed ones from the one at first; those whose claim is
// lost meanwhile it leaves to whoever has it.
func (h *Handler) handOnInOrder(d *delivery, events []event.Event, first int, c *claims, failures []*failure) {
	for i := range events {
		if !c.held(first + i) {
			continue
		}
		failures[i] = h.send(d, message{
			events:      events[i : i+1],
			id:          events[i].ID(),
			contentType: h.contentType(event.MediaType),
			body:        events[i].AppendJSON(nil),
		})
		h.became(d, events[i:i+1], failures[i])
		c.note(first+i, 1, failures[i])
	}
}

// contentType returns the media type of bodies that CloudEvents calls so.
func (h *Handler) contentType(cloudEvents string) string {
	if h.CloudEvents {
		return cloudEvents
	}
	return typeJSON
}

// send hands one message to the next handler, and tells the log and those who
// listen of a failure. It returns nil if the message was delivered.
func (h *Handler) send(d *delivery, m message) *failure {
	start := time.Now()
	ctx, span := m.startSpan(d.ctx)
	f := d.send(ctx, m)
	endSpan(span, f)
	since(h.meter.deliveries, start)
	if f != nil {
		if suppressed, ok := h.record.lines.allow(deliveryFailed, moreLines); ok {
			h.logFailure(m, f, suppressed)
			h.emitFailed(m, f, suppressed)
		}
	}
	return f
}

// fold turns what became of the events of a notification into the answer to
// it: nil if all of them were delivered, or the error of the first that was
// not.
func (h *Handler) fold(d *delivery, failures []*failure) error {
	var first *failure
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
	d.failed = failed
	h.answered(d.original, deliveryFailed)
	setReason(d.original, deliveryFailed)
	return caddyhttp.Error(first.status, fmt.Errorf("%s: %d of %d", deliveryFailed, failed, len(failures)))
}
