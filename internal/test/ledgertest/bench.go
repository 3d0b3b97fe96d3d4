package ledgertest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// Share has so many goroutines do what a benchmark is to do, each for as long
// as there is a next time.
func Share(b *testing.B, goroutines int, do func(next func() bool)) {
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	var running sync.WaitGroup
	for range goroutines {
		running.Go(func() { do(func() bool { return left.Add(-1) >= 0 }) })
	}
	running.Wait()
}

// ClaimAndCommit takes events from absent to delivered.
func ClaimAndCommit(b *testing.B, s store.Ledger, token store.Token, events []store.Key) {
	states, err := s.Claim(b.Context(), token, events, time.Minute)
	if err != nil {
		b.Errorf("Claim: got error %v, want none", err)
	} else if states[0] != store.Claimed {
		b.Errorf("Claim: got %v, want %v", states[0], store.Claimed)
	}
	if err := s.Commit(b.Context(), token, events, 36*time.Hour); err != nil {
		b.Errorf("Commit: got error %v, want none", err)
	}
}
