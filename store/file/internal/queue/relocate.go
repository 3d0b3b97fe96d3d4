package queue

import (
	"context"
	"maps"
	"slices"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/record"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// mostMoved is how many bytes are moved at a time.
const mostMoved = 1 << 20

// moveOut writes what is not settled in a segment again, with everything that
// has become of it.
func (q *Queue) moveOut(ctx context.Context, number uint32) error {
	if err := q.movePauses(number); err != nil {
		return err
	}
	known := q.openIn(number).open
	if err := q.log.Sync(ctx); err != nil { // so that all of their attempts can be read
		return err
	}
	numbers := slices.Sorted(maps.Keys(known))
	var some []moving
	size := 0
	moved := make(map[store.Number]bool)
	for _, n := range numbers {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if moved[n] {
			continue // with another delivery of its event
		}
		m, err := q.movingOf(known, wal.Position(known[n].view.Position), n)
		if err != nil {
			return err
		}
		for _, d := range m.deliveries {
			moved[d.Number] = true
		}
		if len(m.deliveries) > 0 {
			some, size = append(some, m), size+len(m.event.Body)
		}
		if size > mostMoved {
			if err := q.moveAll(some); err != nil {
				return err
			}
			some, size = nil, 0
		}
	}
	return q.moveAll(some)
}

// A moving is an event that is about to be moved.
type moving struct {
	from       wal.Position
	origin     record.Origin
	event      record.Event
	deliveries []record.Delivery
	open       []open // what was known of them; zero of those that were settled
}

// movingOf returns the event of a delivery, with all of its deliveries that are
// in the same record.
func (q *Queue) movingOf(known map[store.Number]open, p wal.Position, number store.Number) (m moving, err error) {
	m.from = p
	r, err := q.log.Read(p, nil)
	if err == nil {
		err = eachDelivery(r, 0, func(c *candidate) bool {
			if c.number == number {
				m.origin, m.event = *c.origin, *c.event
			}
			return c.number < number
		})
	}
	if skipped(err) {
		return moving{}, nil // it is found to be damaged when it is taken
	}
	if err != nil {
		return m, err
	}
	all, err := q.histories(m.event.Key)
	if err != nil {
		return m, err
	}
	return m, eachDelivery(r, 0, func(c *candidate) bool {
		if c.event.ID == m.event.ID && !c.unmatched {
			o := known[c.number]
			m.deliveries, m.open = append(m.deliveries, pastOf(all, c, o)), append(m.open, o)
		}
		return true
	})
}

// pastOf returns a delivery with what has become of it. What is known in memory
// counts, if the log says otherwise.
func pastOf(all []*history, c *candidate, o open) record.Delivery {
	d := record.Delivery{Lanes: c.lanes, DeliveryStory: store.DeliveryStory{
		Number: c.number, Destination: string(c.destination), State: store.Waiting, Since: c.since, Replay: c.replay,
	}}
	for _, h := range all {
		if past := h.delivery(c.number); past != nil {
			d = past.Delivery
		}
	}
	settled := d.State == store.DeliveryDone || d.State == store.Discarded
	switch {
	case o.d == nil && !settled:
		d.State = store.DeliveryDone
	case o.d == nil:
	case o.view.State == store.DeliveryDead:
		d.State, d.Attempts = store.DeliveryDead, o.view.Attempts
	default:
		d.State, d.Attempts, d.Due = store.Waiting, o.view.Attempts, record.Time(o.view.Due)
	}
	return d
}

// moveAll moves events, unless they have changed since they were looked at.
func (q *Queue) moveAll(some []moving) error {
	w, err := q.beginMove(some)
	if w == nil || err != nil {
		return err
	}
	return q.wait(context.Background(), w)
}

func (q *Queue) beginMove(some []moving) (w *write, err error) {
	q.order.Lock()
	defer q.order.Unlock()
	q.mu.Lock()
	defer q.mu.Unlock()
	w = &write{done: make(chan struct{}), first: q.next}
	w.moving = slices.DeleteFunc(some, func(m moving) bool { return !m.unchanged() })
	for i := range w.moving {
		m := &w.moving[i]
		w.records = append(w.records, record.AppendMoved(nil, uint64(m.from), &m.origin, &m.event, m.deliveries))
	}
	if len(w.records) == 0 {
		return nil, nil
	}
	if w.batch, err = q.log.BeginLazy(w.records...); err != nil {
		return nil, err
	}
	q.written(w.batch)
	q.pending = append(q.pending, w)
	return w, nil
}

// applyMove has the entries of what was moved say where it is. The lock mu is
// held.
func (q *Queue) applyMove(w *write) {
	var moved []movedDelivery
	for i := range w.moving {
		m, p := &w.moving[i], w.batch.Positions[i]
		q.seen.Add(m.event.Key, p, m.event.Until)
		s := q.segment(p.Segment())
		for j, o := range m.open {
			moved = append(moved, movedDelivery{m.deliveries[j].Number, p})
			if o.d == nil {
				continue
			}
			v, ok := o.d.schedule.Current(o.view)
			if !ok {
				continue // it was settled meanwhile
			}
			from := o.d.schedule.Move(v.Ref, v.State == store.DeliveryDead, uint64(p))
			q.segment(wal.Position(from).Segment()).live--
			s.live++
			s.total++
		}
	}
	q.move(moved)
}

// unchanged reports whether nothing has become of an event since it was looked
// at.
func (m *moving) unchanged() bool {
	for _, o := range m.open {
		if o.d == nil {
			continue // settled for good
		}
		dead := o.view.State == store.DeliveryDead
		s := o.d.schedule
		if !s.Is(o.view.Ref, dead, o.view.Number) || !dead && (s.Attempts(o.view.Ref) != o.view.Attempts || s.Position(o.view.Ref) != uint64(m.from)) {
			return false
		}
	}
	return true
}

// movePauses writes again which destinations are paused, if a segment says so.
func (q *Queue) movePauses(number uint32) error {
	q.order.Lock()
	defer q.order.Unlock()
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, d := range q.destinations {
		if d.paused && d.pausedAt.Segment() == number {
			batch, err := q.log.BeginLazy(record.Pause(d.name, true))
			if err != nil {
				return err
			}
			q.written(batch)
			d.pausedAt = batch.Positions[0]
		}
	}
	return nil
}
