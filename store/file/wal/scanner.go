package wal

import (
	"bytes"
	"errors"
	"io"
)

// A scanner reads a segment from one end to the other. It never has more of it
// in memory than a chunk, or than the batch that it looks at.
type scanner struct {
	file  File
	place place
	end   int64 // where to stop

	buf        []byte // what is at start
	start      int64
	unreadable bool // the disk could not read some of it, which is taken for zeros
}

const chunk = 1 << 20

// bytes returns so many bytes at an offset, or fewer before the end.
func (s *scanner) bytes(offset, n int64) []byte {
	n = min(n, s.end-offset)
	if n <= 0 {
		return nil
	}
	if offset < s.start || offset+n > s.start+int64(len(s.buf)) {
		s.fill(offset, max(n, min(chunk, s.end-offset)))
	}
	return s.buf[offset-s.start:][:n]
}

// fill reads so many bytes at an offset. Blocks that cannot be read, and what
// is behind the end of the file, read as zeros.
func (s *scanner) fill(offset, n int64) {
	if int64(cap(s.buf)) < n {
		s.buf = make([]byte, n)
	}
	s.buf, s.start = s.buf[:n], offset
	got, err := s.file.ReadAt(s.buf, offset)
	if err == nil || errors.Is(err, io.EOF) {
		clear(s.buf[got:])
		return
	}
	for at := int64(0); at < n; {
		block := s.buf[at:min(n, at+page-(offset+at)%page)]
		got, err := s.file.ReadAt(block, offset+at)
		if err != nil && !errors.Is(err, io.EOF) {
			s.unreadable = true
			got = 0
		}
		clear(block[got:])
		at += int64(len(block))
	}
}

// batch returns the batch at an offset and its records, if it is whole.
func (s *scanner) batch(offset int64) (b batch, body []byte, ok bool) {
	b, ok = parseBatch(s.bytes(offset, batchHeaderSize), s.place, offset)
	if !ok || b.end() > s.end {
		return b, nil, false
	}
	if b.void() {
		return b, nil, true
	}
	body = s.bytes(offset+batchHeaderSize, b.length)
	return b, body, b.checkRecords(body, s.place)
}

// find returns where the first whole batch at an offset or behind it starts.
func (s *scanner) find(offset int64) (found int64, ok bool) {
	for s.end-offset >= batchHeaderSize {
		s.bytes(offset, batchHeaderSize)
		b := s.buf[offset-s.start:] // as far as it was read
		i := bytes.Index(b, batchMagic)
		if i < 0 {
			offset += int64(len(b) - len(batchMagic) + 1)
			continue
		}
		offset += int64(i)
		if _, _, ok := s.batch(offset); ok {
			return offset, true
		}
		offset++
	}
	return 0, false
}

// walk calls visit with each whole batch, and gap with the bytes between them
// that are not a batch. It returns where the last batch ends.
func (s *scanner) walk(visit func(b batch, body []byte) error, gap func(start, end int64) error) (end int64, err error) {
	offset := int64(dataStart)
	for {
		if b, body, ok := s.batch(offset); ok {
			if err := visit(b, body); err != nil {
				return offset, err
			}
			offset = b.end()
			continue
		}
		next, ok := s.find(offset + 1)
		if !ok {
			return offset, nil
		}
		if err := gap(offset, next); err != nil {
			return offset, err
		}
		offset = next
	}
}

// lastByte returns the offset behind the last byte that is not zero, at or
// behind an offset.
func (s *scanner) lastByte(offset int64) int64 {
	last := offset
	for offset < s.end {
		b := s.bytes(offset, min(chunk, s.end-offset))
		if n := len(bytes.TrimRight(b, "\x00")); n > 0 {
			last = offset + int64(n)
		}
		offset += int64(len(b))
	}
	return last
}
