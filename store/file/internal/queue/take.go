package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/record"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/schedule"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// Take implements store.Queue.
func (h *Handle) Take(ctx context.Context, destination string, want store.Want) ([]store.Delivery, error) {
	for {
		d, taken, err := h.takeDue(ctx, destination, want)
		if err != nil {
			return nil, err
		}
		deliveries, err := h.read(d, taken)
		if len(deliveries) > 0 || err != nil {
			return deliveries, err
		}
	}
}

// takeDue waits until something is due, and takes it.
func (h *Handle) takeDue(ctx context.Context, name string, want store.Want) (*destination, []schedule.Taken, error) {
	var (
		w     = &waiter{woken: make(chan struct{}, 1)}
		wants = schedule.Want{Max: max(1, want.Max), Bytes: want.Bytes, Runs: want.Runs, Owner: h.id}
		until int64 // it collects, 0 if it does not
		stop  = func() {}
	)
	h.mu.Lock()
	defer h.mu.Unlock()
	d := h.destination(name)
	d.waiting = append(d.waiting, w)
	defer func() {
		stop()
		d.left(w)
		if !h.Queue.closed {
			h.wake(d, h.now()) // what it leaves is the next one's
		}
	}()
	for {
		if err := h.open(ctx); err != nil {
			return nil, nil, err
		}
		now := h.now()
		d.schedule.Pass(now)
		some, enough := d.schedule.Ready(wants, now)
		switch {
		case !some || d.paused:
			until = 0
		case enough || want.Collect <= 0 || until != 0 && now >= until:
			wants.Until = now + int64(want.Lease)
			return d, d.schedule.Take(wants, now), nil
		case until == 0:
			until = now + int64(want.Collect)
			stop()
			stop = h.o.Clock.AfterFunc(want.Collect, func() {
				select {
				case w.woken <- struct{}{}:
				default:
				}
			})
		}
		if next := d.schedule.Next(); next != 0 && (d.due == 0 || next < d.due) {
			h.setTimer(d, next, now)
		}
		h.mu.Unlock()
		select {
		case <-w.woken:
		case <-ctx.Done():
		case <-h.closed:
		}
		h.mu.Lock()
	}
}

// open returns an error if the handle was closed, or the context has ended.
func (h *Handle) open(ctx context.Context) error {
	select {
	case <-h.closed:
		return ErrClosed
	default:
		return ctx.Err()
	}
}

// unreadable is the cause of deliveries whose record is damaged.
const unreadable = "damaged"

// readAgain is after how long a record is read again that the disk could not
// read for now.
const readAgain = time.Minute

// read reads the deliveries that were taken. Those that are damaged are dead,
// and do not count. Those that cannot be read for now wait.
func (h *Handle) read(d *destination, taken []schedule.Taken) (deliveries []store.Delivery, err error) {
	var (
		last = wal.Position(0)
		buf  []byte
		keys = make([]store.Key, len(taken))
	)
	deliveries = make([]store.Delivery, 0, len(taken))
	read := taken[:0:0]
	for i, t := range taken {
		p := wal.Position(t.Position)
		if p != last {
			buf, err = h.readRecord(d, &p, t)
			last = p
		}
		var delivery store.Delivery
		if err == nil {
			delivery, err = deliver(buf, t)
		}
		if err != nil {
			last = 0
			h.failed(d, t, err)
			continue
		}
		if n := len(read); n > 0 && len(deliveries[n-1].Origin) > 0 && len(delivery.Origin) > 0 && &deliveries[n-1].Origin[0] == &delivery.Origin[0] {
			delivery.Origin = slices.Clone(delivery.Origin)
		}
		keys[len(read)] = delivery.Key
		deliveries, read = append(deliveries, delivery), append(read, taken[i])
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.closed: // it has given everything up
		return nil, ErrClosed
	default:
	}
	for i, t := range read {
		if ref, mine := d.schedule.Mine(t.Held); mine {
			d.schedule.Identify(ref, keys[i])
		}
	}
	return deliveries, nil
}

// readRecord reads the record of a delivery, which may move meanwhile.
func (h *Handle) readRecord(d *destination, p *wal.Position, t schedule.Taken) (r []byte, err error) {
	for {
		r, err = h.log.Read(*p, make([]byte, 0, t.Size+512))
		if !errors.Is(err, wal.ErrNotFound) {
			return r, err
		}
		h.mu.Lock()
		now := *p
		if d.schedule.Is(t.Ref, false, t.Held.Number) {
			now = wal.Position(d.schedule.Position(t.Ref))
		}
		h.mu.Unlock()
		if now == *p {
			return nil, err
		}
		*p = now
	}
}

// deliver returns a delivery from its record.
func deliver(r []byte, t schedule.Taken) (delivery store.Delivery, err error) {
	var found bool
	number := t.Held.Number
	fill := func(o *record.Origin, e *record.Event, since time.Time, lanes []store.Lane) {
		found = true
		delivery = store.Delivery{
			Held: t.Held, Key: e.Key, Info: e.Text(), Whole: e.Whole, Body: e.Body, Origin: o.Origin, Lanes: lanes,
			Received: o.Received, Since: since, Attempt: t.Attempts + 1, Replay: t.Replay,
		}
	}
	switch record.KindOf(r) { //nolint:exhaustive // the others hold no delivery
	case record.KindEvents:
		err = record.Events(r, number, func(o *record.Origin, e *record.Event) bool {
			e.Targets(func(i int, _ []byte, lanes []store.Lane) {
				if e.ID+store.Number(i) == number {
					fill(o, e, o.Accepted, lanes)
				}
			})
			return false
		})
	case record.KindReplay:
		o, e, replay, failed := record.ReadReplay(r)
		if err = failed; err == nil && replay.Number == number {
			fill(&o, &e, replay.Since, replay.Lanes)
		}
	case record.KindMoved:
		o, e, all, failed := record.ReadMoved(r)
		err = failed
		for i := range all {
			if err == nil && all[i].Number == number {
				fill(&o, &e, all[i].Since, all[i].Lanes)
			}
		}
	}
	if err == nil && !found {
		err = fmt.Errorf("delivery %d is not in its record: %w", number, record.ErrFormat)
	}
	return delivery, err
}

// failed buries a delivery that is damaged, and has another one wait.
func (h *Handle) failed(d *destination, t schedule.Taken, err error) {
	damaged := errors.Is(err, wal.ErrDamaged) || errors.Is(err, wal.ErrNotFound) || errors.Is(err, record.ErrFormat)
	h.zap.Error("a delivery cannot be read",
		zap.String("destination", d.name), zap.Uint64("number", uint64(t.Held.Number)), zap.Bool("damaged", damaged), zap.Error(err))
	if damaged {
		h.mu.Lock()
		h.damaged++
		h.mu.Unlock()
		now := h.o.Clock.Now()
		if err := h.bury(d, t, store.Attempt{Started: now, Cause: unreadable, Error: err.Error()}); err != nil {
			h.zap.Error("burying a damaged delivery", zap.Error(err))
		}
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if ref, mine := d.schedule.Mine(t.Held); mine {
		d.schedule.Again(ref, h.now()+int64(readAgain), t.Attempts)
		h.wake(d, h.now())
	}
}

// bury ends the attempts for a delivery that is damaged.
func (h *Handle) bury(d *destination, t schedule.Taken, a store.Attempt) error {
	h.order.Lock()
	h.mu.Lock()
	now := h.now()
	s := &settling{q: h.Queue, d: d, now: now, b: record.Outcomes(a.Started, d.name), damaged: true}
	var err error
	if s.mine(&store.Outcome{Held: t.Held, Result: store.Dead, Attempt: a}) {
		err = s.write()
	}
	h.wake(d, now)
	h.mayReadOn(d)
	h.mu.Unlock()
	h.order.Unlock()
	return err
}

// Renew implements store.Queue.
func (q *Queue) Renew(_ context.Context, destination string, lease time.Duration, held []store.Held) (lost []store.Number, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	d, now := q.destination(destination), q.now()
	d.schedule.Pass(now)
	for _, h := range held {
		if ref, mine := d.schedule.Mine(h); mine {
			d.schedule.Renew(ref, now+int64(lease))
		} else {
			lost = append(lost, h.Number)
		}
	}
	q.wake(d, now)
	return lost, nil
}
