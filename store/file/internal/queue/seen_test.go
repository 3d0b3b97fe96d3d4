package queue

import (
	"slices"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

func TestSeenIndex(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	at := func(segment, offset uint64) wal.Position { return wal.Position(segment<<32 | offset) }
	s := newSeenIndex()
	one, two, never := store.Key{1}, store.Key{2}, store.Key{3}
	s.add(one, at(1, 8), start.Add(time.Hour))
	s.add(one, at(1, 8), start.Add(time.Hour)) // read twice
	s.add(one, at(2, 8), time.Time{})
	s.add(one, at(3, 8), time.Time{})
	s.add(two, at(1, 16), start.Add(2*time.Hour))
	s.add(never, at(1, 24), time.Time{})
	want := func(when string, key store.Key, now time.Time, seen bool, positions ...wal.Position) {
		t.Helper()
		if got := s.seen(key, now); got != seen {
			t.Errorf("%s: got seen %t, want %t", when, got, seen)
		}
		if got := s.find(key); !slices.Equal(got, positions) {
			t.Errorf("%s: got the records %v, want %v", when, got, positions)
		}
	}
	want("at first", one, start, true, at(1, 8), at(2, 8), at(3, 8))
	want("without a window", never, start, false, at(1, 24))
	want("after its window", one, start.Add(time.Hour), false, at(1, 8), at(2, 8), at(3, 8))

	s.removed(1, start)
	want("with its first record removed", one, start, true, at(2, 8), at(3, 8))
	want("with its only record removed", two, start, true)
	want("without a window and a record", never, start, false)
	s.removed(2, start)
	s.removed(3, start)
	want("with all records removed", one, start, true)
	s.expire(start.Add(90 * time.Minute))
	want("within its window", two, start.Add(90*time.Minute), true)
	if got := len(s.entries); got != 1 {
		t.Errorf("got %d keys after a window has ended, want 1", got)
	}
	s.add(two, at(4, 8), start.Add(3*time.Hour))
	s.expire(start.Add(9 * time.Hour))
	want("with a new record", two, start.Add(150*time.Minute), true, at(4, 8))
	s.removed(4, start.Add(9*time.Hour))
	if len(s.entries)+len(s.further)+len(s.segments)+len(s.orphans) != 0 {
		t.Errorf("got %d keys in the end, want none", len(s.entries))
	}
}
