package metawebhook

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

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
// the error that answers the notification unless all of them succeed.
//
// A sender that hangs up does not end a delivery: the app may have acted on
// it already. Only when the server shuts down as well, and nobody waits for
// the outcome any more, is what is left cancelled.
func (h *Handler) deliver(r *http.Request, next caddyhttp.Handler, body []byte, events []event.Event) error {
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	defer context.AfterFunc(r.Context(), func() {
		select {
		case <-h.stopping.Done():
			cancel()
		case <-ctx.Done():
		}
	})()
	d := &delivery{ctx: ctx, original: r, next: next}

	switch h.Deliver {
	case deliverEach:
		return h.fold(r, h.deliverEach(d, events)...)
	case deliverBatch:
		return h.fold(r, h.send(d, message{
			events:      events,
			id:          event.Digest(events),
			contentType: h.contentType(event.BatchMediaType),
			body:        event.AppendJSONArray(nil, events),
		}))
	default:
		return h.fold(r, h.send(d, message{
			events:      events,
			id:          event.Digest(events),
			contentType: typeJSON,
			signature:   r.Header[signatureHeader],
			body:        body,
		}))
	}
}

// deliverEach hands on the events one by one, those of an entry in their
// order, those of several entries side by side. It returns what became of
// each.
func (h *Handler) deliverEach(d *delivery, events []event.Event) []*failure {
	failures := make([]*failure, len(events))
	contentType := h.contentType(event.MediaType)
	inOrder := func(first, n int) {
		for i := first; i < first+n; i++ {
			failures[i] = h.send(d, message{
				events:      events[i : i+1],
				id:          events[i].ID(),
				contentType: contentType,
				body:        events[i].AppendJSON(nil),
			})
		}
	}
	var (
		running sync.WaitGroup
		places  = make(chan struct{}, h.Parallel)
		first   int
	)
	for entry := range event.Entries(events) {
		from, n := first, len(entry)
		first += n
		if n == len(events) {
			inOrder(from, n)
			break
		}
		places <- struct{}{}
		running.Go(func() {
			inOrder(from, n)
			<-places
		})
	}
	running.Wait()
	return failures
}

// contentType returns the media type of bodies that CloudEvents calls so.
func (h *Handler) contentType(cloudEvents string) string {
	if h.CloudEvents {
		return cloudEvents
	}
	return typeJSON
}

// send hands one message to the next handler, and logs its failure. It
// returns nil if the message was delivered.
func (h *Handler) send(d *delivery, m message) *failure {
	f := d.send(m)
	if f == nil {
		return nil
	}
	if c := h.logger.Check(zapcore.ErrorLevel, "not delivered"); c != nil {
		fields := []zap.Field{
			zap.String("name", h.Name),
			zap.Stringer("id", m.id),
			zap.Int("events", len(m.events)),
			zap.String("type", m.shared((*event.Event).Type)),
			zap.Int("upstream_status", f.answered),
			zap.Error(f.err),
		}
		if f.stack != nil {
			fields = append(fields, zap.ByteString("stack", f.stack))
		}
		c.Write(fields...)
	}
	return f
}

// fold turns what became of the messages of a notification into the answer to
// it: nil if all of them were delivered, or the error of the first that was
// not.
func (h *Handler) fold(r *http.Request, failures ...*failure) error {
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
	setReason(r, deliveryFailed)
	return caddyhttp.Error(first.status, fmt.Errorf("%s: %d of %d", deliveryFailed, failed, len(failures)))
}
