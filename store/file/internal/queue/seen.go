package queue

import (
	"sync"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// seenIndex placeholder until the index of the log branch is there.
type seenIndex struct {
	mu sync.Mutex
	m  map[store.Key][]seenEntry
}

type seenEntry struct {
	p     wal.Position
	until time.Time
}

func openSeen(dir string, o Options) (*seenIndex, error) {
	dbgMu.Lock()
	defer dbgMu.Unlock()
	k := dbgKey{o.Clock, dir}
	if dbg[k] == nil {
		dbg[k] = &seenIndex{m: make(map[store.Key][]seenEntry)}
	}
	return dbg[k], nil
}

func (s *seenIndex) add(key store.Key, p wal.Position, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.m[key] = append(s.m[key], seenEntry{p, until})
}

func (s *seenIndex) seen(key store.Key, now time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.m[key] {
		if now.Before(e.until) {
			return true, nil
		}
	}
	return false, nil
}

func (s *seenIndex) find(key store.Key) (found []wal.Position, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.m[key] {
		found = append(found, e.p)
	}
	return found, nil
}

func (s *seenIndex) close() error { return nil }

func (s *seenIndex) expire(now time.Time) error { return nil }

func (s *seenIndex) from() wal.Position { return 0 }

type dbgKey struct {
	c   Clock
	dir string
}

var dbgMu sync.Mutex
var dbg = map[dbgKey]*seenIndex{}
