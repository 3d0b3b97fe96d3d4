package delivery

import (
	"sync"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A Policy is how events are remembered.
type Policy interface {
	// WindowOf returns how long an event is remembered after its delivery.
	WindowOf(e *event.Event) time.Duration

	// Rejects reports whether notifications are refused while the store fails,
	// rather than delivered without a claim.
	Rejects() bool
}

// A SharedLedger is a ledger that is open while it is used: by the
// configuration, and by each request that has come under it. A reload does not
// wait for requests, so they can outlive the configuration; one that begins
// later still opens the ledger again.
type SharedLedger struct {
	Open func() (store.Ledger, error)

	mu     sync.Mutex
	ledger store.Ledger
	users  int
}

// Acquire returns the ledger. Each Acquire that does not fail needs a Release.
func (s *SharedLedger) Acquire() (store.Ledger, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users == 0 {
		ledger, err := s.Open()
		if err != nil {
			return nil, err
		}
		s.ledger = ledger
	}
	s.users++
	return s.ledger, nil
}

// Release closes the ledger with its last user.
func (s *SharedLedger) Release() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users--; s.users > 0 {
		return nil
	}
	return s.ledger.Close()
}
