// Package schedule decides which deliveries of a destination are due. It holds
// them in memory, about 50 bytes each without their bodies, and does nothing
// else: no locks, no clock and no disk.
//
// # Order
//
// A delivery stands in the lists of its lanes, in the order of the numbers. It
// is clear when it is the first in each of them. Since all lists have the same
// order, the delivery with the lowest number is clear in any case, and nothing
// ever waits for itself.
//
// A delivery that waits and is clear is in one of two heaps: ready, or due
// later. Those that are not clear are in none; what leaves a list looks at who
// has become the first. So nothing is done for a delivery while it waits, and
// there is one time at which something happens next.
//
// What was taken stays in the lists until it is settled, and with that holds
// its lanes. Beside its entry it has a claim.
package schedule

import (
	"slices"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// An Item is a delivery.
type Item struct {
	Number   store.Number
	Position uint64 // of its record
	Size     int    // of its body
	Lanes    []store.Lane
	Due      int64 // nanoseconds; 0 is at once
	Attempts int   // that were made
	Replay   bool
}

// An entry is a delivery in memory, or its place in one more lane.
//
// Most deliveries have one lane, and their entry stands in its list. Of one
// that has several, an entry of its own stands in each.
type entry struct {
	number   store.Number
	position uint64
	due      int64
	size     uint32 // of a place: the next place of the delivery
	lane     Ref    // of several: the first place
	prev     Ref    // in the list
	next     Ref
	at       uint32 // in a heap, from 1; its claim if it is under way; of a place: the entry
	info     uint32 // flags, and the number of attempts
}

const (
	flagReplay   = 1 << iota
	flagReady    // it is in the heap of those that are ready
	flagLater    // in that of those that are due later
	flagUnderWay // it has a claim
	flagSeveral  // it has places
	flagPlace    // it is one
	attemptShift = iota
	mostAttempts = 1<<(32-attemptShift) - 1
)

func (e *entry) is(flag uint32) bool { return e.info&flag != 0 }

func (e *entry) attempts() int { return int(e.info >> attemptShift) }

func (e *entry) setAttempts(n int) {
	e.info = e.info&(1<<attemptShift-1) | uint32(min(n, mostAttempts))<<attemptShift
}

// A claim is the right to a delivery that is under way.
type claim struct {
	key   store.Key
	until int64
	entry Ref
	at    uint32 // in the heap of leases, from 1
	seq   uint32
	owner uint32
	pick  uint32
}

// A burial is a delivery that is dead.
type burial struct {
	number   store.Number
	position uint64
	attempts uint32
	cause    uint32
}

// A Schedule is the deliveries of one destination. Its times are in
// nanoseconds.
type Schedule struct {
	entries slab[entry]
	lanes   lanes
	ready   heap // by replay and number
	later   heap // by time
	claims  slab[claim]
	leases  heap // claims, by their end
	dead    slab[burial]
	causes  []string
	byCause []int64
	picks   uint32
	seq     uint32

	waiting, underWay int
	replays           int // of them
	readyBytes        int64
	oldest            Ref // whose number was the lowest when it was last looked for
	oldestNumber      store.Number
}

// New returns an empty schedule. Tokens of its claims start with a sequence
// that should differ from those of other processes.
func New(sequence uint32) *Schedule {
	s := &Schedule{lanes: newLanes(), seq: sequence}
	at := func(r Ref) *uint32 { return &s.entries.get(r).at }
	s.ready = heap{at: at, less: s.before}
	s.later = heap{at: at, less: func(a, b Ref) bool {
		x, y := s.entries.get(a), s.entries.get(b)
		return x.due < y.due || x.due == y.due && x.number < y.number
	}}
	s.leases = heap{
		at:   func(r Ref) *uint32 { return &s.claims.get(r).at },
		less: func(a, b Ref) bool { return s.claims.get(a).until < s.claims.get(b).until },
	}
	return s
}

// before reports whether an entry is taken before another one.
func (s *Schedule) before(a, b Ref) bool {
	x, y := s.entries.get(a), s.entries.get(b)
	if (x.info^y.info)&flagReplay != 0 {
		return y.is(flagReplay)
	}
	return x.number < y.number
}

// Add adds a delivery. It takes its place in its lanes by its number. Unless
// that is the last place, nothing behind it in its lanes may be under way, and
// it takes the longer the more there is behind it.
func (s *Schedule) Add(it Item) Ref {
	ref := s.entries.add()
	e := s.entries.get(ref)
	e.number, e.position, e.due, e.size = it.Number, it.Position, it.Due, uint32(it.Size)
	if it.Replay {
		e.info = flagReplay
		s.replays++
	}
	e.setAttempts(it.Attempts)
	switch lanes := unique(it.Lanes); len(lanes) {
	case 0:
	case 1:
		s.enlist(ref, e, lanes[0])
	default:
		e.info |= flagSeveral
		for _, of := range lanes {
			place := s.entries.add()
			p := s.entries.get(place)
			p.info, p.number, p.at, p.size = flagPlace, it.Number, uint32(ref), uint32(e.lane)
			e.lane = place
			s.enlist(place, p, of)
		}
	}
	s.waiting++
	s.waits(ref, e)
	return ref
}

// unique returns lanes without those that are there twice.
func unique(lanes []store.Lane) []store.Lane {
	for i := range lanes {
		if slices.Contains(lanes[:i], lanes[i]) {
			rest := slices.Clone(lanes)
			slices.Sort(rest)
			return slices.Compact(rest)
		}
	}
	return lanes
}

// enlist puts an entry into a lane.
func (s *Schedule) enlist(ref Ref, e *entry, of store.Lane) {
	e.lane = s.lanes.find(of)
	l := s.lanes.slab.get(e.lane)
	e.prev = l.tail
	for e.prev != 0 && s.entries.get(e.prev).number > e.number {
		e.next = e.prev
		e.prev = s.entries.get(e.prev).prev
	}
	if e.prev == 0 {
		l.head = ref
	} else {
		s.entries.get(e.prev).next = ref
	}
	if e.next == 0 {
		l.tail = ref
		return
	}
	s.entries.get(e.next).prev = ref
	if d, f := s.delivery(e.next); f.is(flagReady | flagLater) {
		s.leave(d, f) // it is not the first any more
	}
}

// detach takes an entry out of its lane, and returns the first entry of it if
// that is another one now.
func (s *Schedule) detach(e *entry) (first Ref) {
	l := s.lanes.slab.get(e.lane)
	if e.prev == 0 {
		l.head, first = e.next, e.next
	} else {
		s.entries.get(e.prev).next = e.next
	}
	if e.next == 0 {
		l.tail = e.prev
	} else {
		s.entries.get(e.next).prev = e.prev
	}
	if l.head == 0 {
		s.lanes.remove(e.lane)
	}
	return first
}

// places calls visit with the entries that stand in the lanes of a delivery.
func (s *Schedule) places(ref Ref, e *entry, visit func(ref Ref, p *entry)) {
	if !e.is(flagSeveral) {
		if e.lane != 0 {
			visit(ref, e)
		}
		return
	}
	for place := e.lane; place != 0; {
		p := s.entries.get(place)
		next := Ref(p.size)
		visit(place, p)
		place = next
	}
}

// clear reports whether a delivery is the first in all of its lanes.
func (s *Schedule) clear(ref Ref, e *entry) bool {
	if !e.is(flagSeveral) {
		return e.prev == 0
	}
	clear := true
	s.places(ref, e, func(_ Ref, p *entry) { clear = clear && p.prev == 0 })
	return clear
}

// delivery returns the delivery that an entry of a lane belongs to.
func (s *Schedule) delivery(ref Ref) (Ref, *entry) {
	e := s.entries.get(ref)
	if e.is(flagPlace) {
		ref = Ref(e.at)
		e = s.entries.get(ref)
	}
	return ref, e
}

// waits puts a delivery that waits into a heap, if it is clear.
func (s *Schedule) waits(ref Ref, e *entry) {
	switch {
	case !s.clear(ref, e):
	case e.due > 0:
		e.info |= flagLater
		s.later.push(ref)
	default:
		s.isReady(ref, e)
	}
}

func (s *Schedule) isReady(ref Ref, e *entry) {
	e.info |= flagReady
	s.readyBytes += int64(e.size)
	s.ready.push(ref)
}

// leave takes a delivery out of its heap, and ends its claim.
func (s *Schedule) leave(ref Ref, e *entry) {
	switch {
	case e.is(flagReady):
		s.ready.remove(ref)
		s.readyBytes -= int64(e.size)
	case e.is(flagLater):
		s.later.remove(ref)
	case e.is(flagUnderWay):
		s.unclaim(Ref(e.at))
		e.at = 0
		s.underWay--
		s.waiting++
	}
	e.info &^= flagReady | flagLater | flagUnderWay
}

// Remove ends a delivery.
func (s *Schedule) Remove(ref Ref) {
	e := s.entries.get(ref)
	s.leave(ref, e)
	s.waiting--
	if e.is(flagReplay) {
		s.replays--
	}
	s.places(ref, e, func(place Ref, p *entry) {
		first := s.detach(p)
		if place != ref {
			s.entries.remove(place)
		}
		if first != 0 {
			s.first(first)
		}
	})
	s.entries.remove(ref)
}

// first looks at an entry that has become the first of its lane.
func (s *Schedule) first(ref Ref) {
	if d, e := s.delivery(ref); !e.is(flagReady | flagLater | flagUnderWay) {
		s.waits(d, e)
	}
}

// Bury ends the attempts for a delivery, and returns another reference for it.
func (s *Schedule) Bury(ref Ref, attempts int, cause string) Ref {
	e := s.entries.get(ref)
	dead := s.AddDead(Item{Number: e.number, Position: e.position, Attempts: attempts}, cause)
	s.Remove(ref)
	return dead
}

// AddDead adds a delivery that is dead.
func (s *Schedule) AddDead(it Item, cause string) Ref {
	ref := s.dead.add()
	*s.dead.get(ref) = burial{it.Number, it.Position, uint32(it.Attempts), s.cause(cause)}
	return ref
}

// mostCauses is how many causes are told apart. They are fixed words.
const mostCauses = 1000

// cause counts a cause and returns its place.
func (s *Schedule) cause(cause string) uint32 {
	i := slices.Index(s.causes, cause)
	if i < 0 && len(s.causes) == mostCauses {
		i = mostCauses - 1
	}
	if i < 0 {
		i = len(s.causes)
		s.causes, s.byCause = append(s.causes, cause), append(s.byCause, 0)
	}
	s.byCause[i]++
	return uint32(i)
}

// Unbury forgets a delivery that is dead, and returns where its record is.
func (s *Schedule) Unbury(ref Ref) (position uint64) {
	b := s.dead.get(ref)
	position = b.position
	s.byCause[b.cause]--
	s.dead.remove(ref)
	return position
}

// Return has a delivery wait as if it had not been taken.
func (s *Schedule) Return(ref Ref) {
	e := s.entries.get(ref)
	s.leave(ref, e)
	s.waits(ref, e)
}

// Again has a delivery wait for another attempt.
func (s *Schedule) Again(ref Ref, due int64, attempts int) {
	e := s.entries.get(ref)
	s.leave(ref, e)
	e.due = due
	e.setAttempts(attempts)
	s.waits(ref, e)
}

// Move says that the record of a delivery is elsewhere by now, and returns
// where it was.
func (s *Schedule) Move(ref Ref, dead bool, position uint64) (before uint64) {
	if dead {
		b := s.dead.get(ref)
		before, b.position = b.position, position
		return before
	}
	e := s.entries.get(ref)
	before, e.position = e.position, position
	return before
}
