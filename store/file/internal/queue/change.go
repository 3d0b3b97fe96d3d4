package queue

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/record"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// A changing is a call to Replay or Discard.
type changing struct {
	listing
	before store.Number // what came later is left
	limit  int
}

// changes starts or goes on to change what was there at the first call.
func (q *Queue) changes(f *store.Filter, cursor string, limit int, live bool) (c changing, from store.Number, err error) {
	q.order.Lock()
	c.before = q.next
	q.order.Unlock()
	at, end, ok := strings.Cut(cursor, "-")
	if ok {
		if _, err := fmt.Sscanf(end, "%d", &c.before); err != nil {
			return c, from, store.ErrCursor
		}
	} else if cursor != "" {
		return c, from, store.ErrCursor
	}
	if from, err = parseCursor(at, 0); err != nil {
		return c, from, err
	}
	c.listing = listing{q: q, f: f, w: q.newWalk(live), known: make(map[store.Key][]*history)}
	c.limit = limit
	return c, from, nil
}

// each visits the deliveries that fit, until enough is there.
func (c *changing) each(ctx context.Context, from store.Number, visit func(c *candidate) (enough bool, err error)) (next string, err error) {
	at, end, failed := c.w.up(from, c.before, func(of *candidate) bool {
		if ctx.Err() != nil || !of.fits(c.f) {
			return ctx.Err() == nil
		}
		var state store.DeliveryState
		if state, _, err = c.state(of); err != nil {
			return false
		}
		if state == 0 || len(c.f.States) > 0 && !slices.Contains(c.f.States, state) {
			return true
		}
		var enough bool
		enough, err = visit(of)
		return err == nil && !enough
	})
	switch {
	case failed != nil:
		return "", failed
	case err != nil:
		return "", err
	case ctx.Err() != nil:
		return "", ctx.Err()
	case end:
		return "", nil
	}
	return fmt.Sprintf("%d-%d", at, c.before), nil
}

// Replay implements store.Operator.
func (q *Queue) Replay(ctx context.Context, destination string, f store.Filter, cursor string, limit int, dry bool) (n int, next string, err error) {
	q.change.Lock()
	defer q.change.Unlock()
	c, from, err := q.changes(&f, cursor, limit, false)
	if err != nil || limit <= 0 {
		return 0, "", err
	}
	if !dry && q.replaysWaiting(destination) {
		return 0, "", fmt.Errorf("%w: too many replays wait for %s", store.ErrBusy, destination)
	}
	w := &write{done: make(chan struct{})}
	var bases []int
	size := 0
	seen := make(map[store.Number]bool)
	next, err = c.each(ctx, from, func(of *candidate) (enough bool, err error) {
		if seen[of.event.ID] {
			return false, nil
		}
		seen[of.event.ID] = true
		if fits, err := c.mayReplay(of, destination); err != nil || !fits {
			return false, err
		}
		if n++; !dry {
			r := record.AppendReplay(nil, of.origin, of.event, &record.Replay{
				Since: q.o.Clock.Now(), Destination: destination, Lanes: lanesFor(of.event, destination),
			})
			w.records, bases, size = append(w.records, r), append(bases, len(bases)), size+len(r)
		}
		return n == limit || size > mostReplayed, nil
	})
	if err != nil || len(w.records) == 0 {
		return n, next, err
	}
	if err := q.store(ctx, w, w.records, bases, len(bases)); err != nil {
		return 0, "", err
	}
	return n, next, nil
}

// mostReplayed is how many bytes a call to Replay writes.
const mostReplayed = 1 << 20

// mostReplays is how many replays may wait for a destination. If they filled the
// schedule, live events would have no place in it.
const mostReplays = DefaultIndexed / 2

// replaysWaiting reports whether no more replays may wait.
func (q *Queue) replaysWaiting(destination string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	d := q.destinations[destination]
	return d != nil && d.schedule.Replays() >= mostReplays
}

// mayReplay reports whether the event of a delivery that fits is to be
// replayed: no earlier one fits, and none waits for the destination.
func (c *changing) mayReplay(of *candidate, destination string) (bool, error) {
	h, err := c.history(of)
	if err != nil || h == nil {
		return err == nil, err
	}
	for _, other := range h.candidates() {
		o := &other
		state, _, err := c.state(o)
		if err != nil {
			return false, err
		}
		if string(o.destination) == destination && (state == store.Waiting || state == store.UnderWay) ||
			o.number < of.number && o.fits(c.f) && (len(c.f.States) == 0 || slices.Contains(c.f.States, state)) {
			return false, nil
		}
	}
	return true, nil
}

// lanesFor returns the lanes of a replay of an event.
func lanesFor(e *record.Event, destination string) (lanes []store.Lane) {
	targets := 0
	e.Targets(func(i int, of []byte, l []store.Lane) {
		if targets++; i == 0 || string(of) == destination {
			lanes = l
		}
	})
	if conversation := string(e.Info[5]); targets == 0 && conversation != "" {
		return []store.Lane{store.LaneOf(conversation)}
	}
	return lanes
}

// Discard implements store.Operator.
func (q *Queue) Discard(ctx context.Context, f store.Filter, cursor string, limit int, dry bool) (n int, next string, err error) {
	q.change.Lock()
	defer q.change.Unlock()
	found, next, err := q.discardable(ctx, f, cursor, limit)
	if err != nil || dry || len(found) == 0 {
		return len(found), next, err
	}
	n, err = q.discard(ctx, found)
	return n, next, err
}

// discardable returns deliveries that fit, and can be discarded.
func (q *Queue) discardable(ctx context.Context, f store.Filter, cursor string, limit int) (found []discarded, next string, err error) {
	if len(f.States) == 0 {
		f.States = []store.DeliveryState{store.Waiting, store.DeliveryDead}
	}
	c, from, err := q.changes(&f, cursor, limit, true)
	if err != nil || limit <= 0 {
		return nil, "", err
	}
	next, err = c.each(ctx, from, func(of *candidate) (enough bool, err error) {
		if o, isOpen := c.open(of); isOpen && o.view.State != store.UnderWay {
			found = append(found, discarded{open: o, number: of.number, key: of.event.Key})
		}
		return len(found) == limit, nil
	})
	return found, next, err
}

// A discarded delivery is one that is about to be.
type discarded struct {
	open
	number store.Number
	key    store.Key
}

// discard discards those deliveries that still can be.
func (q *Queue) discard(ctx context.Context, found []discarded) (n int, err error) {
	q.order.Lock()
	q.mu.Lock()
	at := q.o.Clock.Now()
	now := record.Nanoseconds(at)
	slices.SortStableFunc(found, func(a, b discarded) int { return strings.Compare(a.d.name, b.d.name) })
	var (
		records [][]byte
		index   [][]store.Key
		of      *destination // of the last record
	)
	for i := range found {
		f := &found[i]
		d := f.d
		if i == 0 || found[i-1].d != d {
			d.schedule.Pass(now)
		}
		if !q.discardOne(f, now) {
			continue
		}
		if n++; of != d {
			of = d
			records, index = append(records, record.Discards(at, d.name)), append(index, nil)
		}
		last := len(records) - 1
		records[last] = record.AppendDiscard(records[last], &record.Discard{Number: f.number, Key: f.key})
		index[last] = append(index[last], f.key)
	}
	if n == 0 {
		q.mu.Unlock()
		q.order.Unlock()
		return 0, nil
	}
	batch, err := q.log.BeginLazy(records...) // from the reserve, if need be
	if err == nil {
		q.written(batch)
		for i, keys := range index {
			for _, key := range keys {
				q.seen.Add(key, batch.Positions[i], time.Time{})
			}
		}
	}
	for i := range found {
		if i == 0 || found[i-1].d != found[i].d {
			q.wake(found[i].d, now)
			q.mayReadOn(found[i].d)
		}
	}
	q.mu.Unlock()
	q.order.Unlock()
	if err == nil {
		err = q.log.Sync(ctx)
	}
	return n, asQueueError(err)
}

// discardOne discards a delivery, if it still can be. It may have been moved since
// it was found. The locks are held.
func (q *Queue) discardOne(f *discarded, now int64) bool {
	s := f.d.schedule
	var position uint64
	switch {
	case f.view.Ref == 0:
		if f.d.isBeyond(f.number) {
			q.goneBeyond(f.d, f.number, now)
			return true
		}
		v, ok := s.Find(f.number) // it has got an entry meanwhile
		if !ok || v.State != store.Waiting {
			return false
		}
		position = v.Position
		s.Remove(v.Ref)
	case f.view.State == store.DeliveryDead:
		if !s.Is(f.view.Ref, true, f.number) {
			return false
		}
		position = s.Unbury(f.view.Ref)
	default:
		if !s.Is(f.view.Ref, false, f.number) || s.IsUnderWay(f.number) {
			return false
		}
		position = s.Position(f.view.Ref)
		s.Remove(f.view.Ref)
	}
	q.settled(wal.Position(position).Segment(), now)
	return true
}

// Pause implements store.Operator.
func (q *Queue) Pause(ctx context.Context, destination string, paused bool) error {
	q.order.Lock()
	batch, err := q.log.BeginLazy(record.Pause(destination, paused))
	if err == nil {
		q.written(batch)
		q.mu.Lock()
		d := q.destination(destination)
		d.paused, d.pausedAt = paused, batch.Positions[0]
		q.wake(d, q.now())
		q.mu.Unlock()
	}
	q.order.Unlock()
	if err == nil {
		err = q.log.Sync(ctx)
	}
	return asQueueError(err)
}
