package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"go.uber.org/zap"
)

// advance closes the active segment and begins the next one, for which there
// is a spare.
func (l *Log) advance() {
	l.active.sealed = true
	l.activate()
}

// activate begins the segment for which there is a spare.
func (l *Log) activate() {
	l.active, l.spare = l.spare, nil
	l.active.salt = l.salt
	l.segments.Store(new(append(slices.Clone(*l.segments.Load()), l.active)))
	l.open, l.end, l.cause = nil, dataStart, nil
	l.rewrite()
	l.makeSpare(len(l.redo) > 0)
}

// rewrite writes again what an error has kept off the disk.
func (l *Log) rewrite() {
	for len(l.redo) > 0 {
		b := l.redo[0]
		size := batchSize(b.records)
		if l.end+size > l.active.size {
			return
		}
		again := l.add(b.records, size, true)
		for i, p := range again.Positions {
			l.moved[b.positions[i]] = p
		}
		again.group.lazy[len(again.group.lazy)-1] = b
		again.group.sync = true
		l.redo = l.redo[1:]
	}
	l.redo = nil
}

// goOn goes on after an error in another segment.
func (l *Log) goOn() {
	switch {
	case l.closed:
	case l.spare != nil && l.active == nil:
		l.activate()
	case l.spare != nil && len(l.redo) > 0:
		l.advance()
	default:
		l.makeSpare(l.active == nil || len(l.redo) > 0)
	}
}

// pause goes on after an error a while later.
func (l *Log) pause() {
	if l.retry == nil && !l.closed {
		l.retry = time.AfterFunc(l.o.Retry, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.tryAgain()
		})
	}
}

// tryAgain tries again to make a spare, now.
func (l *Log) tryAgain() {
	l.stop(l.retry)
	l.retry = nil
	l.goOn()
}

// makeSpare has the segment made that comes after the active one, unless there
// is one, or no room for it. With force it may exceed the capacity.
func (l *Log) makeSpare(force bool) {
	switch {
	case l.spare != nil || l.making != nil || l.closed:
		return
	case !force && l.o.Capacity > 0 && l.total+l.o.SegmentSize > l.o.Capacity:
		l.makeErr = fmt.Errorf("%w below the capacity of %d bytes", ErrFull, l.o.Capacity)
		return
	case l.retry != nil:
		return
	}
	l.makeErr = nil
	l.making = make(chan struct{})
	number, least := l.next, l.o.SegmentSize
	if force && len(l.redo) == 0 {
		least = min(least, max(least/8, smallest))
	}
	l.running.Go(func() { l.made(l.create(number, least)) })
}

// smallest is how small a segment is made at least.
const smallest = 4 * dataStart

// create makes a segment. If the disk has no room for one of the usual size, it
// is smaller, but not smaller than least: a segment that was removed may have
// been cut off, and leaves a little less room than it takes to make one.
func (l *Log) create(number uint32, least int64) (s *segment, err error) {
	for size := l.o.SegmentSize; ; size /= 2 {
		s, err = createSegment(l.fs, l.dir, number, size)
		if size/2 < least || !isFull(err) {
			return s, err
		}
	}
}

// made takes the segment that was made into use, or tries again later.
func (l *Log) made(s *segment, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.making)
	l.making = nil
	switch {
	case errors.Is(err, fs.ErrExist):
		l.next++
		l.makeSpare(true)
	case err != nil:
		l.stats.Errors++
		err = l.explain(err)
		l.makeErr = err
		if l.active == nil {
			l.cause = err
		}
		if !l.warned {
			l.log.Warn("no room for the next segment", zap.Error(err))
		}
		l.warned = true
		l.pause()
	default:
		if l.warned {
			l.log.Info("there is room for the next segment")
		}
		l.warned = false
		l.next++
		l.spare = s
		l.measure()
		if l.active == nil || len(l.redo) > 0 {
			l.goOn()
		}
	}
}

// explain marks an error that means that the disk is full.
func (*Log) explain(err error) error {
	if isFull(err) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// trim cuts off what is allocated behind the end of a sealed segment, and what
// an error has left there. From then on, its size says where it ends.
func (l *Log) trim(s *segment) {
	l.mu.Lock()
	end := s.written.Load()
	done := s.size == end || !s.use()
	l.mu.Unlock()
	if done {
		return
	}
	defer func() { _ = s.done() }()
	if err := s.cut(end); err != nil {
		l.log.Warn("giving back room", zap.String("segment", s.name), zap.Error(err))
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.size = end
	l.measure()
	if l.makeErr != nil {
		l.tryAgain()
	}
}
