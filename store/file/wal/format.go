package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
)

const (
	page      = 4096
	dataStart = 2 * page // where the batches begin

	headerSize       = 40
	batchHeaderSize  = 20
	recordHeaderSize = 8
)

var (
	headerMagic = []byte("MWHLOG\x00\x01") // the last byte is the version
	batchMagic  = []byte("\xffwb\xfe")     // never in UTF-8

	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	little     = binary.LittleEndian
)

// A Position is where a record is: the number of its segment, and its offset
// there. Later records have higher positions. There is no record at 0.
type Position uint64

func position(segment uint32, offset int64) Position {
	return Position(uint64(segment)<<32 | uint64(uint32(offset)))
}

// Segment returns the number of the record's segment.
func (p Position) Segment() uint32 { return uint32(p >> 32) }

// Offset returns where in its segment the record is.
func (p Position) Offset() int64 { return int64(uint32(p)) }

// A place is what the checksums of a segment are bound to.
type place struct {
	salt   uint64
	number uint32
}

// seed returns what the checksum of something at an offset starts from.
func (p place) seed(offset int64) uint32 {
	x := p.salt ^ uint64(position(p.number, offset))
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return uint32(x>>32) ^ uint32(x)
}

// A header is the start of a segment.
type header struct {
	place
	previous uint32 // the segment before, if any
	end      uint32 // where its batches end
	created  int64  // nanoseconds since 1970
}

// put writes both copies of the header to the start of a segment.
func (h header) put(start []byte) {
	b := start[:0:headerSize]
	b = append(b, headerMagic...)
	b = little.AppendUint32(b, h.number)
	b = little.AppendUint32(b, h.previous)
	b = little.AppendUint32(b, h.end)
	b = little.AppendUint64(b, h.salt)
	b = little.AppendUint64(b, uint64(h.created))
	b = little.AppendUint32(b, crc32.Checksum(b, castagnoli))
	copy(start[page:], b)
}

var (
	errBlank   = errors.New("there is nothing in it")
	errHeader  = errors.New("its header is damaged")
	errVersion = errors.New("it was written by a later version")
)

// parseHeader returns the header at the start of a segment, from whichever of
// its copies is whole.
func parseHeader(start []byte) (h header, err error) {
	err = errHeader
	for ; len(start) >= headerSize; start = start[min(page, len(start)):] {
		b := start[:headerSize]
		if little.Uint32(b[headerSize-4:]) != crc32.Checksum(b[:headerSize-4], castagnoli) {
			continue
		}
		if version := len(headerMagic) - 1; !bytes.Equal(b[:version], headerMagic[:version]) {
			continue
		} else if b[version] != headerMagic[version] {
			return h, errVersion
		}
		return header{
			place:    place{little.Uint64(b[20:]), little.Uint32(b[8:])},
			previous: little.Uint32(b[12:]),
			end:      little.Uint32(b[16:]),
			created:  int64(little.Uint64(b[28:])),
		}, nil
	}
	return h, err
}

// blank reports whether there are only zeros.
func blank(b []byte) bool {
	return len(bytes.TrimLeft(b, "\x00")) == 0
}

// batchSize returns how much room records take.
func batchSize(records [][]byte) int64 {
	n := int64(batchHeaderSize)
	for _, r := range records {
		n += recordHeaderSize + int64(len(r))
	}
	return n
}

// appendBatch appends a batch that is to be written at an offset.
func appendBatch(b []byte, p place, offset, synced int64, records [][]byte) []byte {
	b = appendBatchHeader(b, p, offset, synced, batchSize(records)-batchHeaderSize, len(records))
	offset += batchHeaderSize
	for _, r := range records {
		start := len(b)
		b = append(b, 0, 0, 0, 0)
		b = little.AppendUint32(b, uint32(len(r)))
		b = append(b, r...)
		little.PutUint32(b[start:], crc32.Update(p.seed(offset), castagnoli, b[start+4:]))
		offset += recordHeaderSize + int64(len(r))
	}
	return b
}

func appendBatchHeader(b []byte, p place, offset, synced, length int64, count int) []byte {
	start := len(b)
	b = append(b, batchMagic...)
	b = append(b, 0, 0, 0, 0)
	b = little.AppendUint32(b, uint32(length))
	b = little.AppendUint32(b, uint32(count))
	b = little.AppendUint32(b, uint32(synced))
	little.PutUint32(b[start+4:], crc32.Update(^p.seed(offset), castagnoli, b[start+8:]))
	return b
}

// A batch is what the header of one says.
type batch struct {
	offset int64
	length int64 // of the records
	count  int
	synced int64
}

func (b batch) end() int64 { return b.offset + batchHeaderSize + b.length }

// void reports whether it fills a place that a crash left torn.
func (b batch) void() bool { return b.count == 0 }

// parseBatch returns the batch that starts at an offset of a segment, if what
// is there is the header of one.
func parseBatch(b []byte, p place, offset int64) (batch, bool) {
	if len(b) < batchHeaderSize || !bytes.HasPrefix(b, batchMagic) ||
		little.Uint32(b[4:]) != crc32.Update(^p.seed(offset), castagnoli, b[8:batchHeaderSize]) {
		return batch{}, false
	}
	return batch{offset, int64(little.Uint32(b[8:])), int(little.Uint32(b[12:])), int64(little.Uint32(b[16:]))}, true
}

// checkRecords reports whether the records of a batch are whole, given the
// bytes behind its header.
func (b batch) checkRecords(body []byte, p place) bool {
	if int64(len(body)) != b.length {
		return false
	}
	offset := b.offset + batchHeaderSize
	for range b.count {
		r, ok := parseRecord(body, p, offset)
		if !ok {
			return false
		}
		n := recordHeaderSize + len(r)
		body, offset = body[n:], offset+int64(n)
	}
	return len(body) == 0
}

// records calls visit with each record of a batch that was checked.
func (b batch) records(body []byte, number uint32, visit func(Position, []byte) error) error {
	offset := b.offset + batchHeaderSize
	for range b.count {
		end := recordHeaderSize + int(little.Uint32(body[4:]))
		if err := visit(position(number, offset), body[recordHeaderSize:end:end]); err != nil {
			return err
		}
		body, offset = body[end:], offset+int64(end)
	}
	return nil
}

// parseRecord returns the record at the start of b, if it is one that was
// written at this offset, and whole.
func parseRecord(b []byte, p place, offset int64) ([]byte, bool) {
	if len(b) < recordHeaderSize {
		return nil, false
	}
	length := int64(little.Uint32(b[4:]))
	if length > int64(len(b)-recordHeaderSize) {
		return nil, false
	}
	end := recordHeaderSize + int(length)
	if little.Uint32(b) != crc32.Update(p.seed(offset), castagnoli, b[4:end]) {
		return nil, false
	}
	return b[recordHeaderSize:end], true
}
