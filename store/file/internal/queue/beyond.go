package queue

import (
	"errors"
	"slices"

	"go.uber.org/zap"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/record"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/schedule"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// What is beyond the schedule of a destination are deliveries that wait, and
// whose numbers are higher than those of all that have an entry in it. They are
// read from the log as others leave.
type beyond struct {
	number store.Number   // the first one
	from   wal.Position   // where in the log they begin
	count  int            // how many there are
	in     map[uint32]int // and in which segments
	gone   numbers        // those that were settled, or died, meanwhile

	// Those that were attempted, when they had an entry in a process before.
	tried map[store.Number]tried

	reading bool
	tailing bool            // what comes is put into tail, too
	tail    []schedule.Item // what the reader does not find any more
}

func newBeyond() *beyond {
	return &beyond{in: make(map[uint32]int), gone: make(numbers), tried: make(map[store.Number]tried)}
}

type tried struct {
	attempts int
	due      int64
}

// numbers is a set of numbers, with a bit for each.
type numbers map[store.Number]*[numbersEach / 64]uint64

const numbersEach = 4096 // how many are allocated at a time

func (n numbers) has(number store.Number) bool {
	bits := n[number/numbersEach]
	return bits != nil && bits[number%numbersEach/64]&(1<<(number%64)) != 0
}

func (n numbers) add(number store.Number) {
	bits := n[number/numbersEach]
	if bits == nil {
		bits = new([numbersEach / 64]uint64)
		n[number/numbersEach] = bits
	}
	bits[number%numbersEach/64] |= 1 << (number % 64)
}

// add adds a delivery that was stored in a segment, and whose number is higher
// than any other. It returns its place in the schedule, 0 if it has none. The
// lock mu is held.
func (q *Queue) add(d *destination, it schedule.Item, s *segment) schedule.Ref {
	s.live++
	s.total++
	if d.beyond == nil && d.schedule.Open() >= q.o.Indexed {
		d.beyond = newBeyond()
		d.beyond.number, d.beyond.from = it.Number, wal.Position(it.Position)
	}
	b := d.beyond
	if b == nil {
		return d.schedule.Add(it)
	}
	b.count++
	b.in[s.number]++
	if b.tailing {
		if b.tail = append(b.tail, it); len(b.tail) > q.o.Indexed/2 {
			b.tailing, b.tail = false, nil
		}
	}
	return 0
}

// isBeyond reports whether a number of the destination that was given out is
// that of a delivery beyond the schedule. The lock mu is held.
func (d *destination) isBeyond(number store.Number) bool {
	return d.beyond != nil && number >= d.beyond.number && !d.beyond.gone.has(number)
}

// goneBeyond settles a delivery beyond the schedule. The lock mu is held.
func (q *Queue) goneBeyond(d *destination, number store.Number, now int64) {
	segment := q.segmentOf(number)
	d.beyond.gone.add(number)
	d.beyond.left(segment)
	delete(d.beyond.tried, number)
	q.settled(segment, now)
}

// left takes note that a delivery is not beyond the schedule any more.
func (b *beyond) left(segment uint32) {
	b.count--
	b.in[segment]--
}

// mayReadOn starts to read what is beyond the schedule, if there is room. The
// lock mu is held.
func (q *Queue) mayReadOn(d *destination) {
	if b := d.beyond; b != nil && !b.reading && !q.closed && d.schedule.Open() <= q.o.Indexed/2 {
		b.reading = true
		q.running.Go(func() { q.readOn(d, b) })
	}
}

// errEnough ends a scan of the log.
var errEnough = errors.New("enough")

// readOn reads what is beyond the schedule until there is no room, or nothing.
func (q *Queue) readOn(d *destination, b *beyond) {
	for {
		q.mu.Lock()
		room := q.o.Indexed - d.schedule.Open()
		if q.closed || room <= 0 {
			b.reading = false
			q.mu.Unlock()
			return
		}
		if !b.tailing {
			b.tailing, b.tail = true, nil
		}
		end := q.applied()
		from, number := b.from, b.number
		q.mu.Unlock()

		var items []schedule.Item
		most, all := min(room, 10_000), true
		err := q.log.Scan(from, func(p wal.Position, r []byte) error {
			if p >= end {
				return errEnough
			}
			from = p + 1
			if items = itemsOf(items, p, r, d.name, number); len(items) >= most {
				all = false
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			q.zap.Error("reading what waits", zap.String("destination", d.name), zap.Error(err))
			q.mu.Lock()
			b.reading = false // until the janitor comes
			q.mu.Unlock()
			return
		}
		if q.readUpTo(d, b, items, from, all) {
			return
		}
	}
}

// applied returns the position before which everything was applied. The lock
// mu is held.
func (q *Queue) applied() wal.Position {
	if len(q.pending) > 0 {
		return q.pending[0].batch.Positions[0]
	}
	return q.lastApplied + 1
}

// readUpTo adds what was read to the schedule, and reports whether nothing is
// left beyond it.
func (q *Queue) readUpTo(d *destination, b *beyond, items []schedule.Item, from wal.Position, all bool) (end bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	defer func() { q.wake(d, now) }()
	q.fromBeyond(d, b, items)
	b.from = from
	b.tail = slices.DeleteFunc(b.tail, func(it schedule.Item) bool { return it.Number < b.number })
	if !all || !b.tailing || len(b.tail)+d.schedule.Open() > q.o.Indexed {
		return false
	}
	q.fromBeyond(d, b, b.tail)
	b.reading, d.beyond = false, nil
	if b.count != 0 {
		q.zap.Error("deliveries are missing in the log", zap.String("destination", d.name), zap.Int("number", b.count))
		for number, n := range b.in {
			if s := q.segments[number]; s != nil {
				s.live -= n
			}
		}
	}
	return true
}

// fromBeyond adds deliveries to the schedule. The lock mu is held.
func (q *Queue) fromBeyond(d *destination, b *beyond, items []schedule.Item) {
	q.reads++
	for _, it := range items {
		if it.Number < b.number {
			continue
		}
		b.number = it.Number + 1
		if b.gone.has(it.Number) {
			continue
		}
		if t, ok := b.tried[it.Number]; ok {
			it.Attempts, it.Due = t.attempts, t.due
			delete(b.tried, it.Number)
		}
		d.schedule.Add(it)
		b.left(wal.Position(it.Position).Segment())
	}
}

// itemsOf appends the deliveries of a record to a destination, from a number
// on.
func itemsOf(items []schedule.Item, p wal.Position, r []byte, destination string, from store.Number) []schedule.Item {
	if kind := record.KindOf(r); kind != record.KindEvents && kind != record.KindReplay {
		return items
	}
	_ = eachDelivery(r, from, func(c *candidate) bool { // or it is damaged, and was when it was counted
		if c.number >= from && string(c.destination) == destination {
			items = append(items, schedule.Item{
				Number: c.number, Position: uint64(p), Size: len(c.event.Body), Lanes: c.lanes, Replay: c.replay,
			})
		}
		return true
	})
	return items
}
