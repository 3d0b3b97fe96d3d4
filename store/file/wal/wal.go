package wal

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// Options are the options of a Log. The zero value has the defaults.
type Options struct {
	// The size of a segment. Default: 64 MiB, or an eighth of Capacity if that
	// is less, and at least 64 KiB. A batch cannot be larger than a segment
	// less its reserve.
	SegmentSize int64

	// How much the files of the log may take on the disk, those that are
	// allocated but not written included. Only Append is bound by it. Default:
	// the disk is the limit.
	Capacity int64

	// How much of the last segment Append leaves to AppendLazy when there is no
	// room for another segment. Default: an eighth of SegmentSize.
	Reserve int64

	// How long what AppendLazy has written may not be on the disk yet. Default:
	// 500ms.
	LazySync time.Duration

	// A position that the log has reached, as is known from elsewhere. If it ends
	// before, because a part of it is missing, it goes on in a segment behind
	// that, so that no position is given out twice.
	Reached Position

	// How long to wait for another process to give up the log. Default: 5s.
	LockWait time.Duration

	// How long after an error of the disk to try again. Default: 1s.
	Retry time.Duration

	// The file system. Default: that of the operating system.
	FS FS

	Now    func() time.Time
	Logger *zap.Logger

	// OnSync is called after each sync with how long it took and how many
	// bytes were written since the last one.
	OnSync func(took time.Duration, bytes int)
}

const (
	minSegmentSize = 64 << 10
	maxSegmentSize = 1 << 31
	mostPending    = 64 << 20 // bytes that wait to be written
	mostUnsynced   = 1 << 20  // bytes of AppendLazy that wait to be synced
)

func (o *Options) defaults() {
	if o.SegmentSize <= 0 {
		o.SegmentSize = 64 << 20
		if o.Capacity > 0 {
			o.SegmentSize = min(o.SegmentSize, o.Capacity/8)
		}
	}
	o.SegmentSize = min(max(o.SegmentSize, minSegmentSize), maxSegmentSize) / page * page
	if o.Reserve <= 0 {
		o.Reserve = o.SegmentSize / 8
	}
	o.Reserve = min(o.Reserve, o.SegmentSize/2)
	o.LazySync = cmp.Or(o.LazySync, 500*time.Millisecond)
	o.LockWait = cmp.Or(o.LockWait, 5*time.Second)
	o.Retry = cmp.Or(o.Retry, time.Second)
	if o.FS == nil {
		o.FS = OS()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.OnSync == nil {
		o.OnSync = func(time.Duration, int) {}
	}
}

var (
	// ErrFull means that there is no room on the disk, or below the capacity.
	ErrFull = errors.New("there is no room")

	// ErrBusy means that more waits to be written than the disk keeps up with.
	ErrBusy = errors.New("the disk does not keep up")

	// ErrPending means that it is not known yet whether a batch is on the
	// disk.
	ErrPending = errors.New("still being written")

	// ErrTooLarge means that a batch does not fit in a segment.
	ErrTooLarge = errors.New("larger than a segment")

	// ErrNotFound means that there is no record at a position, because its
	// segment is gone or nothing was written there.
	ErrNotFound = errors.New("no such record")

	// ErrDamaged means that what was written at a position cannot be read any
	// more.
	ErrDamaged = errors.New("damaged")

	// ErrClosed means that the log was closed.
	ErrClosed = errors.New("closed")
)

// A Log is an open log. Its methods may be called by many goroutines at once.
type Log struct {
	dir  string
	o    Options
	fs   FS
	log  *zap.Logger
	lock io.Closer
	salt uint64

	segments atomic.Pointer[[]*segment] // those that are in use, by number

	mu     sync.Mutex
	wake   sync.Cond // there is something to write
	closed bool

	active *segment // what is written to, unless the disk failed
	end    int64    // where its next batch goes
	marked bool     // nothing was appended since Close marked the end
	open   *group   // what the next batch joins, the last of queue
	queue  []*group // what waits to be written
	bytes  int64    // in queue
	buf    []byte   // of a group that is done, to be used again

	lazy      []lazyBatch // written by AppendLazy and not on the disk yet
	redo      []lazyBatch // to be written again, before anything else
	lazyBytes int
	timer     *time.Timer           // syncs lazy
	moved     map[Position]Position // what was written again after an error
	shared    int                   // how many batches the last group had
	took      time.Duration         // how long the last sync took
	last      *segment              // the last that was written to; the writer's
	durable   Position              // before it, every record is on the disk
	total     int64                 // what the files take
	cause     error                 // why there is no active segment
	next      uint32                // the number of the next file
	spare     *segment              // what comes after active
	making    chan struct{}         // closed when the attempt to make a spare has ended
	makeErr   error                 // why there is no spare
	retry     *time.Timer           // tries again to make one
	warned    bool                  // about makeErr
	damage    map[Position]*Damage  // by where it starts
	stats     Stats                 // what is counted
	running   sync.WaitGroup
}

// Segment describes a segment of a log.
type Segment struct {
	Number  uint32
	Size    int64     // what its file takes
	Written int64     // where its last batch ends
	Created time.Time // when it was first written to
	Sealed  bool      // nothing is written to it any more
}

// Stats describes a log.
type Stats struct {
	Segments  int
	Size      int64 // what the files of the log take
	Capacity  int64 // see Options
	Full      bool  // there is no room for another segment
	Records   int64 // appended since Open
	Bytes     int64 // written since Open
	Syncs     int64 // since Open
	Errors    int64 // of the disk since Open
	TornBytes int64 // that Open has cut off or passed over
	Missing   bool  // it ended before Options.Reached
	Damage    []Damage
}

// Damage is a part of a segment that was on the disk and cannot be read any
// more.
type Damage struct {
	Segment    uint32
	Start, End int64
	Records    int    // how many there were, or 0 if that cannot be told
	File       string // where it is kept, or "" for the segment itself
}

// Open opens the log in a folder, which it makes if there is none. A log
// belongs to one Open at a time.
func Open(dir string, o Options) (*Log, error) {
	o.defaults()
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := o.FS.MkdirAll(dir); err != nil {
		return nil, err
	}
	l := &Log{
		dir: dir, o: o, fs: o.FS, log: o.Logger.With(zap.String("log", dir)),
		moved: make(map[Position]Position), damage: make(map[Position]*Damage),
	}
	l.wake.L = &l.mu
	l.segments.Store(new([]*segment))
	if l.lock, err = takeLock(o.FS, dir, o.LockWait); err != nil {
		return nil, err
	}
	if err := l.recover(); err != nil {
		_ = l.closeFiles()
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	l.running.Go(l.write)
	return l, nil
}

// takeLock waits until the lock of a folder is free.
func takeLock(fs FS, dir string, wait time.Duration) (io.Closer, error) {
	for deadline := time.Now().Add(wait); ; time.Sleep(50 * time.Millisecond) {
		lock, err := fs.Lock(filepath.Join(dir, "lock"))
		if errors.Is(err, ErrLocked) && time.Now().Before(deadline) {
			continue
		}
		if errors.Is(err, ErrLocked) {
			return nil, fmt.Errorf("%w, perhaps a second Caddy: a folder belongs to one process", err)
		}
		return lock, err
	}
}

// Close writes and syncs what is left, and closes the log. What waits to be
// appended meanwhile fails with ErrClosed.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return ErrClosed
	}
	if l.active != nil {
		l.join().sync = true
	}
	l.closed = true
	l.stop(l.timer)
	l.stop(l.retry)
	l.wake.Signal()
	l.mu.Unlock()
	l.running.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	var err error
	if len(l.lazy) > 0 || len(l.redo) > 0 {
		err = fmt.Errorf("not synced: %w", l.cause)
	} else {
		l.markEnd()
	}
	return errors.Join(err, l.closeFiles())
}

// markEnd writes a batch without records behind all others, which says that
// they are on the disk. Without it, the log is as good as after a crash.
func (l *Log) markEnd() {
	if s := l.active; s != nil && s.created != 0 && !l.marked && l.end+batchHeaderSize <= s.size {
		if _, err := s.file.WriteAt(appendBatchHeader(nil, s.place, l.end, l.end, 0, 0), l.end); err == nil {
			_ = s.file.Sync()
		}
	}
}

func (*Log) stop(t *time.Timer) {
	if t != nil {
		t.Stop()
	}
}

func (l *Log) closeFiles() error {
	var errs []error
	for _, s := range *l.segments.Swap(new([]*segment)) {
		errs = append(errs, s.done())
	}
	if l.spare != nil {
		errs = append(errs, l.spare.file.Close())
	}
	return errors.Join(append(errs, l.lock.Close())...)
}

// Segments returns the segments of the log, by their number.
func (l *Log) Segments() []Segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	segments := *l.segments.Load()
	list := make([]Segment, 0, len(segments))
	for _, s := range segments {
		list = append(list, Segment{s.number, s.size, s.written.Load(), time.Unix(0, s.created), s.sealed})
	}
	return list
}

// Durable returns a position before which every record is on the disk. It never
// goes back.
func (l *Log) Durable() Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.durable
}

// Moved returns where the records are that were written again after an error of
// the disk, by the positions that AppendLazy has returned. It has those before
// Durable goes beyond them.
func (l *Log) Moved() map[Position]Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.moved)
}

// Stats returns what there is to say of the log.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Segments, s.Size, s.Capacity = len(*l.segments.Load()), l.total, l.o.Capacity
	s.Full = l.isFull()
	for _, d := range l.damage {
		s.Damage = append(s.Damage, *d)
	}
	slices.SortFunc(s.Damage, func(a, b Damage) int {
		return cmp.Compare(position(a.Segment, a.Start), position(b.Segment, b.Start))
	})
	return s
}

// Full reports whether there is no room for another segment.
func (l *Log) Full() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.isFull()
}

func (l *Log) isFull() bool { return l.makeErr != nil || l.active == nil }

// measure adds up what the files of the log take.
func (l *Log) measure() {
	l.total = 0
	for _, s := range *l.segments.Load() {
		l.total += s.size
	}
	if l.spare != nil {
		l.total += l.spare.size
	}
}

// Remove removes a segment that is sealed, with all records in it. What is
// being read meanwhile can be read to its end.
func (l *Log) Remove(number uint32) error {
	l.mu.Lock()
	segments := *l.segments.Load()
	i, ok := findSegment(segments, number)
	if !ok {
		l.mu.Unlock()
		return fmt.Errorf("segment %d: %w", number, ErrNotFound)
	}
	s := segments[i]
	if !s.sealed {
		l.mu.Unlock()
		return fmt.Errorf("segment %d is being written", number)
	}
	l.segments.Store(new(slices.Delete(slices.Clone(segments), i, i+1)))
	for from := range l.moved {
		if from.Segment() == number {
			delete(l.moved, from)
		}
	}
	l.mu.Unlock()
	if i > 0 { // once its next is gone, its size says where it ends
		l.trim(segments[i-1])
	}
	err := l.removeFile(s)
	if inUse(err) {
		s.removal, err = func() error { return l.removeFile(s) }, nil
	}
	err = errors.Join(err, s.done())
	l.mu.Lock()
	defer l.mu.Unlock()
	l.measure()
	l.tryAgain()
	return err
}

func findSegment(segments []*segment, number uint32) (int, bool) {
	return slices.BinarySearchFunc(segments, number, func(s *segment, n uint32) int { return cmp.Compare(s.number, n) })
}
