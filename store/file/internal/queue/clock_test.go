package queue

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

const day = 24 * time.Hour

// A jump is a queue whose clock is about to be set: event 0 is done, 1 is dead, 2
// is to be tried again in five seconds, 3 is under way, and 4 waits behind it,
// all in lanes of their own but for that.
type jump struct {
	*testing.T
	p     *process
	c     *clock
	q     store.Queue
	taken store.Delivery // event 3
}

func beforeJump(t *testing.T) *jump {
	c := newClock()
	j := &jump{T: t, c: c, p: newProcess(t, Options{Keep: time.Hour, SegmentSize: 64 << 10, Clock: c}, 1)}
	j.q = open1(t, j.p)
	for e, lane := range []store.Lane{10, 11, 12, 13, 13} {
		if _, err := j.q.Accept(t.Context(), one(uint64(e), 100, lane)); err != nil {
			t.Fatalf("Accept: got error %v, want none", err)
		}
	}
	taken, err := j.q.Take(t.Context(), "app", store.Want{Max: 10, Bytes: 1 << 20, Lease: 30 * time.Second})
	if err != nil || len(taken) != 4 {
		t.Fatalf("Take: got %d deliveries and error %v, want 4", len(taken), err)
	}
	settle(t, j.q, taken[0], store.Done, time.Time{})
	settle(t, j.q, taken[1], store.Dead, time.Time{})
	settle(t, j.q, taken[2], store.Again, c.Now().Add(5*time.Second))
	j.taken = taken[3]
	return j
}

// set sets the clock, has the janitor come twice, and restarts the process if
// asked.
func (j *jump) set(by time.Duration, restart bool) {
	j.c.advance(by)
	if restart {
		j.p.kill()
		j.q = open1(j.T, j.p)
	}
	for range 2 {
		j.c.advance(janitorPause)
	}
}

// want fails the test unless what is due is these events, of which each is
// settled as done.
func (j *jump) want(when string, events ...uint64) {
	j.Helper()
	got := takeAll(j.T, j.q, store.Done)
	slices.Sort(got)
	if !slices.Equal(got, events) {
		j.Errorf("%s: got the events %v due, want %v", when, got, events)
	}
}

// repeat fails the test unless an event that comes again is a repeat, or is not,
// as wanted.
func (j *jump) repeat(when string, event uint64, want bool) {
	j.Helper()
	repeats, err := j.q.Accept(j.Context(), one(event, 100, 20))
	if err != nil || repeats[0] != want {
		j.Errorf("%s: got event %d a repeat: %v and error %v, want %t", when, event, repeats, err, want)
	}
}

func (j *jump) wantDead(when string) {
	j.Helper()
	if _, d := appStats(j.T, j.q); d.Dead["status"] != 1 {
		j.Errorf("%s: got dead %v, want one, which stays", when, d.Dead)
	}
}

// TestClockSetForward sets the clock forward by a day. What waits is due at once,
// in its order, and nothing of it goes, though all times of keep and of the window
// have passed.
func TestClockSetForward(t *testing.T) {
	for _, restart := range []bool{false, true} {
		j := beforeJump(t)
		j.set(day, restart)
		j.wantDead("after the jump")
		j.want("after the jump", 2, 3, 4) // the lease of 3 has ended
		settle(t, j.q, j.taken, store.Done, time.Time{})
		j.want("after 3 was settled by who had it")
		j.repeat("after its window", 0, false)
		j.want("what came after its window", 0)
		j.repeat("within its window", 0, true)
		j.wantDead("in the end")
	}
}

// TestClockSetBack sets the clock back by a day. What waited for its first attempt
// goes on at once, what is to be tried again waits longer by as much, and repeats
// are known longer by as much.
func TestClockSetBack(t *testing.T) {
	for _, restart := range []bool{false, true} {
		j := beforeJump(t)
		j.set(-day, restart)
		j.wantDead("after the jump")
		if !restart {
			settle(t, j.q, j.taken, store.Done, time.Time{}) // it is its owner's still
			j.want("after the jump", 4)
		} else {
			j.want("after the jump and a restart", 3, 4)
		}
		j.repeat("after the jump", 0, true)
		j.repeat("after the jump", 2, true)
		if _, err := j.q.Accept(t.Context(), one(5, 100, 12)); err != nil {
			t.Fatalf("Accept: got error %v, want none", err)
		}
		j.want("behind what waits") // order is kept
		j.c.advance(day)
		j.want("when the clock is where it was", 2, 5)
		j.wantDead("in the end")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		if _, err := j.q.Take(ctx, "app", store.Want{Max: 1, Bytes: 1, Lease: time.Minute}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Take: got error %v, want nothing left", err)
		}
		cancel()
	}
}
