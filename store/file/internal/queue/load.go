package queue

import (
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/record"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/schedule"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// A loading is a queue that is being opened. No other goroutine has it yet.
type loading struct {
	*Queue
	known map[store.Number]loaded // deliveries in the schedules
	moves []movedDelivery
	bad   int // records that were not understood
}

// A loaded delivery is one in a schedule.
type loaded struct {
	d    *destination
	ref  schedule.Ref
	dead bool
}

// load reads the last snapshot, and the log from there on.
func (q *Queue) load() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	start := time.Now()
	l := loading{Queue: q, known: make(map[store.Number]loaded)}
	from, err := l.restore()
	if err != nil {
		return err
	}
	q.loaded.Store(1)
	if err := l.openSeen(); err != nil {
		return err
	}
	records := 0
	q.last, q.lastApplied = max(from, 1)-1, max(from, 1)-1
	err = q.log.Scan(min(from, q.seen.From()), func(p wal.Position, r []byte) error {
		q.loaded.Store(uint64(p)) // it has what is before in the index
		records++
		if p < from {
			eachKey(r, func(key store.Key, until time.Time) { q.seen.Add(key, p, until) })
			return nil
		}
		q.last = p
		l.record(p, r)
		return nil
	})
	if err != nil {
		return err
	}
	q.loaded.Store(0)
	q.move(l.moves)
	l.dropRemoved()
	if l.bad > 0 {
		q.zap.Error("records of an unknown format, perhaps of a later version", zap.Int("number", l.bad))
	}
	deliveries := 0
	for _, d := range q.destinations {
		deliveries += d.schedule.Open()
	}
	q.zap.Info("opened the queue", zap.Int("deliveries", deliveries), zap.Int("records", records), zap.Duration("took", time.Since(start)))
	return nil
}

// record applies a record of the log.
func (l *loading) record(p wal.Position, r []byte) {
	var err error
	switch record.KindOf(r) {
	case record.KindEvents, record.KindReplay:
		err = l.deliveries(p, r)
	case record.KindMoved:
		err = l.movedTo(p, r)
	case record.KindOutcomes:
		err = record.ReadOutcomes(r, func(at time.Time, destination []byte, o *record.Outcome) {
			l.seen.Add(o.Key, p, time.Time{})
			l.outcome(string(destination), at, o)
		})
	case record.KindDiscards:
		err = record.ReadDiscards(r, func(at time.Time, destination []byte, d *record.Discard) {
			l.seen.Add(d.Key, p, time.Time{})
			l.ended(l.destination(string(destination)), d.Number, record.Nanoseconds(at))
		})
	case record.KindPause:
		var destination string
		var paused bool
		if destination, paused, err = record.ReadPause(r); err == nil {
			d := l.destination(destination)
			d.paused, d.pausedAt = paused, p
		}
	default:
		err = record.ErrFormat
	}
	if err != nil {
		l.bad++
	}
}

// deliveries adds what was stored.
func (l *loading) deliveries(p wal.Position, r []byte) error {
	next, err := l.stored(p, r, func(d *destination, number store.Number, ref schedule.Ref) {
		if ref != 0 {
			l.known[number] = loaded{d: d, ref: ref}
		}
	})
	l.next = max(l.next, next)
	l.lastApplied = p
	return err
}

// movedTo applies that deliveries were moved. Where their first record is gone,
// and there is no snapshot, they are found here only.
func (l *loading) movedTo(p wal.Position, r []byte) error {
	_, e, deliveries, err := record.ReadMoved(r)
	if err != nil {
		return err
	}
	l.seen.Add(e.Key, p, e.Until)
	from := wal.Position(record.MovedFrom(r))
	s := l.segment(p.Segment())
	moved := make([]movedDelivery, 0, len(deliveries))
	for i := range deliveries {
		m := &deliveries[i]
		moved = append(moved, movedDelivery{m.Number, p})
		l.next = max(l.next, m.Number+1)
		k, ok := l.known[m.Number]
		if d := l.destination(m.Destination); !ok && d.isBeyond(m.Number) {
			// It had an entry in the process that moved it, and so had those
			// ahead of it, which were moved before.
			d.beyond.gone.add(m.Number)
			d.beyond.left(from.Segment())
			delete(d.beyond.tried, m.Number)
			l.segment(from.Segment()).live--
		}
		switch {
		case ok:
			l.segment(wal.Position(k.d.schedule.Move(k.ref, k.dead, uint64(p))).Segment()).live--
		case m.State == store.Waiting || m.State == store.UnderWay || m.State == store.DeliveryDead:
			l.known[m.Number] = addMoved(l.destination(m.Destination), p, &e, m)
		default:
			continue
		}
		s.live++
		s.total++
	}
	l.moves = append(l.moves, moved...)
	return nil
}

// dropRemoved forgets what the snapshot has of segments that are gone. Before
// they were removed, everything in them was settled, or moved.
func (l *loading) dropRemoved() {
	there := make(map[uint32]bool)
	for _, s := range l.log.Segments() {
		there[s.Number] = true
	}
	for number := range l.segments {
		if there[number] {
			continue
		}
		delete(l.segments, number)
		if number == 0 {
			continue // of deliveries without a record
		}
		for _, d := range l.destinations {
			for _, o := range openOf(d, number) {
				if o.view.State == store.DeliveryDead {
					d.schedule.Unbury(o.view.Ref)
				} else {
					d.schedule.Remove(o.view.Ref)
				}
			}
			if d.beyond != nil {
				d.beyond.count -= d.beyond.in[number]
				delete(d.beyond.in, number)
			}
		}
	}
	l.moved = slices.DeleteFunc(l.moved, func(m movedDelivery) bool { return m.position != 0 && !there[m.position.Segment()] })
}

// openOf returns the entries of a destination in a segment.
func openOf(d *destination, segment uint32) (all []open) {
	for n := range d.schedule.Chunks() {
		d.schedule.Look(n, uint64(segment)<<32, uint64(segment+1)<<32, func(v schedule.View) { all = append(all, open{d, v}) })
	}
	return all
}

func addMoved(d *destination, p wal.Position, e *record.Event, m *record.Delivery) loaded {
	it := schedule.Item{
		Number: m.Number, Position: uint64(p), Size: len(e.Body), Lanes: m.Lanes, Due: record.Nanoseconds(m.Due),
		Attempts: m.Attempts, Replay: m.Replay,
	}
	if m.State != store.DeliveryDead {
		return loaded{d: d, ref: d.schedule.Add(it)}
	}
	cause := ""
	if n := len(m.DeliveryStory.Attempts); n > 0 {
		cause = m.DeliveryStory.Attempts[n-1].Cause
	}
	return loaded{d: d, ref: d.schedule.AddDead(it, cause), dead: true}
}

// outcome applies an outcome.
func (l *loading) outcome(destination string, at time.Time, o *record.Outcome) {
	d := l.destination(destination)
	k, ok := l.known[o.Number]
	switch {
	case o.Result == store.Done:
		l.ended(d, o.Number, record.Nanoseconds(at))
	case !ok && d.isBeyond(o.Number):
		l.beyondOutcome(d, o)
	case !ok || k.dead: // it is done since
	case o.Result == store.Again:
		d.schedule.Again(k.ref, record.Nanoseconds(o.Due), o.Attempts)
	case o.Result == store.Dead:
		k.ref, k.dead = d.schedule.Bury(k.ref, o.Attempts, o.Attempt.Cause), true
		l.known[o.Number] = k
		if o.Position == 0 {
			l.detach(d, k.ref, o.Number, record.Nanoseconds(at))
		}
	}
}

// beyondOutcome applies the outcome of a delivery beyond the schedule. It had an
// entry in the process that attempted it, when others had been settled.
func (l *loading) beyondOutcome(d *destination, o *record.Outcome) {
	if o.Result == store.Again {
		d.beyond.tried[o.Number] = tried{o.Attempts, record.Nanoseconds(o.Due)}
		return
	}
	ref := d.schedule.AddDead(schedule.Item{Number: o.Number, Position: o.Position, Attempts: o.Attempts}, o.Attempt.Cause)
	l.known[o.Number] = loaded{d, ref, true}
	d.beyond.gone.add(o.Number)
	d.beyond.left(wal.Position(o.Position).Segment())
	delete(d.beyond.tried, o.Number)
}

// ended ends a delivery that was done or discarded.
func (l *loading) ended(d *destination, number store.Number, at int64) {
	var p wal.Position
	k, ok := l.known[number]
	switch {
	case !ok && d.isBeyond(number):
		l.goneBeyond(d, number, at)
		return
	case !ok:
		return
	case k.dead:
		p = wal.Position(d.schedule.Unbury(k.ref))
	default:
		p = wal.Position(d.schedule.Position(k.ref))
		d.schedule.Remove(k.ref)
	}
	delete(l.known, number)
	l.settled(p.Segment(), at)
}
