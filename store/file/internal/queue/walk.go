package queue

import (
	"errors"
	"slices"
	"sort"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/record"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// A walk goes through the deliveries that are stored, by their numbers. Those
// that were moved come first, for they are the oldest.
type walk struct {
	q      *Queue
	moved  []movedDelivery
	list   []*segment
	status map[uint32]*status // of the segments
	budget int                // how many records may be read
	live   bool               // segments in which all is settled are passed over
}

// walkBudget is how many records a call of an operator reads at most.
const walkBudget = 20_000

// newWalk starts to walk through what is stored now.
func (q *Queue) newWalk(live bool) *walk {
	q.mu.Lock()
	defer q.mu.Unlock()
	return &walk{q: q, moved: q.moved, list: q.sorted(), status: make(map[uint32]*status), budget: walkBudget, live: live}
}

// A place is where a walk goes on.
type place struct {
	native bool // behind those that were moved
	number store.Number
}

// up visits deliveries from a place on, before a number. It returns where to go
// on, if it has not come to the end.
func (w *walk) up(from place, before store.Number, visit func(c *candidate) (more bool)) (next place, end bool, err error) {
	if !from.native {
		at, _ := findMoved(w.moved, from.number)
		for _, m := range w.moved[at:] {
			if w.spent() {
				return place{number: m.number}, false, nil
			}
			if more, err := w.read(m.position, m.number, m.number+1, visit); err != nil || !more {
				return place{number: m.number + 1}, false, err
			}
		}
		from = place{native: true}
	}
	for i, s := range w.list {
		if w.passed(s, i, from.number, before) {
			continue
		}
		offsets, at, err := w.search(s, from.number)
		if err != nil {
			return from, false, err
		}
		for _, offset := range offsets[max(0, at-1):] {
			if w.spent() {
				return from, false, nil
			}
			more, err := w.read(s.position(offset), from.number, before, func(c *candidate) bool {
				from.number = c.number + 1
				return w.wasMoved(c) || visit(c)
			})
			if err != nil || !more {
				return from, false, err
			}
		}
	}
	return place{}, true, nil
}

// down visits deliveries below a place, the latest first.
func (w *walk) down(from place, visit func(c *candidate) (more bool)) (next place, end bool, err error) {
	if from.native {
		for i, s := range slices.Backward(w.list) {
			if w.passed(s, i, 0, from.number) {
				continue
			}
			offsets, at, err := w.search(s, from.number)
			if err != nil {
				return from, false, err
			}
			for _, offset := range slices.Backward(offsets[:at]) {
				if w.spent() {
					return from, false, nil
				}
				var found []candidate
				if _, err := w.read(s.position(offset), 0, from.number, func(c *candidate) bool {
					found = append(found, *c)
					return true
				}); err != nil {
					return from, false, err
				}
				for _, c := range slices.Backward(found) {
					from.number = c.number
					if !w.wasMoved(&c) && !visit(&c) {
						return from, false, nil
					}
				}
			}
		}
		from = place{number: ^store.Number(0)}
	}
	at, _ := findMoved(w.moved, from.number)
	for _, m := range slices.Backward(w.moved[:at]) {
		if w.spent() {
			return place{number: m.number + 1}, false, nil
		}
		if more, err := w.read(m.position, m.number, m.number+1, visit); err != nil || !more {
			return place{number: m.number}, false, err
		}
	}
	return place{}, true, nil
}

// passed reports whether nothing in a segment is to be visited.
func (w *walk) passed(s *segment, i int, from, before store.Number) bool {
	w.q.mu.Lock()
	defer w.q.mu.Unlock()
	if s.first == 0 || s.first >= before || w.live && s.live == 0 {
		return true
	}
	for _, next := range w.list[i+1:] {
		if next.first != 0 {
			return next.first <= from
		}
	}
	return false
}

// search returns the records of a segment, and the first whose number is not
// below one.
func (w *walk) search(s *segment, number store.Number) (offsets []uint32, at int, err error) {
	if offsets, err = w.q.catalog(s); err != nil {
		return nil, 0, err
	}
	var buf []byte
	at = sort.Search(len(offsets), func(i int) bool {
		r, failed := w.q.log.Read(s.position(offsets[i]), buf)
		if failed != nil {
			if !skipped(failed) {
				err = failed
			}
			return false
		}
		buf = r
		return record.Number(r) >= number
	})
	return offsets, at, err
}

// skipped reports whether an error is that of a record that is damaged, or gone
// meanwhile. There is nothing to see of it.
func skipped(err error) bool {
	return errors.Is(err, wal.ErrDamaged) || errors.Is(err, wal.ErrNotFound) || errors.Is(err, record.ErrFormat)
}

// spent reports whether no more records may be read.
func (w *walk) spent() bool {
	w.budget--
	return w.budget < 0
}

// read visits the deliveries of a record between two numbers.
func (w *walk) read(p wal.Position, from, before store.Number, visit func(c *candidate) (more bool)) (more bool, err error) {
	r, err := w.q.log.Read(p, nil)
	if err == nil {
		more = true
		err = eachDelivery(r, from, func(c *candidate) bool {
			if c.number < from || c.number >= before {
				return c.number < before
			}
			c.position = p
			more = visit(c)
			return more
		})
	}
	if skipped(err) {
		return true, nil
	}
	return more, err
}

// wasMoved reports whether a delivery is found elsewhere by now.
func (w *walk) wasMoved(c *candidate) bool {
	_, ok := findMoved(w.moved, c.number)
	return ok
}

// positionOf returns where the delivery with a number was stored.
func (q *Queue) positionOf(number store.Number) (p wal.Position, ok bool) {
	w := q.newWalk(false)
	for i, s := range w.list {
		if w.passed(s, i, number, number+1) {
			continue
		}
		offsets, at, err := w.search(s, number+1)
		if err != nil || at == 0 {
			return 0, false
		}
		return s.position(offsets[at-1]), true
	}
	return 0, false
}
