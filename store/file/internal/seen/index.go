// Package seen is an index of a log by the keys of its events: which of them
// were seen, until when that counts, and where in the log their records are.
//
// # In memory and on the disk
//
// What was added last is in a table in memory. When that is full, it becomes a
// sorted file that never changes; files that are next to each other are merged
// as they grow many. A file has the entries of a range of the log, which its
// name says. So what is in no file is what the log has from [Index.From] on,
// and opening an index reads no more of the log than that.
//
// An index may outlive its log: entries stay until their window has ended and
// the segment of their record is gone.
//
// # What it takes
//
// An entry takes 28 bytes on the disk, and a file 1.4 bytes an entry beside
// them, which are in memory, too: 10 bits of a Bloom filter, and the first key
// of each block. In memory an entry takes about 40 bytes while it is in the
// table, of which there are up to two, of [Options.Table] entries each: ten
// megabytes by default. While the disk is full, the table grows beyond.
//
// Whether a key was seen costs a look into the filter of each file, about ten
// of them for a hundred million entries, and for a key that was, one read of
// 4 KiB. Of the keys that were not, one in a hundred costs such a read for each
// file.
//
// # Damage
//
// A block that is damaged counts as if it were not there: events may be taken
// for new that were seen, and never the reverse. Its file is set aside, and
// made again from the log when the index is opened the next time, as far as the
// log goes back.
package seen

import (
	"cmp"
	"errors"
	"io/fs"
	"math"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// Options are the options of an Index.
type Options struct {
	// Settled returns a position before which there is nothing in the log that
	// is still to be added, and never a lower one than before. So it starts
	// with From while what the log has is added after Open. It is needed.
	Settled func() wal.Position

	// Moved, if there is one, returns where records are by now that were written
	// again elsewhere. It has those that are before Settled, and behind what
	// Settled was before.
	Moved func() map[wal.Position]wal.Position

	// End is where the log ends. What the files have behind it is forgotten: its
	// records are missing. 0 keeps it.
	End wal.Position

	// Flushed, if there is one, is called when what the log has before a
	// position is in files.
	Flushed func(to wal.Position)

	// Scan calls add for each entry of the records in a range of the log. It is
	// called by Open, and only where a file of the index is missing or damaged.
	// Without it, what was in the file is forgotten.
	Scan func(from, to wal.Position, add func(key store.Key, p wal.Position, until time.Time)) error

	// How many entries are in memory before they become a file. Default:
	// 131,072.
	Table int

	// How long to wait before a file is written again after an error. Default:
	// 1s.
	Retry time.Duration

	// The file system. Default: that of the operating system.
	FS wal.FS

	Logger *zap.Logger
}

// An Index is an open index. Its methods may be called by many goroutines at
// once.
type Index struct {
	dir string
	o   Options
	log *zap.Logger

	mu       sync.RWMutex
	table    *table       // what is added to
	frozen   *table       // what is being written to a file
	frozenTo wal.Position // where its range ends
	files    []*file      // by the ranges that they cover, the oldest first
	from     wal.Position
	now      uint32 // of the last Expire
	oldest   uint32
	remade   []string // files that Open has found damaged

	working sync.Mutex // one goroutine at a time changes files
	wake    chan struct{}
	closing chan struct{}
	running sync.WaitGroup
}

// Open opens the index in a folder, which has to be there, and belongs to one
// index at a time. What the log has from From on is to be added by the caller.
func Open(dir string, o Options) (*Index, error) {
	o.Table = cmp.Or(o.Table, 1<<17)
	o.Retry = cmp.Or(o.Retry, time.Second)
	if o.FS == nil {
		o.FS = wal.OS()
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	x := &Index{
		dir: dir, o: o, log: o.Logger.With(zap.String("index", dir)),
		table: newTable(), wake: make(chan struct{}, 1), closing: make(chan struct{}),
	}
	if err := x.load(); err != nil {
		return nil, errors.Join(err, x.closeFiles())
	}
	x.running.Go(x.work)
	return x, nil
}

// From returns from where on the entries of the log are not in a file: what is to
// be added after Open.
func (x *Index) From() wal.Position {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.from
}

// Add adds an entry: an event with this key has a record at this position, and
// was seen if the window, which is rounded up to a second, is not zero.
//
// One whose position is before From is in a file.
func (x *Index) Add(key store.Key, p wal.Position, until time.Time) {
	e := entry{key: key, position: p, until: seconds(until)}
	x.mu.Lock()
	if p < x.from {
		x.mu.Unlock()
		return
	}
	if x.table.full() {
		x.table.expire(x.now, x.oldest) // rather than to grow
	}
	x.table.add(e)
	full := x.table.added >= x.o.Table && x.frozen == nil
	x.mu.Unlock()
	if full {
		x.signal()
	}
}

func seconds(t time.Time) uint32 {
	if t.IsZero() {
		return 0
	}
	s := t.Unix()
	if t.Nanosecond() > 0 {
		s++
	}
	return uint32(min(max(s, 0), math.MaxUint32))
}

// signal has the work done that there is.
func (x *Index) signal() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// Seen reports whether an event with this key was seen, and its window has not
// ended.
func (x *Index) Seen(key store.Key, now time.Time) bool {
	at := now.Unix()
	seen := false
	x.each(key, func(f *file) bool { return int64(f.latest) > at }, func(e entry) bool {
		seen = int64(e.until) > at
		return !seen
	})
	return seen
}

// Find returns the positions of an event's records, in their order.
func (x *Index) Find(key store.Key) (positions []wal.Position) {
	x.each(key, func(*file) bool { return true }, func(e entry) bool {
		positions = append(positions, e.position)
		return true
	})
	slices.Sort(positions)
	return slices.Compact(positions)
}

// each calls visit with each entry of a key in the files that are asked for,
// the newest file first, until it returns false.
func (x *Index) each(key store.Key, in func(*file) bool, visit func(entry) bool) {
	x.mu.RLock()
	goOn := x.table.each(key, visit) && (x.frozen == nil || x.frozen.each(key, visit))
	if !goOn || len(x.files) == 0 {
		x.mu.RUnlock()
		return
	}
	files := make([]*file, 0, 32)
	for _, f := range slices.Backward(x.files) {
		if in(f) && f.filter.has(&key) {
			f.use()
			files = append(files, f)
		}
	}
	x.mu.RUnlock()
	for _, f := range files {
		if goOn {
			var err error
			if goOn, err = f.each(key, visit); err != nil && f.bad.CompareAndSwap(false, true) {
				x.setAside(f.path, err)
			}
		}
		if err := x.done(f); err != nil {
			x.log.Warn("removing a file of the index", zap.Error(err))
		}
	}
}

// Expire forgets entries whose window has ended, and whose record is in a
// segment before the oldest that the log has. It may take until files are
// merged.
func (x *Index) Expire(now time.Time, oldest uint32) {
	x.mu.Lock()
	x.now, x.oldest = seconds(now), oldest
	x.mu.Unlock()
	x.signal()
}

// Len returns how many keys count as seen. In files, it counts entries, with
// those that have expired until they are forgotten.
func (x *Index) Len(now time.Time) (n int64) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	at := now.Unix()
	for _, f := range x.files {
		if int64(f.latest) > at {
			n += int64(f.count)
		}
	}
	if x.frozen != nil {
		n += x.frozen.live(at)
	}
	return n + x.table.live(at)
}

// Size returns what the files take.
func (x *Index) Size() (n int64) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, f := range x.files {
		n += f.size()
	}
	return n
}

// Close closes the index. What is in memory only is in the log.
func (x *Index) Close() error {
	close(x.closing)
	x.running.Wait()
	return x.closeFiles()
}

func (x *Index) closeFiles() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	errs := make([]error, 0, len(x.files))
	for _, f := range x.files {
		errs = append(errs, x.done(f))
	}
	x.files = nil
	return errors.Join(errs...)
}

// remove has a file removed once it is not being read.
func (x *Index) remove(f *file) error {
	f.removed.Store(true)
	return x.done(f)
}

// done ends a use of a file.
func (x *Index) done(f *file) error {
	if f.users.Add(-1) > 0 {
		return nil
	}
	err := f.file.Close()
	if !f.removed.Load() {
		return err
	}
	for _, path := range []string{f.path, f.path + damagedExtension} {
		if failed := x.o.FS.Remove(path); !errors.Is(failed, fs.ErrNotExist) {
			err = errors.Join(err, failed)
		}
	}
	return err
}
