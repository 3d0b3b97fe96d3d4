package queue

import (
	"errors"
	"slices"
	"sort"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/record"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// A walk goes through the deliveries that are stored, in the order of their
// numbers. Those that were moved are found by a list of their own, and come in
// between.
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

// A step is where a walk is.
type step struct {
	number store.Number // the next one, upwards, or the last one, downwards
	visit  func(c *candidate) (more bool)
}

// up visits deliveries from a number on, before another one. It returns where
// to go on, if it has not come to the end.
func (w *walk) up(from, before store.Number, visit func(c *candidate) (more bool)) (next store.Number, end bool, err error) {
	at := &step{from, visit}
	for i, s := range w.list {
		if w.passed(s, i, at.number, before) {
			continue
		}
		offsets, first, err := w.search(s, at.number)
		if err != nil {
			return at.number, false, err
		}
		for _, offset := range offsets[max(0, first-1):] {
			if w.spent() {
				return at.number, false, nil
			}
			more, err := w.read(s.position(offset), at.number, before, func(c *candidate) bool {
				if w.wasMoved(c) {
					return true
				}
				more, failed := w.movedUp(at, c.number)
				if err = failed; !more || err != nil {
					return false
				}
				at.number = c.number + 1
				return visit(c)
			})
			if err != nil || !more {
				return at.number, false, err
			}
		}
	}
	more, err := w.movedUp(at, before)
	return at.number, more, err
}

// movedUp visits those that were moved, before a number.
func (w *walk) movedUp(at *step, before store.Number) (more bool, err error) {
	for w.refresh(); ; {
		i, _ := findMoved(w.moved, at.number)
		if i == len(w.moved) || w.moved[i].number >= before {
			return true, nil
		}
		if w.spent() {
			return false, nil
		}
		m := w.moved[i]
		at.number = m.number + 1
		if more, err := w.readMoved(m, at.visit); err != nil || !more {
			return false, err
		}
	}
}

// down visits deliveries below a number, the latest first.
func (w *walk) down(from store.Number, visit func(c *candidate) (more bool)) (next store.Number, end bool, err error) {
	at := &step{from, visit}
	for i, s := range slices.Backward(w.list) {
		if w.passed(s, i, 0, at.number) {
			continue
		}
		offsets, behind, err := w.search(s, at.number)
		if err != nil {
			return at.number, false, err
		}
		for _, offset := range slices.Backward(offsets[:behind]) {
			if w.spent() {
				return at.number, false, nil
			}
			var found []candidate
			if _, err := w.read(s.position(offset), 0, at.number, func(c *candidate) bool {
				found = append(found, *c)
				return true
			}); err != nil {
				return at.number, false, err
			}
			for _, c := range slices.Backward(found) {
				if w.wasMoved(&c) {
					continue
				}
				if more, err := w.movedDown(at, c.number); err != nil || !more {
					return at.number, false, err
				}
				if at.number = c.number; !visit(&c) {
					return at.number, false, nil
				}
			}
		}
	}
	more, err := w.movedDown(at, 0)
	return at.number, more, err
}

// movedDown visits those that were moved, behind a number.
func (w *walk) movedDown(at *step, behind store.Number) (more bool, err error) {
	for w.refresh(); ; {
		i, _ := findMoved(w.moved, at.number)
		if i == 0 || w.moved[i-1].number <= behind {
			return true, nil
		}
		if w.spent() {
			return false, nil
		}
		m := w.moved[i-1]
		at.number = m.number
		if more, err := w.readMoved(m, at.visit); err != nil || !more {
			return false, err
		}
	}
}

// refresh looks at what was moved by now.
func (w *walk) refresh() {
	w.q.mu.Lock()
	defer w.q.mu.Unlock()
	w.moved = w.q.moved
}

// readMoved visits a delivery that was moved.
func (w *walk) readMoved(m movedDelivery, visit func(c *candidate) (more bool)) (more bool, err error) {
	if m.position == 0 {
		c := candidate{number: m.number, origin: new(record.Origin), event: new(record.Event)}
		o, ok := w.open(&c)
		if !ok {
			return true, nil
		}
		c.destination = []byte(o.d.name)
		return visit(&c), nil
	}
	visited := false
	more, err = w.read(m.position, m.number, m.number+1, func(c *candidate) bool {
		visited = true
		return visit(c)
	})
	if i, ok := findMoved(w.moved, m.number); !visited && ok && w.moved[i].position != m.position {
		return w.readMoved(w.moved[i], visit) // it was moved again
	}
	return more, err
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
	if errors.Is(err, wal.ErrNotFound) { // what was there is settled, or was moved
		w.refresh()
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
