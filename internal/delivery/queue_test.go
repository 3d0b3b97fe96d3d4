package delivery

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A testQueue is a queue in memory, for the workers. It keeps order by lanes,
// and every outcome. Methods of an operator it has none.
type testQueue struct {
	store.Queue
	mu      sync.Mutex
	changed chan struct{} // closed with each change
	number  store.Number
	waiting []*testDelivery // in the order of their numbers, those under way among them
	settled []store.Outcome
	seen    map[store.Key]bool
	fail    error // of every call
	stalls  bool  // until the context of a call to Renew ends
	taken   int   // calls of Take that found something
	closed  bool
}

type testDelivery struct {
	store.Delivery
	destination string
	due         time.Time
	leased      time.Time // until
}

func newTestQueue() *testQueue {
	return &testQueue{changed: make(chan struct{}), seen: make(map[store.Key]bool)}
}

func (q *testQueue) change() {
	close(q.changed)
	q.changed = make(chan struct{})
}

func (q *testQueue) Stats(context.Context) (stats store.Stats, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, d := range q.waiting {
		at := slices.IndexFunc(stats.Destinations, func(s store.DestinationStats) bool { return s.Destination == d.destination })
		if at < 0 {
			at, stats.Destinations = len(stats.Destinations), append(stats.Destinations, store.DestinationStats{Destination: d.destination})
		}
		stats.Destinations[at].Waiting++
	}
	return stats, q.fail
}

func (q *testQueue) Accept(ctx context.Context, n *store.Notification) ([]bool, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.fail != nil {
		return nil, q.fail
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrBusy, err)
	}
	repeats, fresh := make([]bool, len(n.Events)), false
	for i := range n.Events {
		e := &n.Events[i]
		if repeats[i] = e.Window > 0 && q.seen[e.Key]; repeats[i] {
			continue
		}
		q.seen[e.Key], fresh = true, true
		q.add(n, e, false)
	}
	if fresh {
		q.add(n, &n.Whole, true)
	}
	q.change()
	return repeats, nil
}

func (q *testQueue) add(n *store.Notification, e *store.Event, whole bool) {
	for _, t := range e.Targets {
		q.number++
		q.waiting = append(q.waiting, &testDelivery{destination: t.Destination, Delivery: store.Delivery{
			Held: store.Held{Number: q.number}, Key: e.Key, Info: e.Info, Whole: whole, Body: e.Body, Origin: n.Origin,
			Lanes: t.Lanes, Received: n.Received, Since: time.Now(), Attempt: 1,
		}})
	}
}

func (q *testQueue) Take(ctx context.Context, destination string, want store.Want) ([]store.Delivery, error) {
	for {
		q.mu.Lock()
		taken, next := q.due(destination, want)
		changed := q.changed
		q.mu.Unlock()
		if len(taken) > 0 {
			return taken, nil
		}
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// due takes what is due, or returns when to look again.
func (q *testQueue) due(destination string, want store.Want) (taken []store.Delivery, next time.Duration) {
	now, next := time.Now(), time.Hour
	blocked := make(map[store.Lane]bool)
	for _, d := range q.waiting {
		if d.destination != destination || len(taken) == want.Max {
			continue
		}
		free := !slices.ContainsFunc(d.Lanes, func(l store.Lane) bool { return blocked[l] })
		ready := free && !now.Before(d.due) && !now.Before(d.leased)
		if !ready || !want.Runs {
			for _, l := range d.Lanes {
				blocked[l] = true
			}
		}
		if !ready {
			for _, at := range []time.Time{d.due, d.leased} {
				if at.After(now) {
					next = min(next, at.Sub(now))
				}
			}
			continue
		}
		d.leased = now.Add(want.Lease)
		d.Token++
		taken = append(taken, d.Delivery)
	}
	if len(taken) > 0 {
		q.taken++
	}
	return taken, next
}

func (q *testQueue) Renew(ctx context.Context, _ string, lease time.Duration, held []store.Held) (lost []store.Number, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stalls {
		q.mu.Unlock()
		<-ctx.Done()
		q.mu.Lock()
		return nil, ctx.Err()
	}
	if q.fail != nil {
		return nil, q.fail
	}
	for _, h := range held {
		i := slices.IndexFunc(q.waiting, func(d *testDelivery) bool { return d.Held == h })
		if i < 0 {
			lost = append(lost, h.Number)
			continue
		}
		q.waiting[i].leased = time.Now().Add(lease)
	}
	return lost, nil
}

func (q *testQueue) Settle(_ context.Context, _ string, outcomes []store.Outcome) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.fail != nil {
		return q.fail
	}
	for _, o := range outcomes {
		q.settled = append(q.settled, o)
		i := slices.IndexFunc(q.waiting, func(d *testDelivery) bool { return d.Held == o.Held })
		if i < 0 {
			continue
		}
		d := q.waiting[i]
		d.leased = time.Time{}
		switch o.Result {
		case store.Again:
			d.due, d.Attempt = o.At, d.Attempt+1
		case store.Returned:
		case store.Done, store.Dead:
			q.waiting = slices.Delete(q.waiting, i, i+1)
		}
	}
	q.change()
	return nil
}

func (q *testQueue) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	return nil
}

// left returns how many deliveries are not settled for good.
func (q *testQueue) left() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

// results returns how many outcomes there were with each result.
func (q *testQueue) results() map[store.Result]int {
	q.mu.Lock()
	defer q.mu.Unlock()
	counts := make(map[store.Result]int)
	for _, o := range q.settled {
		counts[o.Result]++
	}
	return counts
}
