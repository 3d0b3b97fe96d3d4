package dedup

import (
	"context"
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

// Claim implements Store.
func (l *local) Claim(_ context.Context, token Token, events []Key, lease time.Duration) ([]State, error) {
	states := make([]State, len(events))
	taken := l.claim(token, events, states, lease)
	// The claims come first. A commit puts an event into the set before it
	// gives up the claim, so that there is no moment at which it is in neither.
	if err := l.find(events, states); err != nil {
		l.release(token, taken, nil) // but nothing that a renewal found claimed
		return nil, err
	}
	l.release(token, events, states)
	return states, nil
}

// Commit implements Store.
func (l *local) Commit(_ context.Context, token Token, events []Key, window time.Duration) error {
	defer l.release(token, events, nil)
	return l.add(events, window)
}

// Release implements Store.
func (l *local) Release(_ context.Context, token Token, events []Key) error {
	l.release(token, events, nil)
	return nil
}

// Close implements Store.
func (l *local) Close() error { return l.close() }

// inFlight is who in this process delivers what.
type inFlight struct {
	now func() time.Time

	mu     sync.Mutex
	claims map[Key]claim
}

// A claim is a right to deliver.
type claim struct {
	token Token
	until time.Time
}

func newInFlight(now func() time.Time) *inFlight {
	return &inFlight{now: now, claims: make(map[Key]claim)}
}

// claim sets the states of those events to Claimed that nobody else holds, and
// returns those that the token has not held before.
func (f *inFlight) claim(token Token, events []Key, states []State, lease time.Duration) (taken []Key) {
	now := f.now()
	until := now.Add(lease)
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, event := range events {
		c, held := f.claims[event]
		if held && c.token != token && now.Before(c.until) {
			continue
		}
		if !held || c.token != token {
			taken = append(taken, event)
		}
		f.claims[event] = claim{token, until}
		states[i] = Claimed
	}
	return taken
}

// release gives up the claims of the token: all of them, or, with states,
// those on events that turned out to be delivered.
func (f *inFlight) release(token Token, events []Key, states []State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, event := range events {
		if states != nil && states[i] != Delivered {
			continue
		}
		if c, ok := f.claims[event]; ok && c.token == token {
			delete(f.claims, event)
		}
	}
}

// Interface guard
var _ Store = (*local)(nil)
