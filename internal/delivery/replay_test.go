package delivery

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A replayQueue has many events to replay. It notes when how many are.
type replayQueue struct {
	store.Queue
	events int

	mu   sync.Mutex
	put  map[string][]time.Duration // each event, since the start
	fail error
	from time.Time
}

func (q *replayQueue) Take(ctx context.Context, _ string, _ store.Want) ([]store.Delivery, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (q *replayQueue) Stats(context.Context) (store.Stats, error) { return store.Stats{}, nil }

func (q *replayQueue) Close() error { return nil }

func (q *replayQueue) Replay(_ context.Context, to string, _ store.Filter, cursor string, limit int, dry bool) (n int, next string, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.fail != nil {
		return 0, "", q.fail
	}
	at, _ := strconv.Atoi(cursor)
	if n = min(limit, q.events-at); at+n < q.events {
		next = strconv.Itoa(at + n)
	}
	for range n {
		if !dry {
			q.put[to] = append(q.put[to], time.Since(q.from))
		}
	}
	return n, next, nil
}

// most returns how many events were put into a destination's queue within a
// time at most.
func (q *replayQueue) most(to string, within time.Duration) (most int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	put := q.put[to]
	for from, i := 0, 0; i < len(put); i++ {
		for put[i]-put[from] > within {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}

// replaying calls f with a gateway that has events to replay to destinations.
func replaying(t *testing.T, events int, destinations []*Destination, f func(*testing.T, *Stored, *replayQueue)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		q := &replayQueue{events: events, put: make(map[string][]time.Duration), from: time.Now()}
		g := newGateway(t, destinations...)
		g.Stored.Queue.Open = func() (store.Queue, error) { return q, nil }
		g.run(func() { f(t, g.Stored, q) })
	})
}

// replayAll replays all events page by page, and returns how many that were.
func replayAll(t *testing.T, s *Stored, to string, limit int) (sum int) {
	for next, first := "", true; first || next != ""; first = false {
		start := time.Now()
		n, after, err := s.Replay(t.Context(), to, store.Filter{}, next, limit, false)
		if took := time.Since(start); err != nil || n == 0 || n > limit || took > replayTime+time.Second/2 {
			t.Errorf("got %d events of %d after %v, %v; want some within about a second", n, limit, took, err)
			return sum
		}
		sum, next = sum+n, after
	}
	return sum
}

func TestReplaysKeepTheirPaceWhoeverAsks(t *testing.T) {
	const events = 3000
	to := to(new(testApp))
	replaying(t, events, []*Destination{to}, func(t *testing.T, s *Stored, q *replayQueue) {
		var asking sync.WaitGroup
		for _, limit := range []int{1, 50, 1000} {
			asking.Go(func() {
				if got := replayAll(t, s, to.Name, limit); got != events {
					t.Errorf("pages of %d: got %d events, want %d", limit, got, events)
				}
			})
		}
		asking.Wait()
		took := time.Since(q.from)
		if want := 3 * events * time.Second / mostReplays; took < want-time.Second || took > want+time.Second {
			t.Errorf("got the replays of three after %v, want about %v", took, want)
		}
		const burst = 4 * mostReplays / partsInSecond // of each, and one that is saved
		if got := q.most(to.Name, time.Second); got > mostReplays+burst {
			t.Errorf("got %d events within a second, want about %d", got, mostReplays)
		}
	})
}

func TestReplayRateOfADestination(t *testing.T) {
	option := func(name string, set func(*Destination)) *Destination {
		return to(new(testApp), func(d *Destination) { d.Name = name }, set)
	}
	destinations := []*Destination{
		option("plain", func(*Destination) {}),
		option("set", func(d *Destination) { d.ReplayRate = 2000 }),
		option("limited", func(d *Destination) { d.Rate = 100 }),
		option("slow", func(d *Destination) { d.Rate = 0.5 }),
		option("batches", func(d *Destination) { d.Rate, d.Deliver, d.MaxEvents = 4, Batch, 20 }),
		option("fast", func(d *Destination) { d.Rate = 5000 }),
		option("both", func(d *Destination) { d.Rate, d.ReplayRate = 100, 200 }),
	}
	want := map[string]int{"plain": 500, "set": 2000, "limited": 50, "slow": 1, "batches": 40, "fast": 500, "both": 200}
	replaying(t, 1e6, destinations, func(t *testing.T, s *Stored, q *replayQueue) {
		const seconds = 20
		var asking sync.WaitGroup
		for _, d := range destinations {
			asking.Go(func() {
				for next := ""; time.Since(q.from) < seconds*time.Second; {
					var err error
					if _, next, err = s.Replay(t.Context(), d.Name, store.Filter{}, next, 1000, false); err != nil {
						t.Error(err)
					}
				}
			})
		}
		asking.Wait()
		for name, perSecond := range want {
			if got := len(q.put[name]); got < perSecond*(seconds-1) || got > perSecond*(seconds+2) {
				t.Errorf("%s: got %d events in %d seconds, want %d in each", name, got, seconds, perSecond)
			}
		}
	})
}

// TestFewReplaysDoNotWait replays what a person does by hand, counts, and has
// no destination of the name.
func TestFewReplaysDoNotWait(t *testing.T) {
	to := to(new(testApp))
	replaying(t, 1e6, []*Destination{to}, func(t *testing.T, s *Stored, q *replayQueue) {
		for _, test := range []struct {
			name, to string
			limit    int
			dry      bool
		}{
			{"one", to.Name, 1, false},
			{"a few", to.Name, 40, false},
			{"a count", to.Name, 1e6, true},
			{"a destination that is not configured", "gone", 1e6, false},
		} {
			n, _, err := s.Replay(t.Context(), test.to, store.Filter{}, "", test.limit, test.dry)
			if took := time.Since(q.from); n != test.limit || err != nil || took > 0 {
				t.Errorf("%s: got %d events after %v, %v; want %d at once", test.name, n, took, err, test.limit)
			}
		}
	})
}

// TestReplayThatIsCutOffTellsHowFarItIs has a store that fails, a client that
// has gone, and a configuration that ends.
func TestReplayThatIsCutOffTellsHowFarItIs(t *testing.T) {
	failure := errors.New("the disk is gone")
	to := to(new(testApp))
	for _, test := range []struct {
		name string
		cut  func(s *Stored, q *replayQueue, hangUp func())
		then error
	}{
		{"the store fails", func(_ *Stored, q *replayQueue, _ func()) {
			q.mu.Lock()
			defer q.mu.Unlock()
			q.fail = failure
		}, failure},
		{"the client has gone", func(_ *Stored, _ *replayQueue, hangUp func()) { hangUp() }, context.Canceled},
		{"the configuration ends", func(s *Stored, _ *replayQueue, _ func()) { s.Stop() }, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			replaying(t, 1e6, []*Destination{to}, func(t *testing.T, s *Stored, q *replayQueue) {
				ctx, hangUp := context.WithCancel(t.Context())
				defer hangUp()
				time.AfterFunc(450*time.Millisecond, func() { test.cut(s, q, hangUp) })
				n, next, err := s.Replay(ctx, to.Name, store.Filter{}, "", 1000, false)
				if at, _ := strconv.Atoi(next); n < 200 || n > 400 || at != n || err != nil || time.Since(q.from) > replayTime {
					t.Errorf("got %d events, the cursor %q, %v after %v; want half of a second's", n, next, err, time.Since(q.from))
				}
				if _, _, err := s.Replay(ctx, to.Name, store.Filter{}, next, 1000, false); !errors.Is(err, test.then) {
					t.Errorf("the next call: got %v, want %v", err, test.then)
				}
			})
		})
	}
}

func TestReplayRateIsChecked(t *testing.T) {
	for text, want := range map[string]string{
		"replay_rate 1000/s": "", "replay_rate 0.5/s": "replay_rate: must be at least 1", "replay_rate -5/s": "replay_rate: must be a number",
		"replay_rate 5": "replay_rate: must be a number", "replay_rate": "wrong argument count",
	} {
		d, read := new(Destination), caddyfile.NewTestDispenser(text)
		read.Next()
		known, err := d.unmarshalOption(read, read.Val())
		if got := fmt.Sprint(err); !known || (err == nil) != (want == "") || !strings.Contains(got, want) && want != "" {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
		if want == "" && d.ReplayRate != 1000 {
			t.Errorf("%s: got %v, want 1000", text, d.ReplayRate)
		}
	}
	for _, rate := range []float64{-1, 0.5} { // as JSON has it
		d := to(new(testApp), func(d *Destination) { d.ReplayRate, d.Routes = rate, make(caddyhttp.RouteList, 1) })
		if err := d.Validate(); err == nil || !strings.Contains(err.Error(), "destination app: replay_rate: must be at least 1") {
			t.Errorf("%v: got %v, want the option named", rate, err)
		}
	}
}
