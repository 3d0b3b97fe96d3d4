package queue

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal/waltest"
)

// crashSeeds returns how many seeds a test of crashes goes through.
func crashSeeds(few int) uint64 {
	if n, err := strconv.Atoi(os.Getenv("QUEUE_TEST_SEEDS")); err == nil {
		return uint64(n)
	}
	return uint64(few)
}

// A ledger is what is known of events outside of the queue.
type ledger struct {
	*testing.T
	mu       sync.Mutex
	made     uint64
	accepted map[uint64]bool       // those that Accept has stored for certain
	done     map[uint64]bool       // acknowledged
	taken    map[store.Lane]uint64 // the last event of a lane that was taken for the first time
	first    map[uint64]bool       // taken at least once
	lives    int
}

func newLedger(t *testing.T) *ledger {
	return &ledger{
		T: t, accepted: make(map[uint64]bool), done: make(map[uint64]bool),
		taken: make(map[store.Lane]uint64), first: make(map[uint64]bool),
	}
}

const crashLanes = 5

// keyOf returns the key of an event.
func keyOf(event uint64) (key store.Key) {
	binary.BigEndian.PutUint64(key[:], event)
	return key
}

// send accepts notifications until the disk stops. Events of one lane are sent
// by one sender, in order.
func (l *ledger) send(q store.Queue, lane store.Lane, random *rand.Rand) {
	for {
		n := &store.Notification{Received: time.Unix(1, 0), Origin: []byte("origin")}
		var events []uint64
		l.mu.Lock()
		for range 1 + random.IntN(3) {
			l.made++
			events = append(events, l.made)
		}
		l.mu.Unlock()
		for _, e := range events {
			n.Events = append(n.Events, store.Event{
				Key: keyOf(e), Window: time.Hour, Body: binary.BigEndian.AppendUint64(make([]byte, random.IntN(300)), e),
				Targets: []store.Target{{Destination: "app", Lanes: []store.Lane{lane}}},
			})
		}
		if _, err := q.Accept(context.Background(), n); err != nil {
			return // Meta would send it again; here, nobody does
		}
		l.mu.Lock()
		for _, e := range events {
			l.accepted[e] = true
		}
		l.mu.Unlock()
	}
}

// work takes deliveries and settles them until the disk stops, or, if all are
// to be done, until they are.
func (l *ledger) work(stopped context.Context, q store.Queue, random *rand.Rand, all bool) {
	for !all || waits(stopped, q) {
		ctx, cancel := context.WithTimeout(stopped, 30*time.Second)
		taken, err := q.Take(ctx, "app", store.Want{Max: 1 + random.IntN(8), Bytes: 1 << 20, Runs: random.IntN(2) == 0, Lease: time.Minute})
		cancel()
		if err != nil {
			return
		}
		outcomes := make([]store.Outcome, 0, len(taken))
		for i := range taken {
			d := &taken[i]
			l.took(d)
			o := store.Outcome{Held: d.Held, Result: store.Done, Attempt: store.Attempt{Status: 200, Started: time.Unix(2, 0)}}
			if !all && random.IntN(10) == 0 {
				o.Result, o.At = store.Again, time.Now()
			}
			outcomes = append(outcomes, o)
			if o.Result == store.Again {
				break // and what follows in its lane is returned
			}
		}
		for i := len(outcomes); i < len(taken); i++ {
			outcomes = append(outcomes, store.Outcome{Held: taken[i].Held, Result: store.Returned})
		}
		l.mu.Lock()
		for i := range taken {
			if outcomes[i].Result == store.Done {
				l.done[eventOf(&taken[i])] = true // though Settle may fail, it may have its effect
			}
		}
		l.mu.Unlock()
		if err := q.Settle(context.Background(), "app", outcomes); err != nil {
			return
		}
	}
}

// waits reports whether anything waits or is under way.
func waits(ctx context.Context, q store.Queue) bool {
	stats, err := q.Stats(ctx)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(stats.Destinations, func(d store.DestinationStats) bool { return d.Waiting+d.UnderWay > 0 })
}

func eventOf(d *store.Delivery) uint64 { return binary.BigEndian.Uint64(d.Body[len(d.Body)-8:]) }

// took takes note that a delivery was taken, and fails the test if another one
// of its lane, which was sent later, was taken before.
func (l *ledger) took(d *store.Delivery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, lane := eventOf(d), d.Lanes[0]
	if d.Key != keyOf(e) || string(d.Origin) != "origin" {
		l.Errorf("event %d: got key %v and origin %q", e, d.Key, d.Origin)
	}
	if l.first[e] {
		return
	}
	l.first[e] = true
	if last := l.taken[lane]; e < last {
		l.Errorf("life %d: got event %d of lane %d after event %d", l.lives, e, lane, last)
	}
	l.taken[lane] = e
}

// check fails the test unless everything that was accepted was delivered.
func (l *ledger) check() {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lost []uint64
	for e := range l.accepted {
		if !l.done[e] {
			lost = append(lost, e)
		}
	}
	if slices.Sort(lost); len(lost) > 0 {
		l.Errorf("got %d of %d events lost, the first of them %d, want none", len(lost), len(l.accepted), lost[:min(5, len(lost))])
	}
}

// checkSeen fails the test unless everything that was accepted is a repeat.
func (l *ledger) checkSeen(q store.Queue) {
	var forgotten []uint64
	for e := range l.accepted {
		if repeats, err := q.Accept(l.Context(), one(e, 1)); err != nil || !repeats[0] {
			forgotten = append(forgotten, e)
		}
	}
	if slices.Sort(forgotten); len(forgotten) > 0 {
		l.Errorf("got %d of %d events accepted again, the first of them %d, want none", len(forgotten), len(l.accepted), forgotten[0])
	}
}

// TestQueueSurvivesCrashes ends processes and machines at any operation on the
// disk, while events are accepted and delivered.
func TestQueueSurvivesCrashes(t *testing.T) {
	for _, power := range []bool{false, true} {
		for seed := range crashSeeds(10) {
			t.Run(fmt.Sprintf("power cut %t, seed %d", power, seed), func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 1))
				p := newProcess(t, Options{
					Keep: time.Duration(random.IntN(2)) * time.Hour, SegmentSize: 64 << 10, Indexed: 8 + random.IntN(2)*1000,
					Table: 10 + random.IntN(2)*1000,
				}, seed)
				l := newLedger(t)
				for l.lives = 1; l.lives <= 6; l.lives++ {
					q, err := p.open("queue")
					if err != nil {
						t.Fatalf("life %d: got error %v, want none", l.lives, err)
					}
					l.live(p, q, random)
					if power {
						p.powerCut()
					} else {
						p.kill()
					}
				}
				q, err := p.open("queue")
				if err != nil {
					t.Fatalf("got error %v, want none", err)
				}
				l.work(t.Context(), q, random, true)
				l.check()
				l.checkSeen(q)
				if l.Failed() {
					stats, err := q.Stats(t.Context())
					t.Logf("%+v %v indexed %d", stats, err, p.o.Indexed)
				}
				if err := q.Close(); err != nil {
					t.Errorf("Close: got error %v, want none", err)
				}
			})
		}
	}
}

// live has a process go on until its disk stops.
func (l *ledger) live(p *process, q store.Queue, random *rand.Rand) {
	left := 20 + random.IntN(400)
	ctx, stop := context.WithTimeout(l.Context(), 30*time.Second)
	defer stop()
	p.disk.SetFault(func(waltest.Op) error {
		if left--; left < 0 {
			stop()
			return waltest.ErrStopped
		}
		return nil
	})
	var running sync.WaitGroup
	for lane := range store.Lane(crashLanes) {
		own := rand.New(rand.NewPCG(random.Uint64(), 0))
		running.Go(func() { l.send(q, lane, own) })
	}
	for range 2 {
		own := rand.New(rand.NewPCG(random.Uint64(), 0))
		running.Go(func() { l.work(ctx, q, own, false) })
	}
	<-ctx.Done()
	running.Wait()
	if left >= 0 {
		l.Error("got a disk that is not used any more, want the process to go on")
	}
}

// TestNothingIsLeftOfACrash ends a process at each operation of a short life. The
// next one leaves nothing in the folder that is not a part of the queue.
func TestNothingIsLeftOfACrash(t *testing.T) {
	known := regexp.MustCompile(`^(lock|\d{10}\.log|\d{20}\.snapshot|[0-9a-f]{16}-[0-9a-f]{16}\.seen)$`)
	for at := 0; ; at += 11 {
		p := newProcess(t, Options{SegmentSize: 64 << 10, Clock: newClock(), Table: 20}, uint64(at)) //nolint:gosec // not negative
		ops := 0
		p.disk.SetFault(func(waltest.Op) error {
			if ops++; ops > at {
				return waltest.ErrStopped
			}
			return nil
		})
		if q, err := p.open("queue"); err == nil {
			for e := range uint64(100) {
				if _, err = q.Accept(t.Context(), one(e, 1500)); err != nil {
					break
				}
			}
			_ = q.Close()
		}
		p.kill()
		q := open1(t, p)
		accept(t, q, 1000, 1100, 1500)
		takeAll(t, q, store.Done)
		tidyAll(t, p)
		if err := q.Close(); err != nil {
			t.Fatalf("ended after %d operations: Close: got error %v, want none", at, err)
		}
		names, err := p.disk.List(folder("queue"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if !known.MatchString(name) {
				t.Errorf("ended after %d operations: got the file %s left, want none of the process that ended", at, name)
			}
		}
		if n := len(files(t, p, snapshotSuffix)); n > snapshotsKept {
			t.Errorf("ended after %d operations: got %d snapshots, want %d at most", at, n, snapshotsKept)
		}
		if ops <= at {
			return // by itself
		}
	}
}
