// Package ledger is the record of delivered events of the file store: a log
// that makes them durable, and an index that finds them.
//
// The log has what the index has in memory only, a few megabytes of it: its
// segments go as soon as the index has written to files what is in them. The
// files go when the windows of all events in them have ended.
package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/seen"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// Options are the options of a Ledger.
type Options struct {
	FS     wal.FS // default: that of the operating system
	Now    func() time.Time
	Logger *zap.Logger

	SegmentSize int64 // see wal.Options; default: 4 MiB
	LockWait    time.Duration

	// How many events are in memory before they go to a file. Default: see
	// seen.Options.
	Table int
}

// defaultSegmentSize is small, for each handler has two segments that are
// allocated.
const defaultSegmentSize = 4 << 20

// A Ledger is the delivered events of a handler in a folder. Its methods may be
// called by many goroutines at once.
type Ledger struct {
	o     Options
	log   *wal.Log
	index *seen.Index

	expired atomic.Int64 // the minute of the last call of expire

	mu      sync.Mutex
	last    wal.Position // behind the last record that is in the index
	pending []*pending   // by the order in which they began
}

// A pending record is one that may be in the log, and not in the index.
type pending struct {
	after wal.Position // it is not before
	done  bool
}

// Open opens the ledger in a folder, which it makes if there is none, and which
// belongs to one process at a time.
func Open(folder string, o Options) (*Ledger, error) {
	if o.FS == nil {
		o.FS = wal.OS()
	}
	o.SegmentSize = cmp.Or(o.SegmentSize, defaultSegmentSize)
	reached, err := seen.Reached(o.FS, folder)
	if err != nil {
		return nil, err
	}
	log, err := wal.Open(folder, wal.Options{
		Reached: reached, SegmentSize: o.SegmentSize, LockWait: o.LockWait, FS: o.FS, Now: o.Now, Logger: o.Logger,
	})
	if err != nil {
		return nil, err
	}
	l := &Ledger{o: o, log: log}
	if err := l.load(folder); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// load opens the index, and adds to it what it does not have from the log.
func (l *Ledger) load(folder string) (err error) {
	l.index, err = seen.Open(folder, seen.Options{
		Settled: l.settled, Flushed: l.flushed, Scan: l.scan, FS: l.o.FS, Logger: l.o.Logger, Table: l.o.Table,
	})
	if err != nil {
		return err
	}
	return l.scan(l.index.From(), math.MaxUint64, func(key store.Key, p wal.Position, until time.Time) {
		l.index.Add(key, p, until)
		l.mu.Lock()
		l.last = p // its record may have more keys
		l.mu.Unlock()
	})
}

// scan calls add for each event in a range of the log.
func (l *Ledger) scan(from, to wal.Position, add func(key store.Key, p wal.Position, until time.Time)) error {
	err := l.log.Scan(from, func(p wal.Position, r []byte) error {
		if p >= to {
			return errEnd
		}
		keys, until, err := parseRecord(r)
		if err != nil {
			return fmt.Errorf("record %x: %w", uint64(p), err)
		}
		for len(keys) > 0 {
			add(store.Key(keys[:keySize]), p, until)
			keys = keys[keySize:]
		}
		return nil
	})
	if errors.Is(err, errEnd) {
		return nil
	}
	return err
}

var errEnd = errors.New("the end of the range")

// settled returns a position before which all records are in the index.
func (l *Ledger) settled() wal.Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pending) > 0 {
		return l.pending[0].after
	}
	return l.last
}

// begin takes note that a record is about to be written.
func (l *Ledger) begin() *pending {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := &pending{after: l.last}
	l.pending = append(l.pending, p)
	return p
}

// end takes note that a record is in the index, or not in the log.
func (l *Ledger) end(p *pending, last wal.Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.done = true
	if last > 0 {
		l.last = max(l.last, last+1)
	}
	for len(l.pending) > 0 && l.pending[0].done {
		l.pending[0] = nil
		l.pending = l.pending[1:]
	}
}

// Find implements local.Set.
func (l *Ledger) Find(events []store.Key, states []store.State) error {
	now := l.o.Now()
	for i := range events {
		if l.index.Seen(events[i], now) {
			states[i] = store.Delivered
		}
	}
	return nil
}

// Add implements local.Set.
func (l *Ledger) Add(events []store.Key, window time.Duration) error {
	if len(events) == 0 {
		return nil
	}
	now := l.o.Now()
	until := ceil(now.Add(window))
	l.expire(now)
	p := l.begin()
	last, err := l.append(events, until)
	l.end(p, last)
	return err
}

// append writes events to the log and adds them to the index. It returns where
// the last of them are.
func (l *Ledger) append(events []store.Key, until time.Time) (last wal.Position, err error) {
	ctx := context.Background()
	var parts [][]store.Key
	var batches []*wal.Batch
	for part := range slices.Chunk(events, perRecord) {
		b, err := l.log.Begin(ctx, appendRecord(nil, part, until))
		if err != nil {
			return last, err
		}
		parts, batches = append(parts, part), append(batches, b)
	}
	for i, b := range batches {
		if err := b.Wait(ctx); err != nil {
			return last, err
		}
		last = b.Positions[0]
		for _, key := range parts[i] {
			l.index.Add(key, last, until)
		}
	}
	return last, nil
}

// ceil rounds up to a second.
func ceil(t time.Time) time.Time {
	return t.Add(time.Second - 1).Truncate(time.Second)
}

// flushed is called when the index has written to a file what was in the log
// before a position.
func (l *Ledger) flushed(to wal.Position) {
	for _, s := range l.log.Segments() {
		if !s.Sealed || s.Number >= to.Segment() {
			break
		}
		if err := l.log.Remove(s.Number); err != nil {
			l.o.Logger.Warn("removing what is in the index", zap.Error(err))
		}
	}
}

// expire has the index forget what has expired, once a minute. That the log has
// a record does not keep it: no one asks for those.
func (l *Ledger) expire(now time.Time) {
	minute := now.Unix() / 60
	if l.expired.Swap(minute) != minute {
		l.index.Expire(now, math.MaxUint32)
	}
}

// Len returns how many events there are whose window has not ended, and in
// files some whose window has.
func (l *Ledger) Len() int64 { return l.index.Len(l.o.Now()) }

// A Verification is what there is in the folder of a ledger.
type Verification struct {
	Log    wal.Stats
	Events int64    // see Len
	Index  []string // see seen.Index.Verify
}

// Verify reads everything that is in the ledger's folder. What is damaged in the
// log is set aside, as it is when the ledger is opened.
func (l *Ledger) Verify() (v Verification, err error) {
	err = l.log.Scan(0, func(wal.Position, []byte) error { return nil })
	v.Index = l.index.Verify()
	v.Log, v.Events = l.log.Stats(), l.Len()
	return v, err
}

// Close closes the ledger.
func (l *Ledger) Close() error {
	var err error
	if l.index != nil {
		err = l.index.Close()
	}
	return errors.Join(err, l.log.Close())
}
