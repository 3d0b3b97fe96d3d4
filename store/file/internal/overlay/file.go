package overlay

import (
	"errors"
	"io"
	"os"
	"sync"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

const page = 4096

// A file is one of the operating system, or none, with the pages that were
// written.
type file struct {
	mu       sync.Mutex
	base     *os.File
	baseSize int64 // how much of base counts
	size     int64
	pages    map[int64][]byte // by their number
}

func newFile(base *os.File, size int64) *file {
	return &file{base: base, baseSize: size, size: size, pages: make(map[int64][]byte)}
}

// ReadAt implements wal.File.
func (f *file) ReadAt(b []byte, at int64) (n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if at >= f.size {
		return 0, io.EOF
	}
	if rest := f.size - at; int64(len(b)) > rest {
		b, err = b[:rest], io.EOF
	}
	if failed := f.readBase(b, at); failed != nil {
		return 0, failed
	}
	if len(f.pages) > 0 {
		for number := at / page; number*page < at+int64(len(b)); number++ {
			if p := f.pages[number]; p != nil {
				overlap(b, at, p, number*page)
			}
		}
	}
	return len(b), err
}

// readBase reads from the file of the operating system, and zeros behind it.
func (f *file) readBase(b []byte, at int64) error {
	n := 0
	if at < f.baseSize {
		var err error
		n, err = f.base.ReadAt(b[:min(int64(len(b)), f.baseSize-at)], at)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	clear(b[n:])
	return nil
}

// overlap copies from one part of a file to another, as far as they are the
// same.
func overlap(to []byte, toAt int64, from []byte, fromAt int64) {
	if skip := toAt - fromAt; skip > 0 {
		from = from[min(skip, int64(len(from))):]
	} else {
		to = to[min(-skip, int64(len(to))):]
	}
	copy(to, from)
}

// WriteAt implements wal.File.
func (f *file) WriteAt(b []byte, at int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for number := at / page; number*page < at+int64(len(b)); number++ {
		p := f.pages[number]
		if p == nil {
			p = make([]byte, page)
			if err := f.readBase(p, number*page); err != nil {
				return 0, err
			}
			f.pages[number] = p
		}
		overlap(p, number*page, b, at)
	}
	f.size = max(f.size, at+int64(len(b)))
	return len(b), nil
}

// Size implements wal.File.
func (f *file) Size() (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.size, nil
}

// Preallocate implements wal.File.
func (f *file) Preallocate(size int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.size = max(f.size, size)
	return nil
}

// Truncate implements wal.File.
func (f *file) Truncate(size int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.size, f.baseSize = size, min(f.baseSize, size)
	for number, p := range f.pages {
		clear(p[min(max(0, size-number*page), page):])
	}
	return nil
}

// Sync implements wal.File.
func (*file) Sync() error { return nil }

// Close implements wal.File.
func (*file) Close() error { return nil }

// Interface guard
var _ wal.File = (*file)(nil)
