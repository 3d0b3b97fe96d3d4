package delivery

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A gate limits how many messages are under way to a destination. It closes
// after a run of failures across conversations: from then on one probe at a
// time may pass, less and less often. The first success opens it, for one
// message more with each success, up to the limit.
//
//	open ──failures of closeAfter conversations in a row──▶ closed
//	  ▲                                                       │
//	  └───────────────── a success ──────────────────────────┘
type gate struct {
	limit    int                             // of messages under way, while it is open
	onChange func(closed bool, cause string) // called without the lock

	mu      sync.Mutex
	running int
	allowed int // at the moment
	wake    chan struct{}
	closed  bool
	failing map[store.Lane]struct{} // that failed since the last success
	pause   time.Duration           // between probes
	probe   time.Time               // when the next one may pass
	since   time.Time               // it has been closed
	cause   string                  // of the failure that has closed it
}

const (
	// closeAfter is how many conversations have to fail in a row.
	closeAfter = 5

	// The pauses between probes grow from the first to the longest.
	firstProbe   = time.Second
	longestProbe = 30 * time.Second
)

func newGate(limit int, onChange func(closed bool, cause string)) *gate {
	return &gate{
		limit: limit, allowed: limit, onChange: onChange,
		wake: make(chan struct{}, 1), failing: make(map[store.Lane]struct{}),
	}
}

// enter waits until messages may pass, and returns how many: at least one, and
// at most max. Each needs a leave.
func (g *gate) enter(ctx context.Context, max int) (n int, err error) {
	for {
		g.mu.Lock()
		free, until := g.allowed-g.running, time.Duration(0)
		if g.closed {
			until = time.Until(g.probe)
		}
		if free > 0 && until <= 0 {
			n = min(max, free)
			g.running += n
			g.mu.Unlock()
			return n, nil
		}
		g.mu.Unlock()
		if free <= 0 {
			until = 0 // until a place is free
		}
		if err := g.wait(ctx, until); err != nil {
			return 0, err
		}
	}
}

// wait waits for a change, but no longer than most, if that is positive.
func (g *gate) wait(ctx context.Context, most time.Duration) error {
	var timeout <-chan time.Time
	if most > 0 {
		timer := time.NewTimer(most)
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-g.wake:
	case <-timeout:
	}
	return nil
}

// leave gives n places back.
func (g *gate) leave(n int) {
	g.mu.Lock()
	g.running -= n
	g.mu.Unlock()
	g.signal()
}

func (g *gate) signal() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// spare gives back the places of messages beyond those that may pass since the
// gate has closed, and returns how many of n may still pass.
func (g *gate) spare(n int) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed || n == 0 {
		return n
	}
	pass := 0
	if g.running == n && !time.Now().Before(g.probe) {
		pass = 1
	}
	g.running -= n - pass
	return pass
}

// note notes what became of a message of a lane.
func (g *gate) note(lane store.Lane, f *Failure) {
	if f != nil && !f.counts() {
		return // about the event only
	}
	g.mu.Lock()
	var changed bool
	if f == nil {
		changed = g.succeeded()
	} else {
		changed = g.failed(lane, f.Cause)
	}
	closed := g.closed
	g.mu.Unlock()
	g.signal()
	if changed {
		cause := ""
		if f != nil {
			cause = f.Cause
		}
		g.onChange(closed, cause)
	}
}

func (g *gate) succeeded() (changed bool) {
	clear(g.failing)
	if changed = g.closed; changed {
		g.closed, g.allowed = false, 1
	}
	g.allowed = min(g.allowed+1, g.limit)
	return changed
}

func (g *gate) failed(lane store.Lane, cause string) (changed bool) {
	if g.closed {
		g.pause = min(2*g.pause, longestProbe)
		g.schedule()
		return false
	}
	g.failing[lane] = struct{}{}
	if len(g.failing) < closeAfter {
		return false
	}
	g.closed, g.allowed, g.pause = true, 1, firstProbe
	g.since, g.cause = time.Now(), cause
	g.schedule()
	return true
}

// schedule sets the time of the next probe, earlier by up to a fifth, so that
// instances do not probe all at once.
func (g *gate) schedule() {
	early := time.Duration(rand.Float64() / 5 * float64(g.pause)) //nolint:gosec // spreads, and hides nothing
	g.probe = time.Now().Add(g.pause - early)
}

// closure returns how the gate is closed, if it is.
func (g *gate) closure() Closure {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		return Closure{}
	}
	return Closure{Closed: true, Since: g.since, Cause: g.cause, Probe: g.probe}
}

// nextProbe returns when the next probe may pass, and whether the gate is
// closed.
func (g *gate) nextProbe(now time.Time) (at time.Time, closed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.probe.Before(now) {
		return now, g.closed
	}
	return g.probe, g.closed
}
