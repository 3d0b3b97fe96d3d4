package wal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"

	"go.uber.org/zap"
)

// recover finds what is in the folder, and where to go on.
func (l *Log) recover() error {
	names, err := l.fs.List(l.dir)
	if err != nil {
		return err
	}
	// A file that is gone, or there, must not be otherwise after a power cut.
	if err := l.fs.SyncDir(l.dir); err != nil {
		return err
	}
	var found []*segment
	for _, name := range names {
		if err := l.recoverName(name, &found); err != nil {
			return err
		}
	}
	if l.salt == 0 {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails
		l.salt = little.Uint64(b[:])
	}
	for _, s := range found {
		if s.salt == 0 {
			s.place = place{l.salt, s.number}
		}
	}
	used, err := l.setAsideUnused(found)
	if err != nil {
		return err
	}
	l.segments.Store(&used)
	findEnds(used)
	l.durable = position(l.next, 0)
	l.next++
	if len(used) > 0 {
		l.recoverLast(used[len(used)-1])
	}
	if err := l.passReached(); err != nil {
		return err
	}
	if l.active == nil && l.spare == nil {
		l.spare, err = createSegment(l.fs, l.dir, l.next, l.o.SegmentSize)
		switch {
		case err == nil:
			l.next++
		case len(used) == 0:
			return err
		default: // what is stored can be read, and delivered
			l.cause = l.explain(err)
			l.log.Error("no room for a new segment", zap.Error(err))
			l.mu.Lock()
			l.pause()
			l.mu.Unlock()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.measure()
	for _, s := range used {
		if s.sealed && !s.unsure {
			l.running.Go(func() { l.trim(s) })
		}
	}
	if l.cause == nil {
		l.goOn()
	}
	return nil
}

// recoverName takes up a file by its name.
func (l *Log) recoverName(name string, found *[]*segment) error {
	if d, ok := parseDamageName(name); ok {
		d.File = filepath.Join(l.dir, name)
		l.damage[position(d.Segment, d.Start)] = d
		l.next = max(l.next, d.Segment)
		return l.measureDamage(d)
	}
	number, ok := segmentNumber(name)
	if !ok {
		return nil
	}
	s, err := openSegment(l.fs, l.dir, number)
	switch {
	case errors.Is(err, errBlank), errors.Is(err, errHeader):
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	case l.salt == 0:
		l.salt = s.salt
	}
	*found = append(*found, s)
	l.next = max(l.next, number)
	return nil
}

// setAsideUnused returns the segments that have been written to. Of the others,
// the last becomes the spare if it has the right size.
func (l *Log) setAsideUnused(found []*segment) (used []*segment, err error) {
	for i, s := range found {
		// A segment that its next does not follow has failed before anything
		// of it was on the disk.
		dropped := i+1 < len(found) && found[i+1].created != 0 && found[i+1].previous < s.number
		if s.created != 0 && !dropped {
			used = append(used, s)
			continue
		}
		if scan := s.scan(s.size); !dropped && (scan.lastByte(dataStart) > dataStart || scan.unreadable) {
			l.log.Error("the header of a segment is damaged", zap.String("segment", s.name))
			used = append(used, s)
			continue
		}
		if !dropped && s.size == l.o.SegmentSize && s == found[len(found)-1] {
			l.spare = s
			continue
		}
		if err := errors.Join(s.done(), l.fs.Remove(s.name)); err != nil {
			return nil, err
		}
	}
	return used, nil
}

// findEnds sets where the batches of all segments but the last end.
func findEnds(segments []*segment) {
	for i, s := range segments {
		end := s.size
		s.unsure = true
		if i+1 < len(segments) {
			s.sealed = true
			if next := segments[i+1]; next.previous == s.number {
				end, s.unsure = int64(next.end), false
			}
		}
		s.written.Store(end)
		s.synced = end
	}
}

// passReached has the log go on behind a position that it had reached, if what
// it has ends before.
func (l *Log) passReached() error {
	if l.durable >= l.o.Reached {
		return nil
	}
	l.log.Error("a part of the log is missing at its end",
		zap.Uint32("segment", l.durable.Segment()), zap.Int64("offset", l.durable.Offset()),
		zap.Uint32("reached_segment", l.o.Reached.Segment()), zap.Int64("reached_offset", l.o.Reached.Offset()))
	l.stats.Missing = true
	if l.active != nil {
		l.active.sealed = true
		l.active = nil
	}
	l.next = max(l.next, l.o.Reached.Segment()+1)
	if s := l.spare; s != nil && s.number < l.next {
		l.spare = nil
		return errors.Join(s.done(), l.fs.Remove(s.name))
	}
	return nil
}

// recoverLast makes the last segment ready to be written to, or closes it.
func (l *Log) recoverLast(s *segment) {
	scan := s.scan(s.size)
	var gaps [][2]int64
	var synced int64
	marked := false
	end, _ := scan.walk(func(b batch, _ []byte) error {
		synced = max(synced, b.synced)
		marked = b.void() && b.synced == b.offset
		return nil
	}, func(start, end int64) error {
		gaps = append(gaps, [2]int64{start, end})
		return nil
	})
	last := scan.lastByte(end)
	s.written.Store(end)
	s.synced, s.unsure = end, false
	l.last, l.durable = s, position(s.number, end)
	if end == dataStart { // without a batch it may be dropped
		l.durable = position(s.previous, int64(s.end))
	}
	for _, gap := range gaps {
		if scan.unreadable || gap[0] < synced {
			l.setAside(s, gap[0], gap[1])
		}
	}
	switch {
	case scan.unreadable:
		if last > end {
			l.setAside(s, end, last)
		}
		s.sealed = true
		return
	case s.created == 0: // without a header, nothing is to be added to it
		s.sealed = true
		return
	}
	// What a process left that was killed may not be on the disk yet, and if a
	// sync of its own failed, another one says nothing about it. So it is
	// written again.
	var err error
	for at := max(synced, dataStart); at < end && err == nil; at += chunk {
		_, err = s.file.WriteAt(scan.bytes(at, min(chunk, end-at)), at)
	}
	if err == nil {
		err = s.file.Sync()
	}
	torn := false
	for _, gap := range gaps {
		if gap[0] >= synced && err == nil {
			torn = true
			err = l.void(s, gap[0], gap[1])
		}
	}
	if last > end && err == nil {
		torn = true
		if end+batchHeaderSize > s.size { // nothing fits there anyway
			s.sealed = true
			l.stats.TornBytes += last - end
			return
		}
		if err = l.void(s, end, last); err == nil {
			end = max(last, end+batchHeaderSize)
		}
	}
	if torn && err == nil {
		err = s.file.Sync()
	}
	if err != nil {
		l.log.Error("the disk failed; going on in a new segment", zap.Error(err))
		s.sealed = true
		return
	}
	s.written.Store(end)
	s.synced = end
	l.active, l.end, l.marked = s, end, marked
}

// void fills a place that a crash left torn, so that it is passed over from now
// on.
func (l *Log) void(s *segment, start, end int64) error {
	l.log.Warn("a crash left a batch torn that was not acknowledged",
		zap.String("segment", s.name), zap.Int64("offset", start), zap.Int64("bytes", end-start))
	l.stats.TornBytes += end - start
	length := max(end-start-batchHeaderSize, 0)
	_, err := s.file.WriteAt(appendBatchHeader(nil, s.place, start, start, length, 0), start)
	return err
}
