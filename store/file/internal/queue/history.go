package queue

import (
	"slices"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/record"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// A history is an event with all that has become of it.
type history struct {
	id         store.Number
	origin     record.Origin
	event      record.Event
	deliveries []*past
}

// A past is a delivery of it.
type past struct {
	record.Delivery
	position wal.Position // of the record that has it
}

// delivery returns a delivery of the event, or nil.
func (h *history) delivery(number store.Number) *past {
	for _, d := range h.deliveries {
		if d.Number == number {
			return d
		}
	}
	return nil
}

// histories reads everything that is stored of the events with a key, the
// earliest first.
func (q *Queue) histories(key store.Key) (all []*history, err error) {
	for _, p := range q.seen.Find(key) {
		r, err := q.log.Read(p, nil)
		if err == nil {
			all, err = add(all, p, r, key)
		}
		if err != nil && !skipped(err) {
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b *history) int { return compare(a.id, b.id) })
	for _, h := range all {
		slices.SortFunc(h.deliveries, func(a, b *past) int { return compare(a.Number, b.Number) })
	}
	q.mark(all)
	return all, nil
}

func compare(a, b store.Number) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// add adds what a record says of the events with a key.
func add(all []*history, p wal.Position, r []byte, key store.Key) ([]*history, error) {
	of := func(o *record.Origin, e *record.Event) *history {
		for _, h := range all {
			if h.id == e.ID {
				return h
			}
		}
		h := &history{id: e.ID, origin: *o, event: *e}
		all = append(all, h)
		return h
	}
	var err error
	switch record.KindOf(r) {
	case record.KindEvents, record.KindReplay:
		err = eachDelivery(r, 0, func(c *candidate) bool {
			if c.event.Key != key {
				return true
			}
			if h := of(c.origin, c.event); !c.unmatched && h.delivery(c.number) == nil {
				h.deliveries = append(h.deliveries, &past{record.Delivery{Lanes: c.lanes, DeliveryStory: store.DeliveryStory{
					Number: c.number, Destination: string(c.destination), State: store.Waiting, Since: c.since, Replay: c.replay,
				}}, p})
			}
			return true
		})
	case record.KindMoved:
		var (
			o          record.Origin
			e          record.Event
			deliveries []record.Delivery
		)
		if o, e, deliveries, err = record.ReadMoved(r); err != nil || e.Key != key {
			break
		}
		h := of(&o, &e)
		for i := range deliveries {
			if d := h.delivery(deliveries[i].Number); d != nil {
				d.position = p
			} else {
				h.deliveries = append(h.deliveries, &past{deliveries[i], p})
			}
		}
	case record.KindOutcomes:
		err = record.ReadOutcomes(r, func(at time.Time, _ []byte, o *record.Outcome) {
			if o.Key == key {
				outcome(all, at, o)
			}
		})
	case record.KindDiscards:
		err = record.ReadDiscards(r, func(at time.Time, _ []byte, discard *record.Discard) {
			for _, h := range all {
				if d := h.delivery(discard.Number); d != nil {
					d.State, d.Settled, d.Due = store.Discarded, at, time.Time{}
				}
			}
		})
	case record.KindPause:
	}
	return all, err
}

// outcome adds an outcome to the delivery that it is of.
func outcome(all []*history, at time.Time, o *record.Outcome) {
	for _, h := range all {
		d := h.delivery(o.Number)
		if d == nil || o.Attempts <= d.Attempts {
			continue // or it is known from where the delivery was moved to
		}
		d.Attempts = o.Attempts
		d.DeliveryStory.Attempts = append(d.DeliveryStory.Attempts, o.Attempt)
		switch o.Result {
		case store.Again:
			d.Due = o.Due
		case store.Dead:
			d.State, d.Settled, d.Due = store.DeliveryDead, at, time.Time{}
		case store.Done, store.Returned:
			d.State, d.Settled, d.Due = store.DeliveryDone, at, time.Time{}
		}
	}
}

// mark sets which deliveries are under way.
func (q *Queue) mark(all []*history) {
	var waiting []*past
	for _, h := range all {
		for _, d := range h.deliveries {
			if d.State == store.Waiting {
				waiting = append(waiting, d)
			}
		}
	}
	if len(waiting) == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	for _, of := range waiting {
		d := q.destinations[of.Destination]
		if d == nil {
			continue
		}
		d.schedule.Pass(now)
		if d.schedule.IsUnderWay(of.Number) {
			of.State = store.UnderWay
		}
	}
}

// story returns the history as the contract has it.
func (h *history) story() store.Story {
	s := store.Story{
		Key: h.event.Key, Info: h.event.Text(), Whole: h.event.Whole, Received: h.origin.Received,
		Origin: slices.Clone(h.origin.Origin), Body: slices.Clone(h.event.Body),
	}
	for _, d := range h.deliveries {
		s.Deliveries = append(s.Deliveries, d.DeliveryStory)
	}
	return s
}
