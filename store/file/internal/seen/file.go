package seen

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// A file has entries sorted by key, in blocks, each with a checksum of its own:
//
//	header [page] | blocks [page] ... | first keys, 8 bytes a block | filter
//
// It is written as a whole, and never changed.
type file struct {
	span
	path   string
	file   wal.File
	count  int    // of entries
	latest uint32 // until when the last of them counts as seen
	last   wal.Position
	fences []uint64 // the high half of the first key of each block
	filter filter

	users   atomic.Int64 // one for the index, and one for each who reads
	removed atomic.Bool
	bad     atomic.Bool // it was found damaged, and set aside
}

// A span is the part of the log whose records are in a file.
type span struct{ from, to wal.Position }

const (
	extension = ".seen"
	page      = 4096
	entrySize = 28
	perBlock  = (page - 8) / entrySize
	blockSum  = page - 8 // where the checksum is
)

var (
	magic      = []byte("MWHSEEN\x01")
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	little     = binary.LittleEndian

	errDamaged = errors.New("damaged")
)

var fileName = regexp.MustCompile(`^([0-9a-f]{16})-([0-9a-f]{16})\.seen$`)

func (s span) name() string {
	return fmt.Sprintf("%016x-%016x%s", uint64(s.from), uint64(s.to), extension)
}

func parseName(name string) (span, bool) {
	m := fileName.FindStringSubmatch(name)
	if m == nil {
		return span{}, false
	}
	from, err1 := strconv.ParseUint(m[1], 16, 64)
	to, err2 := strconv.ParseUint(m[2], 16, 64)
	return span{wal.Position(from), wal.Position(to)}, err1 == nil && err2 == nil && from < to
}

// sum returns the checksum of a part of a file, which is bound to the file and
// to its number in it.
func (s span) sum(part uint32, b []byte) uint32 {
	var at [20]byte
	little.PutUint64(at[:], uint64(s.from))
	little.PutUint64(at[8:], uint64(s.to))
	little.PutUint32(at[16:], part)
	return crc32.Update(crc32.Checksum(at[:], castagnoli), castagnoli, b)
}

// The numbers of the parts that are no blocks.
const (
	headerPart = 1<<32 - 1 - iota
	fencesPart
	filterPart
)

const headerSize = 8 + 8 + 8 + 8 + 4 + 8 + 4 + 4 + 4 + 4

// header returns the first page of the file.
func (f *file) header(fencesSum, filterSum uint32) []byte {
	b := slices.Clone(magic)
	b = little.AppendUint64(b, uint64(f.from))
	b = little.AppendUint64(b, uint64(f.to))
	b = little.AppendUint64(b, uint64(f.count))
	b = little.AppendUint32(b, f.latest)
	b = little.AppendUint64(b, uint64(f.last))
	b = little.AppendUint32(b, uint32(len(f.filter)/line))
	b = little.AppendUint32(b, fencesSum)
	b = little.AppendUint32(b, filterSum)
	b = little.AppendUint32(b, f.sum(headerPart, b))
	return append(b, make([]byte, page-len(b))...)
}

// openFile opens a file and reads what is to be in memory.
func openFile(fs wal.FS, path string, s span) (f *file, err error) {
	opened, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	f = &file{span: s, path: path, file: opened}
	f.users.Store(1)
	if err := f.read(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), opened.Close())
	}
	return f, nil
}

func (f *file) read() error {
	size, err := f.file.Size()
	if err != nil {
		return err
	}
	var b [headerSize]byte
	if err := f.readAt(b[:], 0); err != nil {
		return err
	}
	sum := len(b) - 4
	if !bytes.Equal(b[:len(magic)], magic) || little.Uint32(b[sum:]) != f.sum(headerPart, b[:sum]) {
		return errDamaged
	}
	count := little.Uint64(b[24:])
	f.latest, f.last = little.Uint32(b[32:]), wal.Position(little.Uint64(b[36:]))
	filterSize := int64(little.Uint32(b[44:])) * line
	if count > uint64(size/entrySize) {
		return errDamaged
	}
	f.count = int(count)
	blocks := (f.count + perBlock - 1) / perBlock
	at := int64(page) * int64(1+blocks)
	if size != at+8*int64(blocks)+filterSize || filterSize == 0 {
		return errDamaged
	}
	fences := make([]byte, 8*blocks)
	f.filter = make(filter, filterSize)
	if err := errors.Join(f.readAt(fences, at), f.readAt(f.filter, at+int64(len(fences)))); err != nil {
		return err
	}
	if f.sum(fencesPart, fences) != little.Uint32(b[48:]) || f.sum(filterPart, f.filter) != little.Uint32(b[52:]) {
		return errDamaged
	}
	f.fences = make([]uint64, blocks)
	for i := range f.fences {
		f.fences[i] = little.Uint64(fences[8*i:])
	}
	return nil
}

// readAt fills b. That the file is too short, or that the disk cannot read it,
// is damage.
func (f *file) readAt(b []byte, at int64) error {
	if n, err := f.file.ReadAt(b, at); n < len(b) {
		if err == nil || errors.Is(err, io.EOF) {
			return errDamaged
		}
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	return nil
}

// size returns what the file takes on the disk.
func (f *file) size() int64 {
	return int64(page*(1+len(f.fences))) + int64(8*len(f.fences)+len(f.filter))
}

// use keeps the file open until the index is done with it.
func (f *file) use() { f.users.Add(1) }

var pages = sync.Pool{New: func() any { return new([page]byte) }}

// each calls visit with each entry of a key, the last one last, until it
// returns false.
func (f *file) each(key store.Key, visit func(entry) bool) (goOn bool, err error) {
	h := high(&key)
	// The first entry of the key is in the last block that starts with a lower
	// key, or in the one behind it.
	i, _ := slices.BinarySearch(f.fences, h)
	buf := pages.Get().(*[page]byte)
	defer pages.Put(buf)
	for i = max(i-1, 0); i < len(f.fences) && f.fences[i] <= h; i++ {
		b, failed := f.block(i, buf[:])
		if failed != nil {
			err = failed
			continue
		}
		for at := firstOf(b, key); at < len(b); at += entrySize {
			e := parseEntry(b[at:])
			if e.key != key {
				return true, err
			}
			if !visit(e) {
				return false, err
			}
		}
	}
	return true, err
}

// block returns the entries of a block, in the memory of buf.
func (f *file) block(i int, buf []byte) ([]byte, error) {
	if err := f.readAt(buf[:page], int64(page)*int64(1+i)); err != nil {
		return nil, err
	}
	return f.check(i, buf)
}

// check returns the entries of a block that was read.
func (f *file) check(i int, b []byte) ([]byte, error) {
	if f.sum(uint32(i), b[:blockSum]) != little.Uint32(b[blockSum:]) {
		return nil, fmt.Errorf("block %d is %w", i, errDamaged)
	}
	return b[:entrySize*min(perBlock, f.count-i*perBlock)], nil
}

// firstOf returns where in a block the entries of a key start, or would.
func firstOf(b []byte, key store.Key) int {
	from, to := 0, len(b)/entrySize
	for from < to {
		middle := (from + to) / 2
		if bytes.Compare(b[middle*entrySize:][:len(key)], key[:]) < 0 {
			from = middle + 1
		} else {
			to = middle
		}
	}
	return from * entrySize
}

func parseEntry(b []byte) (e entry) {
	copy(e.key[:], b)
	e.position = wal.Position(little.Uint64(b[16:]))
	e.until = little.Uint32(b[24:])
	return e
}

func appendEntry(b []byte, e *entry) []byte {
	b = append(b, e.key[:]...)
	b = little.AppendUint64(b, uint64(e.position))
	return little.AppendUint32(b, e.until)
}
