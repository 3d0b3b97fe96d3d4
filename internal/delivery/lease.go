package delivery

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

const (
	// DefaultLease is how long a claim holds unless it is renewed: how long
	// the events of an instance that has died wait for another one.
	DefaultLease = 15 * time.Second

	// storeTimeout is how long a store may take for one call.
	storeTimeout = 5 * time.Second
)

// A Lease is the right to deliver some events of a notification, and what has
// become of them. While it lives, the claims are renewed, and what has been
// delivered so far is recorded.
//
// A nil *Lease belongs to a delivery without deduplication; its methods are
// no-ops.
type Lease struct {
	d      *delivery
	ledger store.Ledger
	token  store.Token

	events   []event.Event // that are claimed
	keys     []store.Key   // of those
	inFlight []event.Event // that are being delivered elsewhere
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
	forgotten // delivered, and not to be remembered
	lost      // to another delivery, because the lease has ended
)

// claim claims events.
func (d *delivery) claim(ledger store.Ledger, events []event.Event) (*Lease, error) {
	l := &Lease{d: d, ledger: ledger, token: newToken()}
	all := keys(events)
	ctx, cancel := within(d.ctx, storeTimeout)
	defer cancel()
	states, err := ledger.Claim(ctx, l.token, all, d.Lease)
	if err != nil {
		return nil, err
	}
	l.events = inState(events, states, store.Claimed)
	l.keys = inState(all, states, store.Claimed)
	l.inFlight = inState(events, states, store.InFlight)
	l.repeats = inState(events, states, store.Delivered)
	if len(l.events) > 0 {
		l.fates = make([]fate, len(l.events))
		l.storing.Lock() // renew waits for what it needs
		l.renewal = time.AfterFunc(d.Lease/3, l.renew)
		l.storing.Unlock()
	}
	return l, nil
}

// newToken returns a token that no other claim has. It is unique, not secret:
// it fences claims within the store, and nothing outside knows of it.
func newToken() store.Token { return store.Token(rand.Uint64()) } //nolint:gosec // see above

// keys returns what a store knows events by. Events that are not remembered
// have a key of their own each time they come.
func keys(events []event.Event) []store.Key {
	keys := make([]store.Key, len(events))
	for i := range events {
		if events[i].Retention() == event.RetainNever {
			binary.NativeEndian.PutUint64(keys[i][:8], rand.Uint64()) //nolint:gosec // unique is enough
			binary.NativeEndian.PutUint64(keys[i][8:], rand.Uint64()) //nolint:gosec // likewise
			continue
		}
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

// held reports whether an event is still to be delivered by this request.
func (l *Lease) held(i int) bool {
	if l == nil {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fates[i] != lost
}

// note notes what has become of n events from the one at first.
func (l *Lease) note(first, n int, f *Failure) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := first; i < first+n; i++ {
		switch {
		case f != nil:
			l.fates[i] = failed
		case l.events[i].Retention() == event.RetainNever:
			l.fates[i] = forgotten
		default:
			l.fates[i] = delivered
		}
	}
}

// renew records what has been delivered so far, and claims the rest for
// another lease.
func (l *Lease) renew() {
	l.storing.Lock()
	defer l.storing.Unlock()
	if l.settled {
		return
	}
	l.record()
	open, keys := l.with(waiting)
	ctx, cancel := within(context.Background(), storeTimeout)
	defer cancel()
	states, err := l.ledger.Claim(ctx, l.token, keys, l.d.Lease)
	if err != nil {
		l.d.Observer.StoreFailed("renew", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for at, state := range states {
		if i := open[at]; state != store.Claimed && l.fates[i] == waiting {
			l.fates[i] = lost
		}
	}
	l.renewal.Reset(l.d.Lease / 3)
}

// settle records what was delivered, releases what was not, and returns what
// was lost to another delivery.
func (l *Lease) settle() []event.Event {
	if len(l.events) == 0 {
		return nil
	}
	l.renewal.Stop()
	l.storing.Lock()
	defer l.storing.Unlock()
	l.settled = true
	l.record()
	if _, keys := l.with(waiting, failed, forgotten); len(keys) > 0 {
		ctx, cancel := within(context.Background(), storeTimeout)
		defer cancel()
		if err := l.ledger.Release(ctx, l.token, keys); err != nil {
			l.d.Observer.StoreFailed("release", err)
		}
	}
	var gone []event.Event
	places, _ := l.with(lost)
	for _, i := range places {
		gone = append(gone, l.events[i])
	}
	return gone
}

// record commits what was delivered, in one call for each window there is. A
// sender that has hung up does not keep it from being recorded. Events whose
// record fails were delivered all the same; a repeat of them may be so, too.
func (l *Lease) record() {
	for {
		keys, window := l.unrecorded()
		if len(keys) == 0 {
			return
		}
		ctx, cancel := within(context.Background(), storeTimeout)
		if err := l.ledger.Commit(ctx, l.token, keys, window); err != nil {
			l.d.Observer.StoreFailed("commit", err)
		}
		cancel()
	}
}

// unrecorded returns what is delivered and not recorded, of one window, and
// takes it for recorded from now on.
func (l *Lease) unrecorded() (keys []store.Key, of time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var first *event.Event
	for i := range l.fates {
		if l.fates[i] != delivered {
			continue
		}
		e := &l.events[i]
		if first == nil {
			first, of = e, window(l.d.Policy, e)
		}
		if l.sameWindow(e, first, of) {
			keys = l.and(keys, i)
			l.fates[i] = recorded
		}
	}
	return keys, of
}

// sameWindow reports whether an event is remembered as long as first is.
func (l *Lease) sameWindow(e, first *event.Event, of time.Duration) bool {
	return e.SameObject(first) && e.Retention() == first.Retention() || window(l.d.Policy, e) == of
}

// with returns the places and the keys of the events with one of the fates.
func (l *Lease) with(fates ...fate) (places []int, keys []store.Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.fates {
		if slices.Contains(fates, l.fates[i]) {
			places = append(places, i)
			keys = l.and(keys, i)
		}
	}
	return places, keys
}

// and returns keys, which are of events before i, with that of i. As long as
// they are of all events before i, it makes no copy.
func (l *Lease) and(keys []store.Key, i int) []store.Key {
	if len(keys) == i {
		return l.keys[: i+1 : i+1]
	}
	return append(keys, l.keys[i])
}
