package delivery

import (
	"context"
	"net/http"
	"sync"
)

// A lifetime ends the deliveries under way that have nothing to wait for any
// more.
//
// A sender that hangs up does not end a delivery: the app may have acted on
// it already. Only when the server shuts down as well is what is left
// cancelled.
type lifetime struct {
	stopping context.Context // ends when the server begins to shut down

	mu   sync.Mutex
	live map[*delivery]struct{}
}

func newLifetime(stopping context.Context) *lifetime {
	l := &lifetime{stopping: stopping, live: make(map[*delivery]struct{})}
	context.AfterFunc(stopping, l.stop)
	return l
}

// begin gives a delivery of what a request brought its context. It needs an
// end.
func (l *lifetime) begin(d *delivery, r *http.Request) {
	d.ctx, d.cancel = context.WithCancel(context.WithoutCancel(r.Context()))
	l.mu.Lock()
	l.live[d] = struct{}{}
	l.mu.Unlock()
	if l.stopping.Err() != nil {
		d.endWithSender()
	}
}

func (l *lifetime) end(d *delivery) {
	l.mu.Lock()
	delete(l.live, d)
	l.mu.Unlock()
	d.cancel()
}

// stop ends the deliveries, from now on, with their senders.
func (l *lifetime) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for d := range l.live {
		d.endWithSender()
	}
}

// endWithSender ends the delivery when its sender hangs up.
func (d *delivery) endWithSender() { context.AfterFunc(d.Request.Context(), d.cancel) }
