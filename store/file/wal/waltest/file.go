package waltest

import (
	"errors"
	"io"
	"slices"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// A file is an inode that a process has open.
type file struct {
	d    *Disk
	name string
	f    *inode
	life int
}

// ReadAt implements wal.File.
func (f *file) ReadAt(b []byte, offset int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.do(f.life, Op{"read", f.name, offset, len(b)}); err != nil {
		return 0, err
	}
	if offset >= int64(len(f.f.cached)) {
		return 0, io.EOF
	}
	n := copy(b, f.f.cached[offset:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements wal.File.
func (f *file) WriteAt(b []byte, offset int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	n := len(b)
	err := f.d.do(f.life, Op{"write", f.name, offset, len(b)})
	if err != nil {
		n = 0
		if torn, ok := errors.AsType[*TornError](err); ok {
			n = min(torn.Bytes, len(b))
		}
	}
	if grows := offset + int64(n) - int64(len(f.f.cached)); n > 0 && grows > 0 && f.d.full(grows) {
		return 0, errFull
	}
	if n > 0 {
		f.write(write{offset, slices.Clone(b[:n])})
	}
	return n, err
}

func (f *file) write(w write) {
	f.f.cached = apply(f.f.cached, w)
	f.f.dirty = append(f.f.dirty, w)
}

// full reports whether there is no room for so many bytes more.
func (d *Disk) full(bytes int64) bool { return d.capacity > 0 && d.used()+bytes > d.capacity }

// Size implements wal.File.
func (f *file) Size() (int64, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	return int64(len(f.f.cached)), nil
}

// Preallocate implements wal.File.
func (f *file) Preallocate(size int64) error { return f.resize("preallocate", size) }

// Truncate implements wal.File.
func (f *file) Truncate(size int64) error { return f.resize("truncate", size) }

func (f *file) resize(kind string, size int64) error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.do(f.life, Op{Kind: kind, Name: f.name}); err != nil {
		return err
	}
	if grows := size - int64(len(f.f.cached)); grows > 0 && f.d.full(grows) {
		return errFull
	}
	f.write(write{offset: size})
	return nil
}

// Sync implements wal.File. If it fails, a part of what was written is on the
// disk, and the rest will not come there any more, although it can be read and
// the next sync succeeds: that is what Linux does.
func (f *file) Sync() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.do(f.life, Op{Kind: "sync", Name: f.name}); err != nil {
		if !errors.Is(err, ErrStopped) {
			cached := f.f.cached
			f.d.lose(f.f)
			f.f.cached = cached
		}
		return err
	}
	for _, w := range f.f.dirty {
		f.f.put(w)
	}
	f.f.dirty = nil
	return nil
}

// Close implements wal.File.
func (f *file) Close() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	return f.d.do(f.life, Op{Kind: "close", Name: f.name})
}

// Content returns what is in a file.
func (d *Disk) Content(name string) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.files[name]; f != nil {
		return slices.Clone(f.cached)
	}
	return nil
}

// SetContent sets what is in a file, on the disk.
func (d *Disk) SetContent(name string, content []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := &inode{cached: slices.Clone(content), durable: slices.Clone(content)}
	d.files[name], d.disk[name] = f, f
}

// Flip flips a bit of a byte of a file, on the disk and for the process.
func (d *Disk) Flip(name string, offset int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.files[name]
	f.cached[offset] ^= 1
	if offset < int64(len(f.durable)) {
		f.durable[offset] ^= 1
	}
}

// Interface guard
var _ wal.File = (*file)(nil)
