package metawebhook

import (
	"context"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// newDelivery returns the delivery of a notification. It needs a cancel.
//
// A sender that hangs up does not end a delivery: the app may have acted on
// it already. Only when the server shuts down as well, and nobody waits for
// the outcome any more, is what is left cancelled.
func (h *Handler) newDelivery(r *http.Request, next caddyhttp.Handler, body []byte) *delivery {
	d := &delivery{handler: h, start: time.Now(), original: r, next: next, body: body}
	d.ctx, d.cancel = context.WithCancel(context.WithoutCancel(r.Context()))
	return d
}

// begin notes that a delivery is under way. The record is what tells
// endUnwaited of it, unless the server is shutting down by then.
func (h *Handler) begin(d *delivery) {
	h.record.begin(d)
	if h.stopping.Err() != nil {
		d.endUnwaited()
	}
}

// endUnwaited has the handler's deliveries end, from now on, with those who
// wait for them.
func (h *Handler) endUnwaited() {
	for _, d := range h.record.underWay() {
		if d.handler == h {
			d.endUnwaited()
		}
	}
}

// endUnwaited has the delivery end when its sender hangs up.
func (d *delivery) endUnwaited() { context.AfterFunc(d.original.Context(), d.cancel) }
