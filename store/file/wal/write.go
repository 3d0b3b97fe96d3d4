package wal

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"go.uber.org/zap"
)

// write writes one group after another, until the log is closed.
func (l *Log) write() {
	for {
		l.mu.Lock()
		for len(l.queue) == 0 && !l.closed {
			l.wake.Wait()
		}
		if len(l.queue) == 0 {
			l.mu.Unlock()
			return
		}
		l.gather()
		g := l.queue[0]
		l.queue = slices.Delete(l.queue, 0, 1)
		if l.open == g {
			l.open = nil
		}
		l.mu.Unlock()
		if err := l.writeGroup(g); err != nil {
			l.fail(g, err)
		}
	}
}

// gather lets run who is ready to, as long as that adds to the next group, for a
// part of the time that a sync takes. Those whose last batch is just done often
// have another one, and would otherwise become two halves that wait for each
// other's sync.
func (l *Log) gather() {
	if l.shared < 2 {
		return
	}
	start := time.Now()
	for before := int64(-1); l.bytes > before && time.Since(start) < l.took/4; {
		before = l.bytes
		l.mu.Unlock()
		runtime.Gosched()
		l.mu.Lock()
	}
}

// writeGroup writes a group, and syncs it if anybody waits for that.
func (l *Log) writeGroup(g *group) error {
	if l.last != g.seg {
		if err := l.turnTo(g.seg); err != nil {
			return err
		}
	}
	if len(g.buf) > 0 {
		if _, err := g.seg.file.WriteAt(g.buf, g.offset); err != nil {
			return fmt.Errorf("writing %s: %w", g.seg.name, err)
		}
	}
	if l.wrote(g) {
		if err := l.sync(g.seg); err != nil {
			return err
		}
	}
	l.mu.Lock()
	l.bytes -= int64(len(g.buf))
	l.shared = g.batches
	if cap(g.buf) <= keptBuffer {
		l.buf = g.buf
	}
	l.mu.Unlock()
	close(g.done)
	return nil
}

// keptBuffer is the largest buffer that is kept for the next group.
const keptBuffer = 4 << 20

// turnTo begins a segment, after the last one is on the disk whole. The header
// is synced before anything else is written, so that a segment without one is
// either new or damaged.
func (l *Log) turnTo(s *segment) error {
	last := l.last
	if last != nil {
		if err := l.sync(last); err != nil {
			return err
		}
		l.running.Go(func() { l.trim(last) })
	}
	l.last = s
	l.mu.Lock()
	s.created = l.o.Now().UnixNano()
	if last != nil {
		s.previous, s.end = last.number, uint32(last.synced)
	}
	l.mu.Unlock()
	start := make([]byte, dataStart)
	s.put(start)
	if _, err := s.file.WriteAt(start, 0); err != nil {
		return fmt.Errorf("writing %s: %w", s.name, err)
	}
	s.written.Store(dataStart)
	l.mu.Lock()
	l.stats.Bytes += dataStart
	l.mu.Unlock()
	return l.sync(s)
}

// wrote takes note that a group was written, and reports whether it is to be
// synced now.
func (l *Log) wrote(g *group) (sync bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g.seg.written.Store(g.offset + int64(len(g.buf)))
	l.stats.Records += g.records
	l.stats.Bytes += int64(len(g.buf))
	for _, b := range g.lazy {
		l.lazyBytes += int(batchSize(b.records))
		b.returned = true
		l.lazy = append(l.lazy, b)
	}
	g.lazy = nil
	if g.written != nil {
		close(g.written)
	}
	if g.sync || l.lazyBytes > mostUnsynced {
		return true
	}
	if len(l.lazy) > 0 && l.timer == nil && !l.closed {
		l.timer = time.AfterFunc(l.o.LazySync, l.syncLazy)
	}
	return false
}

// syncLazy has the writer sync what AppendLazy has written.
func (l *Log) syncLazy() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer = nil
	if len(l.lazy) > 0 && l.active != nil && !l.closed {
		l.join().sync = true
		l.wake.Signal()
	}
}

// sync puts on the disk what was written to a segment.
func (l *Log) sync(s *segment) error {
	written := s.written.Load()
	if written == s.synced {
		return nil
	}
	start := time.Now()
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("syncing %s: %w", s.name, err)
	}
	took := time.Since(start)
	l.mu.Lock()
	l.took = took
	bytes := int(written - s.synced)
	s.synced = written
	if len(l.redo) == 0 && written > dataStart { // it may be dropped before
		l.durable = position(s.number, written)
	}
	l.lazy, l.lazyBytes = nil, 0
	l.stats.Syncs++
	l.mu.Unlock()
	l.o.OnSync(took, bytes)
	return nil
}

// fail gives up the segment that was written to last, with everything that
// waits, and goes on in the next one. What a failed write or sync leaves in a
// file, only the disk knows: a later sync that succeeds says nothing about it.
func (l *Log) fail(g *group, err error) {
	err = l.explain(err)
	l.log.Error("the disk failed; going on in a new segment", zap.Error(err))
	l.mu.Lock()
	failed := append([]*group{g}, l.queue...)
	l.queue, l.open, l.bytes = nil, nil, 0
	l.stats.Errors++
	again := l.lazy
	for _, g := range failed {
		for _, b := range g.lazy {
			if b.returned {
				again = append(again, b)
			}
		}
	}
	l.redo, l.lazy, l.lazyBytes = append(again, l.redo...), nil, 0
	l.cause = err
	dropped, fresh := l.giveUp(l.last)
	if fresh {
		l.pause() // rather than to go through one segment after another
	} else {
		l.goOn()
	}
	l.mu.Unlock()
	for _, s := range dropped {
		if err := errors.Join(s.done(), l.fs.Remove(s.name), l.fs.SyncDir(l.dir)); err != nil {
			l.log.Warn("removing an empty segment", zap.Error(err))
		}
	}
	for _, g := range failed {
		g.err = err
		close(g.done)
	}
}

// giveUp closes a segment that failed where it is known to be on the disk. It
// returns the segments that hold nothing, which are no longer part of the log,
// and whether that is one of them.
func (l *Log) giveUp(s *segment) (dropped []*segment, fresh bool) {
	s.written.Store(s.synced)
	s.sealed = true
	l.active = nil
	var kept []*segment
	for _, other := range *l.segments.Load() {
		if other.synced > dataStart {
			kept = append(kept, other)
			continue
		}
		dropped = append(dropped, other)
		fresh = fresh || other == s
	}
	l.segments.Store(&kept)
	l.last = nil
	if len(kept) > 0 {
		l.last = kept[len(kept)-1]
	}
	l.measure()
	return dropped, fresh
}
