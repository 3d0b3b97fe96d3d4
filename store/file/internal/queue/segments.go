package queue

import (
	"errors"
	"slices"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/record"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/schedule"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// A segment is what is known of a segment of the log.
type segment struct {
	number  uint32
	first   store.Number // of a delivery that was first stored there; 0 if there is none
	live    int          // deliveries in it that are not settled
	total   int          // deliveries that were stored in it
	stored  int64        // when the last event was stored
	settled int64        // when the last delivery in it was settled

	// Where the records with deliveries are, other than those that were moved
	// there. Of a segment that was not looked at for long, they have to be read
	// first.
	offsets []uint32
	known   bool     // offsets has all of them
	reading bool     // they are being read, up to where tail begins
	tail    []uint32 // those that have come since
}

func (s *segment) position(offset uint32) wal.Position {
	return wal.Position(uint64(s.number)<<32 | uint64(offset))
}

// segment returns what is known of a segment. The lock mu is held.
func (q *Queue) segment(number uint32) *segment {
	s := q.segments[number]
	if s == nil {
		s = &segment{number: number}
		q.segments[number] = s
	}
	return s
}

// append takes note of a record with deliveries at the end of a segment. The
// lock mu is held.
func (q *Queue) append(p wal.Position, number store.Number, now int64) {
	s := q.segment(p.Segment())
	s.stored = max(s.stored, now)
	if s.first == 0 {
		s.first = number
		q.isKnown(s)
	}
	switch {
	case s.known:
		s.offsets = append(s.offsets, uint32(p))
	case s.reading:
		s.tail = append(s.tail, uint32(p))
	}
}

// mostKnown is of how many segments the catalog is kept.
const mostKnown = 4

// isKnown keeps the catalog of a segment, and forgets another one. The lock mu
// is held.
func (q *Queue) isKnown(s *segment) {
	s.known = true
	if q.known = append(q.known, s); len(q.known) > mostKnown {
		q.known[0].known, q.known[0].offsets = false, nil
		q.known = slices.Delete(q.known, 0, 1)
	}
}

// catalog returns where the records with deliveries are in a segment.
func (q *Queue) catalog(s *segment) (offsets []uint32, err error) {
	q.mu.Lock()
	if s.known {
		defer q.mu.Unlock()
		return s.offsets, nil
	}
	end, first := q.applied(), !s.reading
	if first {
		s.reading, s.tail = true, nil
	}
	q.mu.Unlock()
	err = q.log.Scan(s.position(0), func(p wal.Position, r []byte) error {
		if p >= end || p.Segment() != s.number {
			return errEnough
		}
		if kind := record.KindOf(r); kind == record.KindEvents || kind == record.KindReplay {
			offsets = append(offsets, uint32(p))
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	if !first { // another goroutine keeps it
		return offsets, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	s.reading = false
	if offsets = append(offsets, s.tail...); err == nil && q.segments[s.number] == s {
		s.offsets = offsets
		q.isKnown(s)
	}
	s.tail = nil
	return offsets, err
}

// segmentOf returns in which segment the delivery with a number was first
// stored. The lock mu is held.
func (q *Queue) segmentOf(number store.Number) uint32 {
	var found *segment
	for _, s := range q.segments {
		if s.first != 0 && s.first <= number && (found == nil || s.first > found.first) {
			found = s
		}
	}
	if found == nil {
		return 0
	}
	return found.number
}

// settled takes note that a delivery in a segment was settled. The lock mu is
// held.
func (q *Queue) settled(segment uint32, now int64) {
	if s := q.segments[segment]; s != nil {
		s.live--
		s.settled = max(s.settled, now)
		if s.live == 0 && q.o.Keep == 0 || q.full.Load() && fewUnderPressure*s.live <= s.total {
			q.janitor.wake()
		}
	}
}

// sorted returns the segments by their number. The lock mu is held.
func (q *Queue) sorted() []*segment {
	list := make([]*segment, 0, len(q.segments))
	for _, s := range q.segments {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b *segment) int { return int(a.number) - int(b.number) })
	return list
}

// A movedDelivery is one whose record was written again, elsewhere. One whose
// record is damaged has no position.
type movedDelivery struct {
	number   store.Number
	position wal.Position
}

// findMoved returns where a number is in a list of moved deliveries, or would
// be.
func findMoved(moved []movedDelivery, number store.Number) (at int, ok bool) {
	return slices.BinarySearchFunc(moved, number, func(m movedDelivery, number store.Number) int { return compare(m.number, number) })
}

// detach has a dead delivery no longer refer to its record, which is damaged and
// need not stay. The lock mu is held.
func (q *Queue) detach(d *destination, dead schedule.Ref, number store.Number, now int64) {
	q.settled(wal.Position(d.schedule.Move(dead, true, 0)).Segment(), now)
	q.move([]movedDelivery{{number: number}})
}

// move takes note that deliveries were moved. The lock mu is held.
func (q *Queue) move(moved []movedDelivery) {
	all := slices.Concat(q.moved, moved) // a walk may have the old one
	slices.SortStableFunc(all, func(a, b movedDelivery) int { return compare(a.number, b.number) })
	slices.Reverse(all) // of one number, the last counts
	all = slices.CompactFunc(all, func(a, b movedDelivery) bool { return a.number == b.number })
	slices.Reverse(all)
	q.moved = all
}
