package postgres

import (
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A followerRow is a delivery's place in a lane.
type followerRow struct{ Lane, Number int64 }

// A lockedRow is a delivery behind others, locked by this transaction.
type lockedRow struct {
	Number  int64
	Blocked int32
	Size    int32
	Replay  bool
	Lanes   []int64
	Due     bool
}

// runs finds out which deliveries can be taken behind others: those before
// which there is nothing in any of their lanes but what was taken with them.
type runs struct {
	left  int   // how many more can be taken
	bytes int64 // likewise

	last    map[int64]int64 // in each lane that was reached, the last that was taken
	unknown map[int64]bool  // lanes whose followers are not known yet
	late    map[int64]bool  // lanes in which a replay was taken
	behind  map[int64]bool  // deliveries that were taken behind one
	next    map[int64][]int64
	locked  map[int64]lockedRow
	full    bool
}

func newRuns(want store.Want, heads []takenRow) *runs {
	r := &runs{
		left: want.Max - len(heads), bytes: want.Bytes,
		last: make(map[int64]int64), unknown: make(map[int64]bool), late: make(map[int64]bool),
		behind: make(map[int64]bool), next: make(map[int64][]int64), locked: make(map[int64]lockedRow),
	}
	for i := range heads {
		h := &heads[i]
		r.bytes -= int64(len(h.Body))
		r.take(h.Number, h.Lanes, h.Replay)
	}
	return r
}

// take notes that a delivery was taken.
func (r *runs) take(number int64, lanes []int64, replay bool) {
	for _, lane := range lanes {
		if _, known := r.last[lane]; !known {
			r.unknown[lane] = true
		}
		r.last[lane] = number
		r.late[lane] = r.late[lane] || replay
		if n := r.next[lane]; len(n) > 0 && n[0] == number {
			r.next[lane] = n[1:]
		}
	}
}

// reached returns lanes whose followers are not known yet, and the last
// delivery that was taken of each.
func (r *runs) reached() (lanes, after []int64) {
	if r.full || r.left <= 0 {
		return nil, nil
	}
	for lane := range r.unknown {
		lanes = append(lanes, lane)
		after = append(after, r.last[lane])
	}
	clear(r.unknown)
	return lanes, after
}

// extend takes what can be taken of what is behind lanes that were reached, the
// oldest first, and returns the numbers.
func (r *runs) extend(behind []followerRow, locked []lockedRow) (taken []int64) {
	for _, b := range behind {
		r.next[b.Lane] = append(r.next[b.Lane], b.Number)
	}
	for _, l := range locked {
		r.locked[l.Number] = l
	}
	for r.left > 0 {
		best, late := int64(0), false
		for _, numbers := range r.next {
			if len(numbers) == 0 {
				continue
			}
			if can, isLate := r.can(numbers[0]); can && (best == 0 || isLate == late && numbers[0] < best || late && !isLate) {
				best, late = numbers[0], isLate
			}
		}
		if best == 0 {
			return taken
		}
		l := r.locked[best]
		if int64(l.Size) > r.bytes {
			r.full = true
			return taken
		}
		r.left--
		r.bytes -= int64(l.Size)
		r.take(best, l.Lanes, late)
		r.behind[best] = late
		taken = append(taken, best)
	}
	return taken
}

// can reports whether a delivery can be taken, and whether it goes behind live
// ones of other lanes. There has to be nothing else before it in each lane
// that it is not at the head of.
func (r *runs) can(number int64) (can, late bool) {
	l, ok := r.locked[number]
	if !ok || !l.Due {
		return false, false
	}
	first := int32(0)
	late = l.Replay
	for _, lane := range l.Lanes {
		if n := r.next[lane]; len(n) > 0 && n[0] == number {
			first++
		}
		late = late || r.late[lane]
	}
	return first == l.Blocked, late
}
