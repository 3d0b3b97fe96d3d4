package queue

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal/waltest"
)

// isRepeat reports whether an event counts as seen, which it does from now on.
func isRepeat(t *testing.T, q store.Queue, event uint64) bool {
	t.Helper()
	repeats, err := q.Accept(t.Context(), one(event, 1))
	if err != nil {
		t.Fatalf("Accept of event %d: got error %v, want none", event, err)
	}
	return repeats[0]
}

// TestOpeningReadsWhatIsNew opens a queue with many settled events in many
// segments. Neither the log nor the index is read as a whole, and both know
// everything.
func TestOpeningReadsWhatIsNew(t *testing.T) {
	p := newProcess(t, Options{Keep: time.Hour, SegmentSize: 64 << 10, Clock: newClock(), Table: 100}, 1)
	q := open1(t, p)
	accept(t, q, 1, 1000, 500)
	takeAll(t, q, store.Done)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	var logs atomic.Int64
	p.disk.SetFault(func(op waltest.Op) error {
		if op.Kind == "read" && strings.HasSuffix(op.Name, ".log") {
			logs.Add(1)
		}
		return nil
	})
	q = open1(t, p)
	if n := logs.Load(); n > 60 { // a header for each segment, and the last one
		t.Errorf("got %d reads of the log, want few", n)
	}
	for e := uint64(1); e < 1000; e += 90 {
		if !isRepeat(t, q, e) {
			t.Errorf("event %d: got it accepted again, want a repeat", e)
		}
		stories, err := q.Story(t.Context(), keyOf(e))
		if err != nil || len(stories) != 1 || len(stories[0].Deliveries) != 1 || stories[0].Deliveries[0].State != store.DeliveryDone {
			t.Errorf("Story of event %d: got %+v and error %v, want one delivery that is done", e, stories, err)
		}
	}
	if isRepeat(t, q, 5000) {
		t.Error("got an event that is new for a repeat")
	}
	if err := q.Close(); err != nil {
		t.Errorf("Close: got error %v, want none", err)
	}
}

// TestWhatWasNotStoredIsNew has the disk fail while an event is stored, which
// Meta sends again then.
func TestWhatWasNotStoredIsNew(t *testing.T) {
	for _, kind := range []string{"write", "sync"} {
		t.Run(kind, func(t *testing.T) {
			p := newProcess(t, Options{Keep: time.Hour, SegmentSize: 64 << 10, Clock: newClock()}, 1)
			q := open1(t, p)
			accept(t, q, 1, 3, 500)
			var failures atomic.Int64
			first := files(t, p, ".log")[0]
			p.disk.SetFault(func(op waltest.Op) error {
				if op.Kind == kind && op.Name == first && failures.Add(1) == 1 {
					return errors.New("input/output error")
				}
				return nil
			})
			if _, err := q.Accept(t.Context(), one(3, 500)); err == nil {
				t.Fatal("Accept on a disk that fails: got no error, want one")
			}
			if isRepeat(t, q, 3) {
				t.Error("got a repeat of an event that was not stored, want it accepted")
			}
			if !isRepeat(t, q, 3) {
				t.Error("got an event accepted that is stored, want a repeat")
			}
			if events := takeAll(t, q, store.Done); len(events) != 3 || !slices.Contains(events, 3) {
				t.Errorf("got events %v, want 1, 2 and 3", events)
			}
			if err := q.Close(); err != nil {
				t.Errorf("Close: got error %v, want none", err)
			}
		})
	}
}

// TestSeenOutlivesItsRecords has the records of events go before their windows
// end, in a process and in the next, with crashes in between.
func TestSeenOutlivesItsRecords(t *testing.T) {
	c := newClock()
	p := newProcess(t, Options{SegmentSize: 64 << 10, Clock: c, Table: 1000}, 1)
	q := open1(t, p)
	for round := range uint64(3) {
		accept(t, q, 1000*round, 1000*round+300, 500)
		takeAll(t, q, store.Done)
		c.advance(2 * time.Minute)
		tidyAll(t, p)
		p.powerCut()
		q = open1(t, p)
	}
	if found, _, err := q.List(t.Context(), store.Filter{}, "", 10); err != nil || len(found) > 0 {
		t.Fatalf("List: got %d and error %v, want none", len(found), err)
	}
	for round := range uint64(3) {
		for e := 1000 * round; e < 1000*round+300; e += 29 {
			if !isRepeat(t, q, e) {
				t.Errorf("event %d: got it accepted again within its window, want a repeat", e)
			}
		}
	}
	c.advance(time.Hour)
	tidyAll(t, p)
	for e := uint64(0); e < 300; e += 29 {
		if isRepeat(t, q, e) {
			t.Errorf("event %d: got a repeat after its window, want it accepted", e)
		}
	}
	if err := q.Close(); err != nil {
		t.Errorf("Close: got error %v, want none", err)
	}
}

// TestEndOfTheLogIsMissing cuts off the end of the log, which the index and the
// snapshot know. What was there is dead, and accepted if it comes again; what
// comes later is kept, and has places of its own.
func TestEndOfTheLogIsMissing(t *testing.T) {
	for seed := range uint64(10) {
		random := rand.New(rand.NewPCG(seed, 0))
		p := newProcess(t, Options{Keep: time.Hour, SegmentSize: 64 << 10, Clock: newClock(), Table: 20}, seed)
		q := open1(t, p)
		accept(t, q, 1, 201, 500)
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		logs := files(t, p, ".log")
		last := logs[len(logs)-1]
		if size := len(strings.TrimRight(string(p.disk.Content(last)), "\x00")); size < 10_000 {
			last = logs[len(logs)-2] // what follows is only allocated
		}
		content := p.disk.Content(last)
		used := len(strings.TrimRight(string(content), "\x00"))
		cut := 8192 + random.IntN(used-8192)
		clear(content[cut:])
		p.disk.SetContent(last, content)

		q = open1(t, p)
		accept(t, q, 1001, 1101, 500)
		p.kill()
		q = open1(t, p)
		events := takeAll(t, q, store.Done)
		got := make(map[uint64]bool)
		for _, e := range events {
			got[e] = true
		}
		for e := uint64(1001); e < 1101; e++ {
			if !got[e] || !isRepeat(t, q, e) {
				t.Errorf("seed %d: event %d: got it not delivered or not remembered, want both", seed, e)
			}
		}
		_, app := appStats(t, q)
		missing := 0
		for e := uint64(1); e < 201; e++ {
			if got[e] != isRepeat(t, q, e) {
				t.Errorf("seed %d: event %d: got it delivered %t, and a repeat %t", seed, e, got[e], !got[e])
			}
			if !got[e] {
				missing++
			}
		}
		if missing == 0 || app.Dead["damaged"] != int64(missing) {
			t.Errorf("seed %d: got %d events that are missing, and %+v, want them to be dead", seed, missing, app)
		}
		if err := q.Close(); err != nil {
			t.Errorf("Close: got error %v, want none", err)
		}
	}
}
