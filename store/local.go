package store

import (
	"context"
	"slices"
	"sync"
	"time"
)

// A local store is one that a single process has to itself. Nobody outside it
// can be delivering, so who does is kept in memory only: a claim does not
// outlive its process, and there is no waiting for the leases of a dead one.
type local struct {
	*inFlight
	set
	close func() error
}

// A set is the events that were delivered, as a local store keeps them.
type set interface {
	// find sets the state of those events that are in the set to Delivered.
	find(events []Key, states []State) error

	// add puts events into the set until the window has passed.
	add(events []Key, window time.Duration) error
}

// Claim implements Ledger.
func (l *local) Claim(_ context.Context, token Token, events []Key, lease time.Duration) ([]State, error) {
	states := make([]State, len(events))
	taken := l.claim(token, events, states, lease)
	// The claims come first. A commit puts an event into the set before it
	// gives up the claim, so that there is no moment at which it is in neither.
	if err := l.find(events, states); err != nil {
		l.release(token, taken) // but nothing that a renewal found claimed
		return nil, err
	}
	l.releaseDelivered(token, events, states)
	return states, nil
}

// Commit implements Ledger.
func (l *local) Commit(_ context.Context, token Token, events []Key, window time.Duration) error {
	defer l.release(token, events)
	return l.add(events, window)
}

// Release implements Ledger.
func (l *local) Release(_ context.Context, token Token, events []Key) error {
	l.release(token, events)
	return nil
}

// Close implements Ledger.
func (l *local) Close() error { return l.close() }

// inFlight is who in this process delivers what.
type inFlight struct {
	now   func() time.Time
	start time.Time

	mu     sync.Mutex
	claims table[claim]
}

// A claim is a right to deliver, until so long after the start.
type claim struct {
	token Token
	until time.Duration
}

func newInFlight(now func() time.Time) *inFlight {
	return &inFlight{now: now, start: now(), claims: newTable[claim]()}
}

// claim sets the states of those events to Claimed that nobody else holds, and
// returns those that the token has not held before.
func (f *inFlight) claim(token Token, events []Key, states []State, lease time.Duration) (taken []Key) {
	now := f.now().Sub(f.start)
	mine := claim{token, now + lease}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range events {
		renewed := false
		if ref := f.claims.find(&events[i]); ref == 0 {
			f.claims.insert(&events[i], mine)
		} else {
			held := &f.claims.entry(ref).value
			renewed = held.token == token
			if !renewed && now < held.until {
				continue
			}
			*held = mine
		}
		states[i] = Claimed
		switch {
		case renewed:
		case len(taken) == i: // all so far
			taken = events[: i+1 : i+1]
		default:
			taken = append(taken, events[i])
		}
	}
	return taken
}

// release gives up the claims of the token on these events.
func (f *inFlight) release(token Token, events []Key) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range events {
		f.releaseOne(token, &events[i])
	}
}

// releaseDelivered gives up those on events that turned out to be delivered.
func (f *inFlight) releaseDelivered(token Token, events []Key, states []State) {
	if !slices.Contains(states, Delivered) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range events {
		if states[i] == Delivered {
			f.releaseOne(token, &events[i])
		}
	}
}

func (f *inFlight) releaseOne(token Token, event *Key) {
	if ref := f.claims.find(event); ref != 0 && f.claims.entry(ref).value.token == token {
		f.claims.remove(ref)
		f.claims.reuse(ref)
	}
}

// Interface guard
var _ Ledger = (*local)(nil)
