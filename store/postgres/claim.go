package postgres

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// Claim implements store.Ledger. Of equal claims that come at the same time,
// one asks the database, and the others wait for its answer: a notification
// that comes a thousand times at once takes one connection rather than all.
func (l *ledger) Claim(ctx context.Context, token store.Token, events []store.Key, lease time.Duration) ([]store.State, error) {
	if len(events) == 0 {
		return []store.State{}, nil
	}
	for {
		c, first := l.claims.join(l.name, events)
		if first {
			c.states, c.holders, c.err = l.claim(ctx, token, events, lease)
			l.claims.end(c)
			return c.states, c.err
		}
		select {
		case <-c.done:
		case <-ctx.Done():
			return nil, errUnanswered(ctx.Err())
		}
		switch {
		case errors.Is(c.err, context.Canceled): // the first one has given up
		case errors.Is(c.err, context.DeadlineExceeded):
			return nil, errUnanswered(c.err)
		case c.err != nil:
			return nil, c.err
		case slices.Contains(c.holders, token): // this one renews
			states, _, err := l.claim(ctx, token, events, lease)
			return states, err
		case c.certain():
			return c.others(), nil
		}
	}
}

// errUnanswered is the error of a claim that has joined one that took too long.
// It has not failed by itself, and the other one may yet deliver the events.
func errUnanswered(err error) error {
	return fmt.Errorf("%w: a claim of the same events waits for the database: %w", store.ErrBusy, err)
}

// A claimRow is the state of an event, and the token of its last claimant.
type claimRow struct {
	ID    store.Key
	State int16
	Token int64
}

// claim asks the database. It returns the state of each event, and the claimant
// of each one in flight, 0 if that is not known.
func (l *ledger) claim(ctx context.Context, token store.Token, events []store.Key, lease time.Duration) ([]store.State, []store.Token, error) {
	var found []claimRow
	err := l.do(ctx, &ledgerPart, l.pool.Do, func(conn *pgxpool.Conn) (err error) {
		found, err = collect(ctx, conn, pgx.RowToStructByPos[claimRow], l.tables.sql.claim, l.name, uuids(events), int64(token), lease) //nolint:gosec // all 64 bits of it
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	states, holders := make([]store.State, len(events)), make([]store.Token, len(events))
	places := make(map[store.Key]int, len(events))
	for i, event := range events {
		places[event] = i
	}
	for _, row := range found {
		i, ok := places[row.ID]
		if !ok {
			continue
		}
		switch row.State {
		case claimedNow:
			states[i] = store.Claimed
		case inFlight:
			holders[i] = store.Token(row.Token) //nolint:gosec // all 64 bits of it
		case delivered:
			states[i] = store.Delivered
		}
	}
	return states, holders, nil
}

// claims are the claims that the database is being asked for.
type claims struct {
	mu   sync.Mutex
	seed maphash.Seed
	open map[uint64]*claim
}

func newClaims() *claims {
	return &claims{seed: maphash.MakeSeed(), open: make(map[uint64]*claim)}
}

// A claim is asked for by the first caller, and answered for all that join it.
type claim struct {
	hash   uint64
	name   string
	events []store.Key

	done    chan struct{} // closed when there is an answer
	states  []store.State
	holders []store.Token
	err     error
}

// join returns the claim of these events that the database is being asked for.
// If there is none, it returns one for the caller to ask for, and to end.
func (c *claims) join(name string, events []store.Key) (open *claim, first bool) {
	var h maphash.Hash
	h.SetSeed(c.seed)
	_, _ = h.WriteString(name)
	for i := range events {
		_, _ = h.Write(events[i][:])
	}
	mine := &claim{hash: h.Sum64(), name: name, events: events, done: make(chan struct{})}
	c.mu.Lock()
	defer c.mu.Unlock()
	open, taken := c.open[mine.hash]
	if taken && open.name == name && slices.Equal(open.events, events) {
		return open, false
	}
	if !taken {
		c.open[mine.hash] = mine
	}
	return mine, true
}

// end gives the claims that have joined one its answer.
func (c *claims) end(ended *claim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[ended.hash] == ended {
		delete(c.open, ended.hash)
	}
	close(ended.done)
}

// certain reports whether it is known which claimants have the events that are
// in flight.
func (c *claim) certain() bool {
	for i, state := range c.states {
		if state == store.InFlight && c.holders[i] == 0 {
			return false
		}
	}
	return true
}

// others returns what the events are to claimants that have joined.
func (c *claim) others() []store.State {
	states := slices.Clone(c.states)
	for i := range states {
		if states[i] == store.Claimed {
			states[i] = store.InFlight
		}
	}
	return states
}
