package wal

import (
	"errors"
	"fmt"
	"io"
)

// firstRead is how many bytes Read asks for without knowing the length.
const firstRead = 1024

// Read returns the record at a position, in the memory of buf if it is large
// enough. The error is ErrNotFound if its segment was removed, and ErrDamaged
// if the record is not whole any more.
func (l *Log) Read(p Position, buf []byte) ([]byte, error) {
	segments := *l.segments.Load()
	i, ok := findSegment(segments, p.Segment())
	if !ok || !segments[i].use() {
		return nil, fmt.Errorf("record %d of segment %d: %w", p.Offset(), p.Segment(), ErrNotFound)
	}
	s := segments[i]
	defer func() { _ = s.done() }()
	room := s.written.Load() - p.Offset()
	if room < recordHeaderSize || p.Offset() < dataStart {
		return l.readMoved(p, buf)
	}
	if cap(buf) < firstRead {
		buf = make([]byte, firstRead)
	}
	buf = buf[:min(room, int64(cap(buf)))]
	n, err := s.file.ReadAt(buf, p.Offset())
	if n < recordHeaderSize && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading %s: %w", s.name, err)
	}
	if n >= recordHeaderSize {
		if size := recordHeaderSize + int64(little.Uint32(buf[4:])); size > int64(n) && size <= room {
			rest := make([]byte, size)
			copy(rest, buf[:n])
			buf = rest
			more, err := s.file.ReadAt(buf[n:], p.Offset()+int64(n))
			if n += more; err != nil && !errors.Is(err, io.EOF) {
				return nil, fmt.Errorf("reading %s: %w", s.name, err)
			}
		}
	}
	r, ok := parseRecord(buf[:n], s.place, p.Offset())
	if !ok {
		if s.checked.CompareAndSwap(false, true) {
			_ = l.scanSegment(s, 0, func(Position, []byte) error { return nil }) // names what is damaged
		}
		return nil, fmt.Errorf("record %d of %s: %w", p.Offset(), s.name, ErrDamaged)
	}
	return buf[:copy(buf, r)], nil
}

// readMoved reads a record that was written again after an error.
func (l *Log) readMoved(p Position, buf []byte) ([]byte, error) {
	l.mu.Lock()
	to, ok := l.moved[p]
	l.mu.Unlock()
	if !ok {
		return nil, fmt.Errorf("record %d of segment %d: %w", p.Offset(), p.Segment(), ErrNotFound)
	}
	return l.Read(to, buf)
}

// Scan calls visit with each record from a position on, in order. The record is
// valid until visit returns. Damage is set aside and passed over. What is
// appended meanwhile may be visited or not. Scan reads whole segments, that of
// the position included, and stops at the first error of visit, which it
// returns.
func (l *Log) Scan(from Position, visit func(Position, []byte) error) error {
	for _, s := range *l.segments.Load() {
		if s.number < from.Segment() || !s.use() {
			continue
		}
		err := l.scanSegment(s, from, visit)
		_ = s.done()
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *Log) scanSegment(s *segment, from Position, visit func(Position, []byte) error) error {
	written := s.written.Load()
	scan := s.scan(written)
	end, err := scan.walk(func(b batch, body []byte) error {
		return b.records(body, s.number, func(p Position, r []byte) error {
			if p < from {
				return nil
			}
			return visit(p, r)
		})
	}, func(start, end int64) error {
		l.setAside(s, start, end)
		return nil
	})
	if err != nil {
		return err
	}
	if s.unsure {
		written = scan.lastByte(end)
	}
	if written > end {
		l.setAside(s, end, written)
	}
	return nil
}
