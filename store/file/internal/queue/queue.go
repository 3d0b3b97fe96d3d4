// Package queue is the queue of the file store: a log on the disk, and a
// schedule in memory.
//
// # Order of things
//
// Whatever is written to the log and has a place among the deliveries is
// written under the lock order, so that numbers rise with positions. What was
// begun is applied to the schedules in the same order, once it is on the disk.
// Outcomes are applied as they are written: a crash may undo them, and the
// deliveries are due again.
//
// So the state in memory is, at any time, that of the log up to a position.
// Opening a queue reads a snapshot of the state, and the log from there on. See
// snapshot.go for why it may be read twice.
//
// Which events were seen, and where their records are, is in an index on the
// disk. It, too, has the log up to a position, and is read on from there.
//
// # Memory
//
// What waits has an entry in a schedule, up to so many of a destination. Those
// beyond are counted only, and read from the log as others leave. Bodies are on
// the disk. What was seen takes 3 bytes an event in memory; see package seen.
package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/record"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/schedule"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/seen"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// Options are the options of a queue.
type Options struct {
	// How long what is settled stays. Segments go as a whole.
	Keep time.Duration

	// How much the log may take on the disk, 0 without a limit.
	Capacity int64

	// How many deliveries of a destination have an entry in memory. Default:
	// DefaultIndexed.
	Indexed int

	Table       int   // see seen.Options
	SegmentSize int64 // see wal.Options
	LockWait    time.Duration
	FS          wal.FS
	Clock       Clock
	Logger      *zap.Logger
	OnSync      func(took time.Duration, bytes int)

	// Free returns how many bytes the disk has left, -1 if that is not known.
	// Default: -1.
	Free func() int64
}

// DefaultIndexed is how many deliveries of a destination have an entry in
// memory. They take 50 to 90 bytes each.
const DefaultIndexed = 1_000_000

const (
	defaultSegmentSize = 64 << 20

	// reserve is which part of a segment is left to outcomes when there is no
	// room for events. It has to last until the oldest segment can go: for what
	// becomes of the events in it, and for moving a few of them. A notification
	// cannot be larger than the rest.
	reserve = 2
)

// A Clock is where a queue has its time from.
type Clock interface {
	Now() time.Time

	// AfterFunc calls a function after some time, unless stop is called first.
	AfterFunc(d time.Duration, do func()) (stop func())
}

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) AfterFunc(d time.Duration, do func()) (stop func()) {
	t := time.AfterFunc(d, do)
	return func() { t.Stop() }
}

// ErrClosed means that the queue was closed.
var ErrClosed = errors.New("the queue is closed")

// A Queue is an open queue. It is used by its handles.
type Queue struct {
	dir    string
	o      Options
	log    *wal.Log
	zap    *zap.Logger
	seen   *seen.Index
	loaded atomic.Uint64 // up to where the log was read, while the queue is opened

	// order is held while something is written that has a place among others.
	// It comes before mu.
	order sync.Mutex
	next  store.Number // of the next delivery
	last  wal.Position // of the last record

	mu           sync.Mutex
	destinations map[string]*destination
	pending      []*write // begun and not yet applied, in the order of their positions
	inFlight     map[store.Key]*write
	segments     map[uint32]*segment
	known        []*segment      // the segments whose catalog is kept
	lastApplied  wal.Position    // of a record with deliveries
	moved        []movedDelivery // by number
	handles      uint32
	reads        int          // how often deliveries were read that were beyond a schedule
	damaged      int64        // deliveries that could not be read
	snapshotAt   wal.Position // from where on the log is read after the last snapshot
	snapshotSize int64
	lanes        []store.Lane // to use again
	closed       bool

	full    atomic.Bool // events were refused for want of room, and none were accepted since
	change  sync.Mutex  // one operator at a time replays and discards
	removal sync.Mutex  // one goroutine at a time removes segments
	janitor janitor
	running sync.WaitGroup
}

// Open opens the queue in a folder, which it makes if there is none.
func Open(dir string, o Options) (*Queue, error) {
	if o.Indexed <= 0 {
		o.Indexed = DefaultIndexed
	}
	if o.FS == nil {
		o.FS = wal.OS()
	}
	if o.Clock == nil {
		o.Clock = systemClock{}
	}
	if o.Free == nil {
		o.Free = func() int64 { return -1 }
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.SegmentSize <= 0 {
		o.SegmentSize = defaultSegmentSize
		if o.Capacity > 0 {
			o.SegmentSize = min(o.SegmentSize, o.Capacity/8)
		}
	}
	reached, err := reached(o.FS, dir)
	if err != nil {
		return nil, err
	}
	log, err := wal.Open(dir, wal.Options{
		Reached: reached, LockWait: o.LockWait, SegmentSize: o.SegmentSize, Reserve: o.SegmentSize / reserve, Capacity: o.Capacity, FS: o.FS, Now: o.Clock.Now, Logger: o.Logger, OnSync: o.OnSync,
	})
	if err != nil {
		return nil, err
	}
	q := &Queue{
		dir: dir, o: o, log: log, zap: o.Logger.With(zap.String("queue", dir)), next: 1,
		janitor:      janitor{woken: make(chan struct{}, 1)},
		destinations: make(map[string]*destination), inFlight: make(map[store.Key]*write), segments: make(map[uint32]*segment),
	}
	if err := q.load(); err != nil {
		if q.seen != nil {
			err = errors.Join(err, q.seen.Close())
		}
		return nil, errors.Join(fmt.Errorf("%s: %w", dir, err), log.Close())
	}
	q.mu.Lock()
	for _, d := range q.destinations {
		q.mayReadOn(d)
	}
	q.mu.Unlock()
	q.janitor.start(q)
	return q, nil
}

// Close closes the queue. All handles have been closed before.
func (q *Queue) Close() error {
	q.mu.Lock()
	q.closed = true
	for _, d := range q.destinations {
		d.stopTimer()
	}
	q.mu.Unlock()
	q.janitor.stop()
	q.running.Wait()
	if err := errors.Join(q.snapshot(), q.seen.Flush()); err != nil {
		q.zap.Warn("writing a snapshot; opening the queue will take longer", zap.Error(err))
	}
	return errors.Join(q.seen.Close(), q.log.Close())
}

func (q *Queue) now() int64 { return record.Nanoseconds(q.o.Clock.Now()) }

// A Handle is a use of a queue.
type Handle struct {
	*Queue
	id     uint32
	closed chan struct{}
	close  func() error
}

// Handle returns a use of the queue, which calls close when it ends.
func (q *Queue) Handle(close func() error) *Handle {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.handles++
	return &Handle{Queue: q, id: q.handles, closed: make(chan struct{}), close: close}
}

// Close implements store.Queue.
func (h *Handle) Close() error {
	close(h.closed)
	h.mu.Lock()
	for _, d := range h.destinations {
		d.schedule.Release(h.id)
		h.wake(d, h.now())
	}
	h.mu.Unlock()
	return h.close()
}

// A write is records with deliveries on their way to the disk.
type write struct {
	records [][]byte
	first   store.Number // that the records could have
	moving  []moving     // if they are moved
	batch   *wal.Batch
	keys    []store.Key   // those that are in flight with it
	done    chan struct{} // closed when it was applied, or failed
	err     error         // once done is closed
}

// begin starts to write records with deliveries. Each record's first number is
// its base and the next one that is free.
func (q *Queue) begin(ctx context.Context, w *write, bases []int, numbers int) (err error) {
	q.order.Lock()
	defer q.order.Unlock()
	for i, r := range w.records {
		record.SetNumber(r, q.next+store.Number(bases[i]))
	}
	if w.batch, err = q.log.Begin(ctx, w.records...); err != nil {
		return err
	}
	w.first = q.next
	q.next += store.Number(numbers)
	q.written(w.batch)
	q.mu.Lock()
	q.pending = append(q.pending, w)
	q.mu.Unlock()
	return nil
}

// written takes note of what was begun. The lock order is held.
func (q *Queue) written(batch *wal.Batch) {
	last := batch.Positions[len(batch.Positions)-1]
	if last.Segment() != q.last.Segment() {
		q.janitor.wake()
	}
	q.last = last
}

// wait waits until a write was applied. If the context ends first, that will
// happen without the caller.
func (q *Queue) wait(ctx context.Context, w *write) error {
	select {
	case <-w.done:
	case <-w.batch.Done():
		q.applyPending()
		<-w.done
	case <-ctx.Done():
		q.running.Go(func() {
			<-w.batch.Done()
			q.applyPending()
		})
		return fmt.Errorf("%w: %w", store.ErrBusy, ctx.Err())
	}
	return w.err
}

// applyPending applies what is on the disk, in order.
func (q *Queue) applyPending() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.pending) > 0 {
		w := q.pending[0]
		select {
		case <-w.batch.Done():
		default:
			return
		}
		q.pending[0] = nil
		q.pending = q.pending[1:]
		switch w.err = asQueueError(w.batch.Wait(context.Background())); {
		case w.err != nil:
		case w.moving != nil:
			q.applyMove(w)
		default:
			w.err = q.apply(w)
		}
		q.land(w)
		close(w.done)
	}
	q.pending = nil
}

// apply adds what was written to the schedules. The lock mu is held.
func (q *Queue) apply(w *write) error {
	var touched []*destination
	for i, r := range w.records {
		if _, err := q.stored(w.batch.Positions[i], r, func(d *destination, _ store.Number, _ schedule.Ref) {
			if !slices.Contains(touched, d) {
				touched = append(touched, d)
			}
		}); err != nil {
			return err
		}
	}
	q.lastApplied = w.batch.Positions[len(w.records)-1]
	now := q.now()
	for _, d := range touched {
		q.wake(d, now)
	}
	return nil
}

// asQueueError returns an error of the log as one of the queue.
func asQueueError(err error) error {
	switch {
	case errors.Is(err, wal.ErrFull):
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	case errors.Is(err, wal.ErrBusy):
		return fmt.Errorf("%w: %w", store.ErrBusy, err)
	case errors.Is(err, wal.ErrClosed):
		return ErrClosed
	}
	return err
}

// Interface guard
var _ store.Queue = (*Handle)(nil)
