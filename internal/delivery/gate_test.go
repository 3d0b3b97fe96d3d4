package delivery

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A gateCheck is a gate, and what it has told of its changes.
type gateCheck struct {
	*gate
	t       *testing.T
	changes []string
}

func newGateCheck(t *testing.T, limit int) *gateCheck {
	c := &gateCheck{t: t}
	c.gate = newGate(limit, func(closed bool, cause string) {
		if !closed {
			cause = "open"
		}
		c.changes = append(c.changes, cause)
	})
	return c
}

// pass has so many messages ask to pass, and fails the test unless some of them
// may.
func (c *gateCheck) pass(when string, ask, want int) {
	c.t.Helper()
	if n, err := c.enter(c.t.Context(), ask); err != nil || n != want {
		c.t.Errorf("%s: got %d of %d messages and error %v let pass, want %d", when, n, ask, err, want)
	}
}

// end has a message of a conversation come to its end.
func (c *gateCheck) end(conversation int, cause string) {
	var f *Failure
	if cause != "" {
		f = &Failure{Cause: cause}
	}
	c.note(store.Lane(conversation), f) //nolint:gosec // not negative
	c.leave(1)
}

// TestWhatClosesADestination has attempts fail in several ways.
func TestWhatClosesADestination(t *testing.T) {
	for _, test := range []struct {
		name          string
		cause         string
		conversations int
		closed        bool
	}{
		{"one conversation", "connect", 1, false},
		{"fewer than five conversations", "connect", 4, false},
		{"five conversations", "connect", 5, true},
		{"five conversations that are answered 500", "http_500", 5, true},
		{"a hundred conversations that are answered 404", "http_404", 100, false},
		{"a hundred conversations that are answered 422", "http_422", 100, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			g := newGateCheck(t, 16)
			for i := range 100 {
				g.pass(test.name, 1, 1)
				g.end(i%test.conversations, test.cause)
				if g.closure().Closed {
					break
				}
			}
			if got := g.closure(); got.Closed != test.closed || got.Closed && got.Cause != test.cause {
				t.Errorf("%s: got %+v, want closed: %t", test.name, got, test.closed)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		g := newGateCheck(t, 16)
		for i := range 100 {
			g.pass("a success in between", 1, 1)
			g.end(i, []string{"connect", "connect", ""}[i%3])
		}
		if len(g.changes) > 0 {
			t.Errorf("a success in between: got the changes %q, want none", g.changes)
		}
	})
}

// TestProbesOfADestination closes a gate with messages on their way, and opens it
// again.
func TestProbesOfADestination(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 6
		g := newGateCheck(t, limit)
		g.pass("open", 100, limit)
		for i := range 4 {
			g.end(i, "connect")
		}
		g.pass("open still", 3, 3)
		g.end(5, "connect") // four are left, two of which have been taken, and are about to be sent
		if n := g.spare(2); n != 0 {
			t.Errorf("closed: got %d of two messages that were let pass sent, want none", n)
		}
		g.end(6, "connect")
		g.end(7, "connect")
		for i := range 8 {
			began := time.Now()
			g.pass("a probe", 100, 1)
			if n := g.spare(1); n != 1 {
				t.Errorf("probe %d: got %d sent, want it", i, n)
			}
			if pause := time.Since(began); pause > longestProbe || i > 6 && pause < longestProbe*8/10 {
				t.Errorf("probe %d: got it after %v, want it after up to %v", i, pause, longestProbe)
			}
			g.end(8, "connect")
		}
		g.pass("the last probe", 100, 1)
		g.end(9, "")
		for free := 2; free <= limit; free++ {
			g.pass("open again", 100, free)
			g.leave(free - 1)
			g.end(10, "")
		}
		g.pass("open as before", 100, limit)
		if len(g.changes) != 2 || g.changes[0] != "connect" || g.changes[1] != "open" {
			t.Errorf("got the changes %q, want closed for connect, and open", g.changes)
		}
	})
}
