package queue

import (
	"errors"
	"io/fs"
	"math"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/record"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/seen"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// The index says which events were seen, and where in the log their records
// are: what was stored of them, and what became of it.

// reached returns a position that the log in a folder has reached, as the index
// and the snapshots know.
func reached(fsys wal.FS, dir string) (wal.Position, error) {
	to, err := seen.Reached(fsys, dir)
	if err != nil {
		return 0, err
	}
	names, err := snapshots(fsys, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	for _, name := range names {
		p, _ := snapshotPosition(name)
		to = max(to, p)
	}
	return to, err
}

// openSeen opens the index. What the log has from its From on is to be added.
func (q *Queue) openSeen() (err error) {
	q.seen, err = seen.Open(q.dir, seen.Options{
		Settled: q.settledUpTo, Moved: q.log.Moved, End: max(q.log.Durable(), 1), Scan: q.scanKeys,
		Table: q.o.Table, FS: q.o.FS, Logger: q.o.Logger,
	})
	return err
}

// settledUpTo returns a position before which everything in the log is on the
// disk, and in the index.
func (q *Queue) settledUpTo() wal.Position {
	if p := q.loaded.Load(); p != 0 {
		return wal.Position(p)
	}
	// A goroutine that holds the lock order may have written what is not in the index yet.
	q.order.Lock()
	defer q.order.Unlock()
	q.mu.Lock()
	defer q.mu.Unlock()
	durable := q.log.Durable()
	if len(q.pending) > 0 {
		return min(durable, q.applied())
	}
	return durable
}

// keepSeen has the index write to the disk what it has of a segment and those
// before, which are to be removed. Without room for that, they go all the same:
// to deliver an event twice, after a crash, is better than to have no room for
// others.
func (q *Queue) keepSeen(segment uint32) {
	if q.seen.From().Segment() > segment {
		return
	}
	if err := q.seen.Flush(); err != nil {
		q.zap.Warn("keeping what was seen; repeats may be delivered after a crash", zap.Error(err))
	}
}

// expire has the index forget the events whose window has ended, and whose
// records are gone.
func (q *Queue) expire() {
	oldest := uint32(math.MaxUint32)
	if segments := q.log.Segments(); len(segments) > 0 {
		oldest = segments[0].Number
	}
	q.seen.Expire(q.o.Clock.Now(), oldest)
}

// scanKeys calls add for the events of each record in a range of the log.
func (q *Queue) scanKeys(from, to wal.Position, add func(key store.Key, p wal.Position, until time.Time)) error {
	err := q.log.Scan(from, func(p wal.Position, r []byte) error {
		if p >= to {
			return errEnough
		}
		eachKey(r, func(key store.Key, until time.Time) { add(key, p, until) })
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// eachKey calls add for each event that a record says something of, and until
// when it counts as seen. What is damaged in the record is left out.
func eachKey(r []byte, add func(key store.Key, until time.Time)) {
	switch record.KindOf(r) {
	case record.KindEvents, record.KindReplay, record.KindMoved:
		var last *record.Event
		_ = eachDelivery(r, 0, func(c *candidate) bool {
			if c.event != last {
				last = c.event
				add(c.event.Key, c.event.Until)
			}
			return true
		})
	case record.KindOutcomes:
		_ = record.ReadOutcomes(r, func(_ time.Time, _ []byte, o *record.Outcome) { add(o.Key, time.Time{}) })
	case record.KindDiscards:
		_ = record.ReadDiscards(r, func(_ time.Time, _ []byte, d *record.Discard) { add(d.Key, time.Time{}) })
	case record.KindPause:
	}
}
