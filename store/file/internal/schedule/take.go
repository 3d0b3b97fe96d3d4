package schedule

import (
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A Want is what Take may take. See [store.Want].
type Want struct {
	Max   int
	Bytes int64
	Runs  bool
	Until int64  // the end of the lease
	Owner uint32 // see Release
}

// A Taken is a delivery that was taken.
type Taken struct {
	Ref      Ref
	Held     store.Held
	Position uint64
	Size     int // of the body
	Attempts int // that were made before
	Replay   bool
}

// Pass lets time pass: what is due is ready, and leases end.
func (s *Schedule) Pass(now int64) {
	for ref := s.leases.top(); ref != 0 && s.claims.get(ref).until <= now; ref = s.leases.top() {
		s.Return(s.claims.get(ref).entry)
	}
	for ref := s.later.top(); ref != 0 && s.entries.get(ref).due <= now; ref = s.later.top() {
		e := s.entries.get(ref)
		s.later.remove(ref)
		e.info &^= flagLater
		e.due = 0 // whatever the clock does
		s.isReady(ref, e)
	}
}

// Next returns when something is due next or a lease ends, 0 if nothing is.
func (s *Schedule) Next() (at int64) {
	if ref := s.later.top(); ref != 0 {
		at = s.entries.get(ref).due
	}
	if ref := s.leases.top(); ref != 0 && (at == 0 || s.claims.get(ref).until < at) {
		at = s.claims.get(ref).until
	}
	return at
}

// AnyReady reports whether a delivery can be taken.
func (s *Schedule) AnyReady() bool { return s.ready.top() != 0 }

// Ready reports whether a delivery can be taken, and whether there are as many
// as wanted.
func (s *Schedule) Ready(want Want, now int64) (some, enough bool) {
	n := len(s.ready.refs)
	switch {
	case n == 0:
		return false, false
	case n >= want.Max || s.readyBytes >= want.Bytes:
		return true, true
	case !want.Runs || s.waiting-len(s.later.refs) < want.Max: // those behind others included
		return true, false
	}
	refs, bytes := s.pick(want, now)
	for _, ref := range refs {
		s.Return(ref)
	}
	return true, len(refs) >= want.Max || bytes >= want.Bytes
}

// Take takes deliveries, if some are ready.
func (s *Schedule) Take(want Want, now int64) []Taken {
	refs, _ := s.pick(want, now)
	taken := make([]Taken, 0, len(refs))
	for _, ref := range refs {
		e := s.entries.get(ref)
		c := s.claims.get(Ref(e.at))
		taken = append(taken, Taken{
			Ref:      ref,
			Held:     store.Held{Number: e.number, Token: store.Token(uint64(e.at)<<32 | uint64(c.seq))},
			Position: e.position,
			Size:     int(e.size),
			Attempts: e.attempts(),
			Replay:   e.is(flagReplay),
		})
	}
	return taken
}

// pick takes deliveries, and returns the bytes of their bodies.
func (s *Schedule) pick(want Want, now int64) (refs []Ref, bytes int64) {
	s.picks++
	next := heap{less: s.before, at: func(r Ref) *uint32 { return &s.entries.get(r).at }} // behind those that were taken
	for len(refs) < want.Max {
		ref, run := s.ready.top(), next.top()
		if ref == 0 || run != 0 && s.before(run, ref) {
			ref = run
		}
		if ref == 0 {
			break
		}
		e := s.entries.get(ref)
		if bytes += int64(e.size); len(refs) > 0 && bytes > want.Bytes {
			bytes -= int64(e.size)
			break
		}
		if ref == run {
			next.remove(ref)
		}
		s.claim(ref, e, want)
		if refs = append(refs, ref); !want.Runs {
			continue
		}
		s.places(ref, e, func(_ Ref, p *entry) {
			if p.next == 0 {
				return
			}
			if d, f := s.delivery(p.next); f.at == 0 && f.due <= now && s.follows(d, f) {
				next.push(d)
			}
		})
	}
	for len(next.refs) > 0 {
		next.remove(next.refs[len(next.refs)-1])
	}
	return refs, bytes
}

// follows reports whether everything ahead of a delivery was taken just now.
func (s *Schedule) follows(ref Ref, e *entry) bool {
	follows := true
	s.places(ref, e, func(_ Ref, p *entry) {
		if p.prev != 0 {
			_, ahead := s.delivery(p.prev)
			follows = follows && ahead.is(flagUnderWay) && s.claims.get(Ref(ahead.at)).pick == s.picks
		}
	})
	return follows
}

func (s *Schedule) claim(ref Ref, e *entry, want Want) {
	s.leave(ref, e)
	c := s.claims.add()
	s.seq++
	*s.claims.get(c) = claim{entry: ref, until: want.Until, seq: s.seq, owner: want.Owner, pick: s.picks}
	s.leases.push(c)
	e.info |= flagUnderWay
	e.at = uint32(c)
	s.waiting--
	s.underWay++
}

func (s *Schedule) unclaim(c Ref) {
	s.leases.remove(c)
	s.claims.remove(c)
}

// Mine returns a delivery if the caller holds it.
func (s *Schedule) Mine(h store.Held) (ref Ref, ok bool) {
	c := Ref(h.Token >> 32)
	if !s.claims.valid(c) {
		return 0, false
	}
	held := s.claims.get(c)
	if held.entry == 0 || held.seq != uint32(h.Token) || s.entries.get(held.entry).number != h.Number {
		return 0, false
	}
	return held.entry, true
}

// Renew prolongs the lease of a delivery that is under way.
func (s *Schedule) Renew(ref Ref, until int64) {
	c := Ref(s.entries.get(ref).at)
	s.claims.get(c).until = until
	s.leases.changed(c)
}

// Identify keeps the key of a delivery for as long as it is under way.
func (s *Schedule) Identify(ref Ref, key store.Key) {
	s.claims.get(Ref(s.entries.get(ref).at)).key = key
}

// Key returns the key of a delivery that is under way.
func (s *Schedule) Key(ref Ref) store.Key { return s.claims.get(Ref(s.entries.get(ref).at)).key }

// Release returns everything that is an owner's.
func (s *Schedule) Release(owner uint32) {
	for n := range s.claims.chunks {
		s.claims.each(n, func(_ Ref, c *claim) {
			if c.entry != 0 && c.owner == owner {
				s.Return(c.entry)
			}
		})
	}
}
