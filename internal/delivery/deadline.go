package delivery

import (
	"context"
	"sync"
	"time"
)

// A deadline is a context that ends at a time, or with its parent. It is what
// context.WithDeadline returns, but sets a timer only when its end is waited
// for. Neither a store in this process, which is called twice for each
// notification, nor a handler that answers by itself does that.
type deadline struct {
	context.Context // the parent
	at              time.Time

	mu     sync.Mutex
	waited context.Context // nil until its end is waited for
	cancel context.CancelFunc
	over   bool
}

// within returns a context that ends when a time has passed. The cancel that
// comes with it ends it before.
func within(parent context.Context, most time.Duration) (context.Context, context.CancelFunc) {
	d := &deadline{Context: parent, at: time.Now().Add(most)}
	return d, d.end
}

func (d *deadline) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over = true
	if d.cancel != nil {
		d.cancel()
	}
}

// wait returns the context that has a timer.
func (d *deadline) wait() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waited == nil {
		d.waited, d.cancel = context.WithDeadline(d.Context, d.at)
		if d.over {
			d.cancel()
		}
	}
	return d.waited
}

// Deadline implements context.Context.
func (d *deadline) Deadline() (time.Time, bool) {
	if at, ok := d.Context.Deadline(); ok && at.Before(d.at) {
		return at, true
	}
	return d.at, true
}

// Done implements context.Context.
func (d *deadline) Done() <-chan struct{} { return d.wait().Done() }

// Err implements context.Context.
func (d *deadline) Err() error { return d.wait().Err() }

// Value implements context.Context. Contexts that are derived from this
// one find the one with the timer.
func (d *deadline) Value(key any) any {
	d.mu.Lock()
	ctx := d.waited
	d.mu.Unlock()
	if ctx == nil {
		ctx = d.Context
	}
	return ctx.Value(key)
}
