package queue

import (
	"context"
	"errors"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/record"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// Settle implements store.Queue.
func (q *Queue) Settle(_ context.Context, destination string, outcomes []store.Outcome) error {
	late := make(map[store.Number]lateDelivery)
	s, missing, err := q.settle(destination, outcomes, late)
	for len(missing) > 0 {
		for _, number := range missing {
			late[number] = q.find(destination, number)
		}
		s, missing, err = q.settle(destination, outcomes, late)
	}
	if errors.Is(err, wal.ErrFull) && q.makeRoom() {
		q.order.Lock()
		err = s.write()
		q.order.Unlock()
	}
	if err == nil && s.batch != nil {
		err = s.batch.Written()
		q.relieve()
	}
	return asQueueError(err)
}

// A lateDelivery is one that was taken, and whose lease has ended since.
type lateDelivery struct {
	found    bool
	key      store.Key
	position wal.Position
}

// find looks for a delivery that waits, is under way or is dead.
func (q *Queue) find(destination string, number store.Number) (l lateDelivery) {
	q.mu.Lock()
	d := q.destination(destination)
	v, ok := d.schedule.Find(number)
	beyond := d.isBeyond(number)
	q.mu.Unlock()
	switch {
	case ok:
		l.position = wal.Position(v.Position)
	case !beyond:
		return l
	default:
		if l.position, ok = q.positionOf(number); !ok {
			return l
		}
	}
	l.found = true
	if r, err := q.log.Read(l.position, nil); err == nil { // or it is done, and cannot be found by its key
		_ = eachDelivery(r, number, func(c *candidate) bool {
			if c.number == number {
				l.key = c.event.Key
			}
			return c.number < number
		})
	}
	return l
}

// settle applies outcomes and begins to write them. If deliveries were done
// that are not the caller's any more, and were not found yet, it returns those
// and does nothing.
func (q *Queue) settle(destination string, outcomes []store.Outcome, late map[store.Number]lateDelivery) (s *settling, missing []store.Number, err error) {
	q.order.Lock()
	defer q.order.Unlock()
	q.mu.Lock()
	defer q.mu.Unlock()
	d, at := q.destination(destination), q.o.Clock.Now()
	now := record.Nanoseconds(at)
	d.schedule.Pass(now)
	for i := range outcomes {
		if o := &outcomes[i]; o.Result == store.Done {
			if _, mine := d.schedule.Mine(o.Held); !mine {
				if _, ok := late[o.Number]; !ok {
					missing = append(missing, o.Number)
				}
			}
		}
	}
	if len(missing) > 0 {
		return nil, missing, nil
	}
	s = &settling{q: q, d: d, now: now, b: record.Outcomes(at, destination)}
	empty := len(s.b)
	for i := range outcomes {
		if o := &outcomes[i]; !s.mine(o) && o.Result == store.Done && late[o.Number].found {
			s.late(o, late[o.Number])
		}
	}
	defer func() {
		q.wake(d, now)
		q.mayReadOn(d)
	}()
	if len(s.b) == empty {
		return s, nil, nil
	}
	return s, nil, s.write()
}

// write begins to write the outcomes. The lock order is held.
func (s *settling) write() (err error) {
	if s.batch, err = s.q.log.BeginLazy(s.b); err != nil {
		return err
	}
	s.q.written(s.batch)
	for _, key := range s.keys {
		s.q.seen.Add(key, s.batch.Positions[0], time.Time{})
	}
	return nil
}

// A settling is a call to settle.
type settling struct {
	q     *Queue
	d     *destination
	now   int64
	b     []byte // the record
	keys  []store.Key
	batch *wal.Batch // nil if nothing has changed

	damaged bool // the records of the deliveries are
}

// mine applies an outcome of a delivery that is the caller's.
func (s *settling) mine(o *store.Outcome) bool {
	schedule := s.d.schedule
	ref, mine := schedule.Mine(o.Held)
	if !mine {
		return false
	}
	if o.Result == store.Returned {
		schedule.Return(ref)
		return true
	}
	attempts := schedule.Attempts(ref) + 1
	p := wal.Position(schedule.Position(ref))
	l := lateDelivery{key: schedule.Key(ref), position: p}
	if s.damaged {
		l.position = 0
	}
	s.record(o, l, attempts)
	switch o.Result {
	case store.Again:
		schedule.Again(ref, record.Nanoseconds(o.At), attempts)
	case store.Dead:
		dead := schedule.Bury(ref, attempts, o.Attempt.Cause)
		if s.damaged {
			s.q.detach(s.d, dead, o.Number, s.now)
		}
	case store.Done, store.Returned:
		schedule.Remove(ref)
		s.q.settled(p.Segment(), s.now)
	}
	return true
}

// late applies that a delivery is done which is not the caller's any more.
func (s *settling) late(o *store.Outcome, l lateDelivery) {
	v, ok := s.d.schedule.Find(o.Number)
	switch {
	case ok && v.State == store.DeliveryDead:
		s.d.schedule.Unbury(v.Ref)
	case ok:
		s.d.schedule.Remove(v.Ref)
	case s.d.isBeyond(o.Number):
		s.record(o, l, s.d.beyond.tried[o.Number].attempts+1)
		s.q.goneBeyond(s.d, o.Number, s.now)
		return
	default:
		return
	}
	s.q.settled(wal.Position(v.Position).Segment(), s.now)
	s.record(o, l, v.Attempts+1)
}

func (s *settling) record(o *store.Outcome, l lateDelivery, attempts int) {
	s.b = record.AppendOutcome(s.b, &record.Outcome{
		Number: o.Number, Key: l.key, Position: uint64(l.position), Result: o.Result, Due: o.At, Attempts: attempts, Attempt: o.Attempt,
	})
	if !s.damaged && l.key != (store.Key{}) {
		s.keys = append(s.keys, l.key)
	}
}
