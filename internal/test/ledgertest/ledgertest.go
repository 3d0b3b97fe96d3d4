// Package ledgertest is what the tests of stores share.
package ledgertest

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A Clock shows the time that a test sets.
type Clock struct{ offset atomic.Int64 }

// start is when clocks start, in the middle of a second.
var start = time.Date(2026, 1, 1, 0, 0, 0, 600_000_000, time.UTC)

// Now returns the time that the clock shows.
func (c *Clock) Now() time.Time { return start.Add(time.Duration(c.offset.Load())) }

// Advance sets the clock forward.
func (c *Clock) Advance(d time.Duration) { c.offset.Add(int64(d)) }

// Provision sets a module up as Caddy would.
func Provision(t testing.TB, module caddy.Provisioner) {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	if err := module.Provision(ctx); err != nil {
		t.Fatalf("Provision: got error %v, want none", err)
	}
	if v, ok := module.(caddy.Validator); ok {
		if err := v.Validate(); err != nil {
			t.Fatalf("Validate: got error %v, want none", err)
		}
	}
}

// Open opens the store of a name until the test ends.
func Open(t testing.TB, module store.Opener, name string) store.Ledger {
	t.Helper()
	s, err := module.Open(name)
	if err != nil {
		t.Fatalf("Open: got error %v, want none", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: got error %v, want none", err)
		}
	})
	return s
}

// RandomKeys returns n random keys.
func RandomKeys(n int) []store.Key {
	keys := make([]store.Key, n)
	for i := range keys {
		binary.BigEndian.PutUint64(keys[i][:8], rand.Uint64())
		binary.BigEndian.PutUint64(keys[i][8:], rand.Uint64())
	}
	return keys
}

// Commit records events, and fails the test where that fails.
func Commit(t testing.TB, s store.Ledger, events []store.Key, window time.Duration) {
	t.Helper()
	if err := s.Commit(t.Context(), 1, events, window); err != nil {
		t.Fatalf("Commit: got error %v, want none", err)
	}
}

// WantAll claims events, releases them, and fails the test unless all were in
// this state.
func WantAll(t testing.TB, s store.Ledger, events []store.Key, want store.State) {
	t.Helper()
	token := store.Token(rand.Uint64())
	states, err := s.Claim(t.Context(), token, events, time.Second)
	if err != nil {
		t.Fatalf("Claim: got error %v, want none", err)
	}
	got := make(map[store.State]int)
	for _, state := range states {
		got[state]++
	}
	if got[want] != len(events) {
		t.Errorf("got events %v, want all %d %s", got, len(events), want)
	}
	if err := s.Release(t.Context(), token, events); err != nil {
		t.Fatalf("Release: got error %v, want none", err)
	}
}

var (
	scopes  int
	scoping sync.Mutex
)

// Scope returns a prefix that no other test has.
func Scope() string {
	scoping.Lock()
	defer scoping.Unlock()
	scopes++
	return fmt.Sprintf("test%d_", scopes)
}
