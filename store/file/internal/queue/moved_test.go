package queue

import (
	"maps"
	"math"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/schedule"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// wantLive fails the test unless the queue counts, in each segment, the deliveries
// there that are not settled. A segment with one too many would stay for ever.
func wantLive(t testing.TB, q *Queue) {
	t.Helper()
	q.mu.Lock()
	defer q.mu.Unlock()
	got, want := make(map[uint32]int), make(map[uint32]int)
	for _, d := range q.destinations {
		for n := range d.schedule.Chunks() {
			d.schedule.Look(n, 1, math.MaxUint64, func(v schedule.View) { want[wal.Position(v.Position).Segment()]++ })
		}
		if d.beyond != nil {
			for segment, n := range d.beyond.in {
				want[segment] += n
			}
		}
	}
	for _, s := range q.segments {
		got[s.number] = s.live
	}
	maps.DeleteFunc(got, func(_ uint32, n int) bool { return n == 0 })
	maps.DeleteFunc(want, func(_ uint32, n int) bool { return n == 0 })
	if !maps.Equal(got, want) {
		t.Errorf("got %v deliveries that are not settled, by segment; want %v", got, want)
	}
}

// TestDiscardedAfterItWasMoved has the janitor move deliveries between the two steps
// of a discard: those that are dead, and those that wait.
func TestDiscardedAfterItWasMoved(t *testing.T) {
	p := newProcess(t, Options{SegmentSize: 64 << 10, Clock: newClock()}, 1)
	h := open1(t, p)
	q := p.queues["queue"]
	accept(t, h, 0, 20, 100)
	takeAll(t, h, store.Dead)
	accept(t, h, 20, 40, 100)
	found, _, err := q.discardable(t.Context(), store.Filter{Destination: "app"}, "", 100)
	if err != nil || len(found) != 40 {
		t.Fatalf("got %d deliveries and error %v, want all 40", len(found), err)
	}
	if err := q.log.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := q.moveOut(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	wantLive(t, q)
	if n, err := q.discard(t.Context(), found); err != nil || n != 40 {
		t.Errorf("got %d discarded and error %v, want 40", n, err)
	}
	wantLive(t, q)
	if err := h.Close(); err != nil {
		t.Errorf("Close: got error %v, want none", err)
	}
}

// TestRemovalNeedsNoNewSegment has no room below the capacity for the segment that
// would follow an idle one. Those before it are removed all the same.
func TestRemovalNeedsNoNewSegment(t *testing.T) {
	const segments = 4
	c := newClock()
	p := newProcess(t, Options{Keep: time.Hour, Capacity: segments * 64 << 10, SegmentSize: 64 << 10, Clock: c}, 1)
	h := open1(t, p)
	q := p.queues["queue"]
	under := 0
	for e := uint64(1); len(q.log.Segments()) < segments; e++ {
		if _, err := h.Accept(t.Context(), one(e, 500)); err != nil {
			t.Fatalf("Accept of event %d: got error %v, want none", e, err)
		}
		taken, err := h.Take(t.Context(), "app", store.Want{Max: 1, Bytes: 1 << 20, Lease: 24 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		if e%5 == 0 { // too many to make room for others at once
			under++
			continue
		}
		settle(t, h, taken[0], store.Done, time.Time{})
	}
	last := q.log.Segments()[segments-1].Number
	if !q.log.Full() {
		t.Fatal("got room for another segment, want none")
	}
	c.advance(2 * time.Hour)
	if err := q.remove(t.Context(), false); err != nil {
		t.Errorf("got error %v, want none", err)
	}
	if first := q.log.Segments()[0].Number; first < last {
		t.Errorf("got segments from number %d on, want those before %d removed", first, last)
	}
	wantLive(t, q)
	if _, app := appStats(t, h); app.UnderWay != int64(under) {
		t.Errorf("got %d under way, want all %d", app.UnderWay, under)
	}
	if err := h.Close(); err != nil {
		t.Errorf("Close: got error %v, want none", err)
	}
}
