package schedule

import (
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A View is what there is to see of a delivery.
type View struct {
	Item
	Ref   Ref
	State store.DeliveryState
	Cause string // of one that is dead
}

// Waiting returns how many deliveries wait, those that are due later included.
func (s *Schedule) Waiting() int { return s.waiting }

// UnderWay returns how many deliveries are under way.
func (s *Schedule) UnderWay() int { return s.underWay }

// Open returns how many are waiting or under way.
func (s *Schedule) Open() int { return s.waiting + s.underWay }

// Replays returns how many of those are replays.
func (s *Schedule) Replays() int { return s.replays }

// Dead returns how many are dead, by the cause.
func (s *Schedule) Dead() map[string]int64 {
	dead := make(map[string]int64)
	for i, n := range s.byCause {
		if n > 0 {
			dead[s.causes[i]] = n
		}
	}
	return dead
}

// Chunks returns how many chunks there are to look at, see Look.
func (s *Schedule) Chunks() int { return len(s.entries.chunks) + len(s.dead.chunks) }

// Look calls visit with the deliveries of a chunk whose positions are from one
// on and before another, in no order. Chunks are small, so that a caller can
// give way to others in between; what is added meanwhile may be missed.
func (s *Schedule) Look(n int, from, to uint64, visit func(View)) {
	if n >= len(s.entries.chunks) {
		if n -= len(s.entries.chunks); n < len(s.dead.chunks) {
			s.dead.each(n, func(ref Ref, b *burial) {
				if b.number != 0 && b.position >= from && b.position < to {
					visit(s.buried(ref, b))
				}
			})
		}
		return
	}
	s.entries.each(n, func(ref Ref, e *entry) {
		if e.number != 0 && !e.is(flagPlace) && e.position >= from && e.position < to {
			visit(s.view(ref, e))
		}
	})
}

// view returns what there is to see of a delivery, without its lanes.
func (s *Schedule) view(ref Ref, e *entry) View {
	v := View{Ref: ref, State: store.Waiting, Item: Item{
		Number: e.number, Position: e.position, Size: int(e.size), Due: e.due, Attempts: e.attempts(), Replay: e.is(flagReplay),
	}}
	if e.is(flagUnderWay) {
		v.State = store.UnderWay
	}
	return v
}

func (s *Schedule) buried(ref Ref, b *burial) View {
	return View{
		Ref: ref, State: store.DeliveryDead, Cause: s.causes[b.cause],
		Item: Item{Number: b.number, Position: b.position, Attempts: int(b.attempts)},
	}
}

// Lanes appends the lanes of a delivery that is not dead.
func (s *Schedule) Lanes(ref Ref, lanes []store.Lane) []store.Lane {
	s.places(ref, s.entries.get(ref), func(_ Ref, p *entry) { lanes = append(lanes, s.lanes.slab.get(p.lane).lane) })
	return lanes
}

// Position returns where the record of a delivery is that is not dead.
func (s *Schedule) Position(ref Ref) uint64 { return s.entries.get(ref).position }

// Attempts returns how many attempts were made for a delivery that is not dead.
func (s *Schedule) Attempts(ref Ref) int { return s.entries.get(ref).attempts() }

// Is reports whether a reference, which is dead or not, is still this
// delivery's.
func (s *Schedule) Is(ref Ref, dead bool, number store.Number) bool {
	if dead {
		return s.dead.valid(ref) && s.dead.get(ref).number == number
	}
	return s.entries.valid(ref) && s.entries.get(ref).number == number && !s.entries.get(ref).is(flagPlace)
}

// Current returns a delivery as it is by now, which may be dead since.
func (s *Schedule) Current(v View) (now View, ok bool) {
	switch dead := v.State == store.DeliveryDead; {
	case !s.Is(v.Ref, dead, v.Number):
		return s.Find(v.Number)
	case dead:
		return s.buried(v.Ref, s.dead.get(v.Ref)), true
	}
	return s.view(v.Ref, s.entries.get(v.Ref)), true
}

// IsUnderWay reports whether the delivery with a number is under way.
func (s *Schedule) IsUnderWay(number store.Number) (is bool) {
	for n := range s.claims.chunks {
		s.claims.each(n, func(_ Ref, c *claim) {
			is = is || c.entry != 0 && s.entries.get(c.entry).number == number
		})
	}
	return is
}

// Find looks for a delivery among all of them.
func (s *Schedule) Find(number store.Number) (v View, ok bool) {
	for n := range s.entries.chunks {
		s.entries.each(n, func(ref Ref, e *entry) {
			if e.number == number && !e.is(flagPlace) && number != 0 {
				v, ok = s.view(ref, e), true
			}
		})
	}
	for n := range s.dead.chunks {
		s.dead.each(n, func(ref Ref, b *burial) {
			if b.number == number && number != 0 {
				v, ok = s.buried(ref, b), true
			}
		})
	}
	return v, ok
}

// Oldest returns the delivery with the lowest number of those that are waiting
// or under way. It looks for it only when the last one is gone.
func (s *Schedule) Oldest() (v View, ok bool) {
	if s.oldest != 0 && s.Is(s.oldest, false, s.oldestNumber) {
		return s.view(s.oldest, s.entries.get(s.oldest)), true
	}
	s.oldest, s.oldestNumber = 0, 0
	for n := range s.entries.chunks {
		s.entries.each(n, func(ref Ref, e *entry) {
			if e.number != 0 && !e.is(flagPlace) && (s.oldest == 0 || e.number < s.oldestNumber) {
				s.oldest, s.oldestNumber = ref, e.number
			}
		})
	}
	if s.oldest == 0 {
		return View{}, false
	}
	return s.view(s.oldest, s.entries.get(s.oldest)), true
}
