package wal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
)

// A group is what one write puts into a segment, and one sync on the disk.
type group struct {
	seg     *segment
	offset  int64 // of buf in the segment
	buf     []byte
	records int64
	batches int
	sync    bool        // a call waits until it is on the disk
	lazy    []lazyBatch // what to write again if it does not get there
	err     error       // once done is closed

	written chan struct{} // closed when it was written; nil if no call waits for that
	done    chan struct{} // closed when it is on the disk, or failed
}

// A lazyBatch is a batch that its caller takes for written, though it is not on
// the disk.
type lazyBatch struct {
	records   [][]byte
	positions []Position
	returned  bool // AppendLazy has
}

// A Batch is records on their way to the disk.
type Batch struct {
	// Where the records are once they are there. Of two batches, the one that
	// was begun first has the lower positions.
	Positions []Position

	group   *group
	written chan struct{} // see group
}

// Append appends records as one batch, and returns where they are once they
// are on the disk. Calls that come while the disk is busy share one write and
// one sync.
//
// The context bounds the wait only. If it ends before the batch is on the disk,
// the error is ErrPending and the context's, and the batch will be there, or
// fail, later. Who must know which uses Begin.
//
// If the disk fails, the error is its own. The batch is not acknowledged then;
// unless the process ends before the log could go on, it is not there later.
func (l *Log) Append(ctx context.Context, records ...[]byte) ([]Position, error) {
	b, err := l.Begin(ctx, records...)
	if err != nil {
		return nil, err
	}
	return b.Positions, b.Wait(ctx)
}

// Begin starts to append records as one batch, and does not wait until they
// are on the disk. The records are copied. Unless the log is about to go on in
// another segment and has to make one, it returns at once.
func (l *Log) Begin(ctx context.Context, records ...[]byte) (*Batch, error) {
	return l.begin(ctx, records, false)
}

// Wait waits until the batch is on the disk. See Append for its errors.
func (b *Batch) Wait(ctx context.Context) error {
	select {
	case <-b.group.done:
		return b.group.err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrPending, ctx.Err())
	}
}

// Done returns a channel that is closed once Wait will not wait any more.
func (b *Batch) Done() <-chan struct{} { return b.group.done }

// AppendLazy appends records as one batch, and returns once they are written:
// they survive the process from then on, and the machine when they are on the
// disk with the next sync, [Options.LazySync] later at most. It may use the
// reserve.
//
// A position that it returned stays valid while the log is open. If the disk
// fails before the sync, the records are written again elsewhere, and when the
// log is opened the next time they are only there.
func (l *Log) AppendLazy(records ...[]byte) ([]Position, error) {
	b, err := l.BeginLazy(records...)
	if err != nil {
		return nil, err
	}
	return b.Positions, b.Written()
}

// BeginLazy starts to append records as AppendLazy does, and does not wait
// until they are written.
func (l *Log) BeginLazy(records ...[]byte) (*Batch, error) {
	return l.begin(context.Background(), records, true)
}

// Written waits until a batch of BeginLazy is written.
func (b *Batch) Written() error {
	select {
	case <-b.written:
		return nil
	case <-b.group.done: // it failed, unless both are closed by now
	}
	select {
	case <-b.written:
		return nil
	default:
		return b.group.err
	}
}

// Sync waits until everything that was written is on the disk.
func (l *Log) Sync(ctx context.Context) error {
	l.mu.Lock()
	if l.closed || l.active == nil {
		defer l.mu.Unlock()
		if l.closed {
			return ErrClosed
		}
		return l.cause
	}
	b := &Batch{group: l.join()}
	b.group.sync = true
	l.wake.Signal()
	l.mu.Unlock()
	return b.Wait(ctx)
}

// Seal begins a new segment, unless the current one is empty.
func (l *Log) Seal(ctx context.Context) error {
	l.mu.Lock()
	var sealed *segment
	if l.active != nil && l.end > dataStart {
		sealed = l.active
	}
	l.mu.Unlock()
	if sealed == nil {
		return nil
	}
	return l.wait(ctx, func() (ready bool, making <-chan struct{}, err error) {
		switch {
		case l.closed:
			return false, nil, ErrClosed
		case l.active != sealed:
			return true, nil, nil
		case l.spare != nil:
			l.advance()
			return true, nil, nil
		}
		l.makeSpare(false)
		return false, l.making, l.makeErr
	})
}

// begin adds a batch to what is to be written.
func (l *Log) begin(ctx context.Context, records [][]byte, lazy bool) (b *Batch, err error) {
	size := batchSize(records)
	if len(records) == 0 {
		return nil, errors.New("no records")
	}
	if size > l.o.SegmentSize-dataStart-l.o.Reserve {
		return nil, ErrTooLarge
	}
	err = l.wait(ctx, func() (ready bool, making <-chan struct{}, err error) {
		if ready, making, err = l.room(size, lazy); ready {
			b = l.add(records, size, lazy)
		}
		return ready, making, err
	})
	return b, err
}

// wait calls try until it is ready or has an error, each time after the
// attempt to make another segment that it returned has ended.
func (l *Log) wait(ctx context.Context, try func() (ready bool, making <-chan struct{}, err error)) error {
	for {
		l.mu.Lock()
		ready, making, err := try()
		l.mu.Unlock()
		switch {
		case ready:
			return nil
		case making == nil:
			return cmp.Or(err, ErrFull)
		}
		select {
		case <-making:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// room sees to it that the active segment has room for a batch. If that takes
// another segment first, it returns what to wait for, and if there is none, an
// error.
func (l *Log) room(size int64, lazy bool) (ready bool, making <-chan struct{}, err error) {
	switch {
	case l.closed:
		return false, nil, ErrClosed
	case l.active == nil || len(l.redo) > 0:
		return false, l.making, cmp.Or(l.cause, l.makeErr)
	case !lazy && l.o.Capacity > 0 && l.total > l.o.Capacity:
		return false, nil, ErrFull
	case !lazy && l.bytes+size > mostPending && l.bytes > 0:
		return false, nil, ErrBusy
	}
	limit := l.active.size
	if !lazy && l.spare == nil {
		limit -= l.o.Reserve
	}
	if l.end+size <= limit {
		return true, nil, nil
	}
	switch {
	case l.spare == nil:
		l.makeSpare(lazy)
		return false, l.making, l.makeErr
	case dataStart+size > l.spare.size: // it is a small one
		return false, nil, ErrFull
	}
	l.advance()
	return true, nil, nil
}

// add adds a batch to the group that is written next.
func (l *Log) add(records [][]byte, size int64, lazy bool) *Batch {
	g := l.join()
	b := &Batch{group: g, Positions: make([]Position, len(records))}
	offset := l.end + batchHeaderSize
	for i, r := range records {
		b.Positions[i] = position(l.active.number, offset)
		offset += recordHeaderSize + int64(len(r))
	}
	g.buf = appendBatch(g.buf, l.active.place, l.end, l.active.synced, records)
	g.records += int64(len(records))
	g.batches++
	l.end += size
	l.marked = false
	l.bytes += size
	if lazy {
		if g.written == nil {
			g.written = make(chan struct{})
		}
		b.written = g.written
		g.lazy = append(g.lazy, lazyBatch{records: cloneRecords(records), positions: b.Positions})
	} else {
		g.sync = true
	}
	l.wake.Signal()
	return b
}

// cloneRecords copies records into one piece of memory.
func cloneRecords(records [][]byte) [][]byte {
	n := 0
	for _, r := range records {
		n += len(r)
	}
	all, clones := make([]byte, 0, n), make([][]byte, len(records))
	for i, r := range records {
		start := len(all)
		all = append(all, r...)
		clones[i] = all[start:]
	}
	return clones
}

// join returns the group that the next batch joins.
func (l *Log) join() *group {
	if l.open != nil {
		return l.open
	}
	g := &group{seg: l.active, offset: l.end, buf: l.buf[:0], done: make(chan struct{})}
	l.buf = nil
	l.open, l.queue = g, append(l.queue, g)
	return g
}
