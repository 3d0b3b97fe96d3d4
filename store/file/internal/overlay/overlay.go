// Package overlay is a file system that can be read and written, and changes
// nothing: what is written to it is in memory, and gone with it.
package overlay

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// An FS is the files of the operating system with what was written to it.
type FS struct {
	mu    sync.Mutex
	files map[string]*file // by path; nil stands for a file that was removed
	open  []*os.File
}

// New returns an FS to which nothing was written yet.
func New() *FS { return &FS{files: make(map[string]*file)} }

// Close closes the files of the operating system.
func (f *FS) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	errs := make([]error, 0, len(f.open))
	for _, file := range f.open {
		errs = append(errs, file.Close())
	}
	f.open = nil
	return errors.Join(errs...)
}

// MkdirAll implements wal.FS. A folder is there once a file is in it.
func (*FS) MkdirAll(string) error { return nil }

// SyncDir implements wal.FS.
func (*FS) SyncDir(string) error { return nil }

// List implements wal.FS.
func (f *FS) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	there := make(map[string]bool)
	for _, e := range entries {
		there[e.Name()] = true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for path, file := range f.files {
		if filepath.Dir(path) != filepath.Clean(dir) {
			continue
		}
		there[filepath.Base(path)] = true
		if file == nil {
			delete(there, filepath.Base(path))
		}
	}
	return slices.Sorted(maps.Keys(there)), nil
}

// Create implements wal.FS.
func (f *FS) Create(name string) (wal.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch _, err := f.find(name); {
	case err == nil:
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	created := newFile(nil, 0)
	f.files[filepath.Clean(name)] = created
	return created, nil
}

// Open implements wal.FS.
func (f *FS) Open(name string) (wal.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.find(name)
}

// find returns the file of a name.
func (f *FS) find(name string) (*file, error) {
	name = filepath.Clean(name)
	if found, ok := f.files[name]; ok {
		if found == nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		return found, nil
	}
	base, err := wal.OpenRegular(name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	info, err := base.Stat()
	if err != nil {
		return nil, errors.Join(err, base.Close())
	}
	f.open = append(f.open, base)
	f.files[name] = newFile(base, info.Size())
	return f.files[name], nil
}

// Remove implements wal.FS.
func (f *FS) Remove(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.find(name); err != nil {
		return err
	}
	f.files[filepath.Clean(name)] = nil
	return nil
}

// Rename implements wal.FS.
func (f *FS) Rename(from, to string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	found, err := f.find(from)
	if err != nil {
		return err
	}
	f.files[filepath.Clean(from)], f.files[filepath.Clean(to)] = nil, found
	return nil
}

// Lock implements wal.FS. A file that is not there, or cannot be written to, is
// not locked.
func (*FS) Lock(name string) (io.Closer, error) {
	if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return io.NopCloser(nil), nil
	}
	lock, err := wal.OS().Lock(name)
	if errors.Is(err, syscall.EROFS) {
		return io.NopCloser(nil), nil
	}
	return lock, err
}

// Interface guard
var _ wal.FS = (*FS)(nil)
