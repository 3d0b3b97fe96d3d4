package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/record"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/schedule"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// Accept implements store.Queue.
func (q *Queue) Accept(ctx context.Context, n *store.Notification) (repeats []bool, err error) {
	w := &write{done: make(chan struct{})}
	if repeats, err = q.reserve(ctx, n, w); err != nil {
		return nil, err
	}
	records, bases, numbers := record.Notification(n, repeats, q.o.Clock.Now())
	if numbers == 0 {
		q.release(w)
		return repeats, nil
	}
	if err := q.store(ctx, w, records, bases, numbers); err != nil {
		return nil, err
	}
	return repeats, nil
}

// store writes records with deliveries, and waits until they are applied.
func (q *Queue) store(ctx context.Context, w *write, records [][]byte, bases []int, numbers int) error {
	w.records = records
	err := q.begin(ctx, w, bases, numbers)
	q.full.Store(errors.Is(err, wal.ErrFull))
	for errors.Is(err, wal.ErrFull) && q.makeRoom() {
		err = q.begin(ctx, w, bases, numbers)
	}
	if err == nil {
		return q.wait(ctx, w)
	}
	q.release(w)
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", store.ErrBusy, ctx.Err())
	}
	return asQueueError(err)
}

// reserve tells which events are repeats, and puts the others in flight with
// w. Of several calls with an event in common, the others wait until the first
// has stored it, or failed.
func (q *Queue) reserve(ctx context.Context, n *store.Notification, w *write) (repeats []bool, err error) {
	repeats = make([]bool, len(n.Events))
	for other := q.fly(n, w, repeats); other != nil; other = q.fly(n, w, repeats) {
		select {
		case <-other.done:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", store.ErrBusy, ctx.Err())
		}
	}
	now := q.o.Clock.Now()
	for i := range n.Events {
		if e := &n.Events[i]; e.Window > 0 && !repeats[i] {
			repeats[i] = q.seen.Seen(e.Key, now)
		}
	}
	return repeats, nil
}

// fly puts the keys of a notification in flight, or returns whom to wait for.
// Those that it meets for the second time are repeats.
func (q *Queue) fly(n *store.Notification, w *write, repeats []bool) (other *write) {
	q.mu.Lock()
	defer q.mu.Unlock()
	clear(repeats)
	for i := range n.Events {
		e := &n.Events[i]
		if e.Window <= 0 {
			continue
		}
		switch other := q.inFlight[e.Key]; other {
		case nil:
			q.inFlight[e.Key] = w
			w.keys = append(w.keys, e.Key)
		case w:
			repeats[i] = true
		default:
			q.land(w)
			return other
		}
	}
	return nil
}

// land ends that the keys of a write are in flight. The lock mu is held.
func (q *Queue) land(w *write) {
	for _, key := range w.keys {
		delete(q.inFlight, key)
	}
	w.keys = w.keys[:0]
}

// release ends a write that was not begun.
func (q *Queue) release(w *write) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.land(w)
	close(w.done)
}

// stored adds a record with deliveries, which is on the disk, to what is known,
// and calls added with them. The lock mu is held. It returns the next number.
func (q *Queue) stored(p wal.Position, r []byte, added func(*destination, store.Number, schedule.Ref)) (next store.Number, err error) {
	var at time.Time
	s := q.segment(p.Segment())
	add := func(e *record.Event, destination []byte, it schedule.Item) {
		it.Position, it.Size = uint64(p), len(e.Body)
		d := q.destinations[string(destination)]
		if d == nil {
			d = q.destination(string(destination))
		}
		added(d, it.Number, q.add(d, it, s))
	}
	switch record.KindOf(r) { //nolint:exhaustive // the others hold no delivery
	case record.KindEvents:
		err = record.Events(r, 0, func(o *record.Origin, e *record.Event) bool {
			q.seen.Add(e.Key, p, e.Until)
			e.Targets(func(i int, destination []byte, lanes []store.Lane) {
				add(e, destination, schedule.Item{Number: e.ID + store.Number(i), Lanes: lanes})
			})
			next, at = e.ID+store.Number(e.Numbers()), o.Accepted
			return true
		})
	case record.KindReplay:
		var e record.Event
		var replay record.Replay
		if _, e, replay, err = record.ReadReplay(r); err == nil {
			q.seen.Add(e.Key, p, e.Until)
			add(&e, []byte(replay.Destination), schedule.Item{Number: replay.Number, Lanes: replay.Lanes, Replay: true})
			next, at = replay.Number+1, replay.Since
		}
	default:
		err = record.ErrFormat
	}
	if err == nil {
		q.append(p, record.Number(r), record.Nanoseconds(at))
	}
	return next, err
}
