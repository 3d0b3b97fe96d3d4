package metawebhook

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/dedup"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

const (
	// defaultLease is how long a claim holds unless it is renewed: how long
	// the events of an instance that has died wait for another one.
	defaultLease = 15 * time.Second

	// storeTimeout is how long a store may take for one call.
	storeTimeout = 5 * time.Second
)

// claims are the events of a notification that this request may deliver, and
// what has become of them. While the delivery lives, the claims are renewed,
// and what has been delivered so far is recorded.
//
// A nil *claims is that of a delivery that nothing is remembered of.
type claims struct {
	h     *Handler
	store dedup.Store
	token dedup.Token

	events   []event.Event // that are claimed
	inFlight []event.Event // that somebody else is delivering
	repeats  []event.Event // that were delivered before

	renewal *time.Timer
	storing sync.Mutex // one call to the store at a time
	settled bool

	mu    sync.Mutex
	fates []fate // of the events
}

// A fate is what has become of a claimed event.
type fate uint8

const (
	waiting   fate = iota // for its delivery or the outcome
	delivered             // and not yet recorded
	recorded
	failed
	lost // to somebody else, because the lease has ended
)

// claim claims events.
func (h *Handler) claim(d *delivery, store dedup.Store, events []event.Event) (*claims, error) {
	c := &claims{h: h, store: store, token: newToken()}
	ctx, cancel := within(d.ctx, storeTimeout)
	defer cancel()
	states, err := store.Claim(ctx, c.token, keys(events), h.lease)
	if err != nil {
		return nil, err
	}
	c.events = inState(events, states, dedup.Claimed)
	c.inFlight = inState(events, states, dedup.InFlight)
	c.repeats = inState(events, states, dedup.Delivered)
	c.fates = make([]fate, len(c.events))
	if len(c.events) > 0 {
		c.storing.Lock() // renew waits for what it needs
		c.renewal = time.AfterFunc(h.lease/3, c.renew)
		c.storing.Unlock()
	}
	return c, nil
}

func newToken() dedup.Token {
	var random [8]byte
	_, _ = rand.Read(random[:])
	return dedup.Token(binary.NativeEndian.Uint64(random[:]))
}

// keys returns what a store knows events by.
func keys(events []event.Event) []dedup.Key {
	keys := make([]dedup.Key, len(events))
	for i := range events {
		keys[i] = dedup.Key(events[i].ID())
	}
	return keys
}

// inState returns those of the events that are in a state.
func inState(events []event.Event, states []dedup.State, state dedup.State) []event.Event {
	if !slices.ContainsFunc(states, func(s dedup.State) bool { return s != state }) {
		return events
	}
	var in []event.Event
	for i := range events {
		if states[i] == state {
			in = append(in, events[i])
		}
	}
	return in
}

// held tells whether an event is still this request's to deliver.
func (c *claims) held(i int) bool {
	if c == nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fates[i] != lost
}

// note notes what has become of n events from the one at first.
func (c *claims) note(first, n int, f *failure) {
	if c == nil {
		return
	}
	fate := delivered
	if f != nil {
		fate = failed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := first; i < first+n; i++ {
		c.fates[i] = fate
	}
}

// renew records what has been delivered so far, and claims the rest for
// another lease.
func (c *claims) renew() {
	c.storing.Lock()
	defer c.storing.Unlock()
	if c.settled {
		return
	}
	c.record()
	open := c.with(waiting)
	ctx, cancel := within(context.Background(), storeTimeout)
	defer cancel()
	states, err := c.store.Claim(ctx, c.token, c.keys(open), c.h.lease)
	if err != nil {
		c.h.storeFailed("renew", err)
	}
	for at, state := range states {
		if state != dedup.Claimed {
			c.become(open[at], waiting, lost)
		}
	}
	c.renewal.Reset(c.h.lease / 3)
}

// settle records what was delivered, releases what was not, and returns what
// was lost to somebody else.
func (c *claims) settle() []event.Event {
	if len(c.events) == 0 {
		return nil
	}
	c.renewal.Stop()
	c.storing.Lock()
	defer c.storing.Unlock()
	c.settled = true
	c.record()
	if open := append(c.with(waiting), c.with(failed)...); len(open) > 0 {
		ctx, cancel := within(context.Background(), storeTimeout)
		defer cancel()
		if err := c.store.Release(ctx, c.token, c.keys(open)); err != nil {
			c.h.storeFailed("release", err)
		}
	}
	var gone []event.Event
	for _, i := range c.with(lost) {
		gone = append(gone, c.events[i])
	}
	return gone
}

// record commits what was delivered, in one call for each window there is. A
// sender that has hung up does not keep it from being recorded. Events whose
// record fails were delivered all the same; a repeat of them may be so, too.
func (c *claims) record() {
	for done := c.with(delivered); len(done) > 0; {
		window := c.h.Dedup.window(&c.events[done[0]])
		var now, later []int
		for _, i := range done {
			if c.h.Dedup.window(&c.events[i]) == window {
				now = append(now, i)
			} else {
				later = append(later, i)
			}
		}
		ctx, cancel := within(context.Background(), storeTimeout)
		if err := c.store.Commit(ctx, c.token, c.keys(now), window); err != nil {
			c.h.storeFailed("commit", err)
		}
		cancel()
		for _, i := range now {
			c.become(i, delivered, recorded)
		}
		done = later
	}
}

// with returns the places of the events with a fate.
func (c *claims) with(f fate) (places []int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.fates {
		if c.fates[i] == f {
			places = append(places, i)
		}
	}
	return places
}

// become changes the fate of an event that has not got another meanwhile.
func (c *claims) become(i int, from, to fate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fates[i] == from {
		c.fates[i] = to
	}
}

// keys returns the keys of the events at these places.
func (c *claims) keys(places []int) []dedup.Key {
	keys := make([]dedup.Key, len(places))
	for at, i := range places {
		keys[at] = dedup.Key(c.events[i].ID())
	}
	return keys
}

// storeFailed counts and logs that the store has failed in an operation.
func (h *Handler) storeFailed(operation string, err error) {
	h.meter.errors.WithLabelValues(operation).Inc()
	if suppressed, ok := h.record.lines.allow("dedup "+operation, fewLines); ok {
		fields := h.fields(suppressed, zap.String("operation", operation), zap.Error(err))
		h.logger.Error("deduplication failed", fields...)
	}
}
