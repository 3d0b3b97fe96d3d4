// Package local is what stores have in common that a single process has to
// itself: the claims, and a table to find events by their keys.
package local

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A Ledger is one that a single process has to itself. No other process can be
// delivering, so claims are kept in memory only: a claim does not outlive its
// process, and nothing waits for the lease of a process that died.
type Ledger struct {
	claims *Claims
	set    Set
	close  func() error
}

// NewLedger returns the ledger that has these claims and this set. Close calls
// the function.
func NewLedger(claims *Claims, set Set, close func() error) *Ledger {
	return &Ledger{claims, set, close}
}

// A Set is the events that were delivered.
type Set interface {
	// Find sets the state of those events that are in the set to Delivered.
	Find(events []store.Key, states []store.State) error

	// Add puts events into the set until the window has passed.
	Add(events []store.Key, window time.Duration) error
}

// Claim implements store.Ledger.
func (l *Ledger) Claim(_ context.Context, token store.Token, events []store.Key, lease time.Duration) ([]store.State, error) {
	states := make([]store.State, len(events))
	taken := l.claims.claim(token, events, states, lease)
	// The claims come first. A commit puts an event into the set before it
	// gives up the claim, so that there is no moment at which it is in neither.
	if err := l.set.Find(events, states); err != nil {
		l.claims.release(token, taken) // but nothing that a renewal found claimed
		return nil, err
	}
	l.claims.releaseDelivered(token, events, states)
	return states, nil
}

// Commit implements store.Ledger.
func (l *Ledger) Commit(_ context.Context, token store.Token, events []store.Key, window time.Duration) error {
	defer l.claims.release(token, events)
	return l.set.Add(events, window)
}

// Release implements store.Ledger.
func (l *Ledger) Release(_ context.Context, token store.Token, events []store.Key) error {
	l.claims.release(token, events)
	return nil
}

// Close implements store.Ledger.
func (l *Ledger) Close() error { return l.close() }

// Claims are the claims of one process on the events of one handler.
type Claims struct {
	now   func() time.Time
	start time.Time

	mu    sync.Mutex
	table Table[claim]
}

// A claim is a right to deliver, until so long after the start.
type claim struct {
	token store.Token
	until time.Duration
}

// NewClaims returns claims whose leases end by a clock.
func NewClaims(now func() time.Time) *Claims {
	return &Claims{now: now, start: now(), table: NewTable[claim]()}
}

// claim sets the states of those events to Claimed that no other claim holds, and
// returns those that the token has not held before.
func (c *Claims) claim(token store.Token, events []store.Key, states []store.State, lease time.Duration) (taken []store.Key) {
	now := c.now().Sub(c.start)
	mine := claim{token, now + lease}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range events {
		renewed := false
		if ref := c.table.Find(&events[i]); ref == 0 {
			c.table.Insert(&events[i], mine)
		} else {
			held := c.table.Value(ref)
			renewed = held.token == token
			if !renewed && now < held.until {
				continue
			}
			*held = mine
		}
		states[i] = store.Claimed
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
func (c *Claims) release(token store.Token, events []store.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range events {
		c.releaseOne(token, &events[i])
	}
}

// releaseDelivered gives up those on events that turned out to be delivered.
func (c *Claims) releaseDelivered(token store.Token, events []store.Key, states []store.State) {
	if !slices.Contains(states, store.Delivered) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range events {
		if states[i] == store.Delivered {
			c.releaseOne(token, &events[i])
		}
	}
}

func (c *Claims) releaseOne(token store.Token, event *store.Key) {
	if ref := c.table.Find(event); ref != 0 && c.table.Value(ref).token == token {
		c.table.Remove(ref)
		c.table.Reuse(ref)
	}
}

// Interface guard
var _ store.Ledger = (*Ledger)(nil)
