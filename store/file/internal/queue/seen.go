package queue

import (
	"slices"
	"sync"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// A seenIndex knows which events were seen, until when they count as repeats,
// and where the records of each are. It is in memory, about a hundred bytes for
// each event that the log holds, and is made anew from the log at the start. A
// key goes when its window has ended and its records were removed. For one whose
// records go before, see orphans.go.
type seenIndex struct {
	mu       sync.RWMutex
	entries  map[store.Key]seenEntry
	further  map[store.Key][]wal.Position // beyond those in the entry
	segments map[uint32][]store.Key       // keys by the segments of their records
	orphans  []store.Key                  // whose records were removed before their windows ended
}

// A seenEntry is what is known of a key. Most have two records: the event, and
// its outcome. A position of 0 stands for none.
type seenEntry struct {
	until     int64 // in nanoseconds, 0 if it is never a repeat
	positions [2]wal.Position
}

func newSeenIndex() *seenIndex {
	return &seenIndex{
		entries:  make(map[store.Key]seenEntry),
		further:  make(map[store.Key][]wal.Position),
		segments: make(map[uint32][]store.Key),
	}
}

// add notes a record of a key, and until when the key counts as seen.
func (s *seenIndex) add(key store.Key, p wal.Position, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, known := s.entries[key]
	if known && (slices.Contains(e.positions[:], p) || slices.Contains(s.further[key], p)) {
		return
	}
	if !until.IsZero() {
		e.until = max(e.until, until.UnixNano())
	}
	if i := slices.Index(e.positions[:], 0); i >= 0 {
		e.positions[i] = p
	} else {
		s.further[key] = append(s.further[key], p)
	}
	s.entries[key] = e
	s.segments[p.Segment()] = append(s.segments[p.Segment()], key)
}

// seen reports whether a key counts as seen.
func (s *seenIndex) seen(key store.Key, now time.Time) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return now.UnixNano() < s.entries[key].until
}

// find returns where the records of a key are, in their order.
func (s *seenIndex) find(key store.Key) (found []wal.Position) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e := s.entries[key]
	for _, p := range e.positions {
		if p != 0 {
			found = append(found, p)
		}
	}
	found = append(found, s.further[key]...)
	slices.Sort(found)
	return found
}

// removed notes that a segment of the log goes, and returns the keys in it
// whose windows have not ended: the record that says so may be among those that
// go.
func (s *seenIndex) removed(segment uint32, now time.Time) (orphans []orphan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range s.segments[segment] {
		e, known := s.entries[key]
		if !known {
			continue
		}
		gone := func(p wal.Position) bool { return p == 0 || p.Segment() == segment }
		left := slices.DeleteFunc(slices.Concat(e.positions[:], s.further[key]), gone)
		e.positions = [2]wal.Position{}
		rest := left[copy(e.positions[:], left):]
		if len(rest) > 0 {
			s.further[key] = rest
		} else {
			delete(s.further, key)
		}
		counts := now.UnixNano() < e.until
		if counts {
			orphans = append(orphans, orphan{key, e.until})
		}
		switch {
		case len(left) > 0:
			s.entries[key] = e
		case counts:
			s.entries[key] = e
			s.orphans = append(s.orphans, key)
		default:
			delete(s.entries, key)
		}
	}
	delete(s.segments, segment)
	return orphans
}

// orphaned notes a key without records.
func (s *seenIndex) orphaned(o orphan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[o.key]
	e.until = max(e.until, o.until)
	s.entries[o.key] = e
	s.orphans = append(s.orphans, o.key)
}

// expire forgets keys without records whose windows have ended.
func (s *seenIndex) expire(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.orphans = slices.DeleteFunc(s.orphans, func(key store.Key) bool {
		e, known := s.entries[key]
		if known && e.positions[0] == 0 && now.UnixNano() >= e.until {
			delete(s.entries, key)
			known = false
		}
		return !known || e.positions[0] != 0
	})
}
