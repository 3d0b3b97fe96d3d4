package metawebhook

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
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
	h      *Handler
	ledger store.Ledger
	token  store.Token

	events   []event.Event // that are claimed
	keys     []store.Key   // of those
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
func (h *Handler) claim(d *delivery, ledger store.Ledger, events []event.Event) (*claims, error) {
	c := &claims{h: h, ledger: ledger, token: newToken()}
	all := keys(events)
	ctx, cancel := within(d.ctx, storeTimeout)
	defer cancel()
	states, err := ledger.Claim(ctx, c.token, all, h.lease)
	if err != nil {
		return nil, err
	}
	c.events = inState(events, states, store.Claimed)
	c.keys = inState(all, states, store.Claimed)
	c.inFlight = inState(events, states, store.InFlight)
	c.repeats = inState(events, states, store.Delivered)
	if len(c.events) > 0 {
		c.fates = make([]fate, len(c.events))
		c.storing.Lock() // renew waits for what it needs
		c.renewal = time.AfterFunc(h.lease/3, c.renew)
		c.storing.Unlock()
	}
	return c, nil
}

// newToken returns a token that no other claim has. Nobody who could guess it
// would gain anything: whoever can name it to the store can do all that it is
// good for.
func newToken() store.Token { return store.Token(rand.Uint64()) } //nolint:gosec // see above

// keys returns what a store knows events by.
func keys(events []event.Event) []store.Key {
	keys := make([]store.Key, len(events))
	for i := range events {
		keys[i] = store.Key(events[i].ID())
	}
	return keys
}

// inState returns those of the events, or of what there is of each of them,
// that are in a state.
func inState[T any](events []T, states []store.State, state store.State) []T {
	if !slices.ContainsFunc(states, func(s store.State) bool { return s != state }) {
		return events
	}
	var in []T
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
	open, keys := c.with(waiting)
	ctx, cancel := within(context.Background(), storeTimeout)
	defer cancel()
	states, err := c.ledger.Claim(ctx, c.token, keys, c.h.lease)
	if err != nil {
		c.h.storeFailed("renew", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for at, state := range states {
		if i := open[at]; state != store.Claimed && c.fates[i] == waiting {
			c.fates[i] = lost
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
	if _, keys := c.with(waiting, failed); len(keys) > 0 {
		ctx, cancel := within(context.Background(), storeTimeout)
		defer cancel()
		if err := c.ledger.Release(ctx, c.token, keys); err != nil {
			c.h.storeFailed("release", err)
		}
	}
	var gone []event.Event
	places, _ := c.with(lost)
	for _, i := range places {
		gone = append(gone, c.events[i])
	}
	return gone
}

// record commits what was delivered, in one call for each window there is. A
// sender that has hung up does not keep it from being recorded. Events whose
// record fails were delivered all the same; a repeat of them may be so, too.
func (c *claims) record() {
	for {
		keys, window := c.unrecorded()
		if len(keys) == 0 {
			return
		}
		ctx, cancel := within(context.Background(), storeTimeout)
		if err := c.ledger.Commit(ctx, c.token, keys, window); err != nil {
			c.h.storeFailed("commit", err)
		}
		cancel()
	}
}

// unrecorded returns what is delivered and not recorded, of one window, and
// takes it for recorded from now on.
func (c *claims) unrecorded() (keys []store.Key, window time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var first *event.Event
	for i := range c.fates {
		if c.fates[i] != delivered {
			continue
		}
		e := &c.events[i]
		if first == nil {
			first, window = e, c.h.Dedup.window(e)
		}
		if e.SameObject(first) || c.h.Dedup.window(e) == window {
			keys = c.and(keys, i)
			c.fates[i] = recorded
		}
	}
	return keys, window
}

// with returns the places and the keys of the events with one of the fates.
func (c *claims) with(fates ...fate) (places []int, keys []store.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.fates {
		if slices.Contains(fates, c.fates[i]) {
			places = append(places, i)
			keys = c.and(keys, i)
		}
	}
	return places, keys
}

// and returns keys, which are of events before i, with that of i. As long as
// they are of all events before i, it makes no copy.
func (c *claims) and(keys []store.Key, i int) []store.Key {
	if len(keys) == i {
		return c.keys[: i+1 : i+1]
	}
	return append(keys, c.keys[i])
}

// storeFailed counts and logs that the store has failed in an operation.
func (h *Handler) storeFailed(operation string, err error) {
	h.meter.errors.WithLabelValues(operation).Inc()
	if suppressed, ok := h.record.lines.allow("dedup "+operation, fewLines); ok {
		fields := h.fields(suppressed, zap.String("operation", operation), zap.Error(err))
		h.logger.Error("deduplication failed", fields...)
	}
}
