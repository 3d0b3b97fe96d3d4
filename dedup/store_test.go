package dedup_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/dedup"
)

// A clock shows the time that a test sets.
type clock struct{ offset atomic.Int64 }

// start is when clocks start, in the middle of a second.
var start = time.Date(2026, 1, 1, 0, 0, 0, 600_000_000, time.UTC)

func newClock() *clock { return new(clock) }

func (c *clock) now() time.Time { return start.Add(time.Duration(c.offset.Load())) }

func (c *clock) advance(d time.Duration) { c.offset.Add(int64(d)) }

// provision sets a module up as Caddy would.
func provision(t testing.TB, module caddy.Provisioner) {
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

// open opens the store of a name until the test ends.
func open(t testing.TB, module dedup.Opener, name string) dedup.Store {
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

var (
	scopes  int
	scoping sync.Mutex
)

// scope returns a prefix that no other test has.
func scope() string {
	scoping.Lock()
	defer scoping.Unlock()
	scopes++
	return fmt.Sprintf("test%d_", scopes)
}
