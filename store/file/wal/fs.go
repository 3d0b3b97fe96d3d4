package wal

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// An FS is what a log needs of a file system. Tests put a disk of their own in
// its place, which loses what was not synced and fails on demand.
type FS interface {
	// MkdirAll makes a folder that only its owner can enter, and the folders
	// above it.
	MkdirAll(dir string) error

	// List returns the names of what is in a folder, sorted.
	List(dir string) ([]string, error)

	// Create makes a file that only its owner can read, and opens it for
	// reading and writing. It fails with fs.ErrExist if there is one.
	Create(name string) (File, error)

	// Open opens a file for reading and writing.
	Open(name string) (File, error)

	Remove(name string) error
	Rename(from, to string) error

	// SyncDir puts what was created, renamed and removed in a folder on the
	// disk.
	SyncDir(dir string) error

	// Lock takes the lock on a file, which it makes if there is none, until it
	// is closed. It fails with ErrLocked if another process has it.
	Lock(name string) (io.Closer, error)
}

// A File is an open file. Its methods may be called at the same time.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer

	// Size returns the size of the file.
	Size() (int64, error)

	// Preallocate gives a new file this size, filled with zeros, and as far as
	// the file system can, the room on the disk for it.
	Preallocate(size int64) error

	// Truncate cuts the file off.
	Truncate(size int64) error

	// Sync puts what was written on the disk.
	Sync() error
}

// ErrLocked is the error of a lock that another process has.
var ErrLocked = errors.New("locked by another process")

// OS is the FS of the operating system.
func OS() FS { return osFS{} }

type osFS struct{}

func (osFS) MkdirAll(dir string) error { return os.MkdirAll(dir, 0o700) }

func (osFS) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

func (osFS) Create(name string) (File, error) {
	return osOpen(name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
}

func (osFS) Open(name string) (File, error) { return osOpen(name, os.O_RDWR) }

func osOpen(name string, flag int) (File, error) {
	f, err := OpenRegular(name, flag)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// OpenRegular opens a file of a log. It refuses a link, a pipe, and anything else
// that is not a regular file: another user than the one who repairs the log may have
// put it into the folder.
func OpenRegular(name string, flag int) (*os.File, error) {
	f, err := os.OpenFile(filepath.Clean(name), flag|flagRegular, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &os.PathError{Op: "open", Path: name, Err: errors.New("is not a regular file")}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (osFS) Remove(name string) error     { return os.Remove(name) }
func (osFS) Rename(from, to string) error { return os.Rename(from, to) }

func (osFS) Lock(name string) (io.Closer, error) { return lockFile(filepath.Clean(name)) }

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// control calls do with the descriptor, again if a signal has interrupted it.
func (f osFile) control(do func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = conn.Control(func(fd uintptr) {
		for {
			if failed = do(int(fd)); !errors.Is(failed, syscall.EINTR) {
				return
			}
		}
	})
	return errors.Join(err, failed)
}

// fill writes zeros, which takes the room on the disk everywhere.
func (f osFile) fill(size int64) error {
	zeros := make([]byte, 1<<20)
	for at := int64(0); at < size; at += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros[:min(int64(len(zeros)), size-at)], at); err != nil {
			return err
		}
	}
	return nil
}

// Interface guards
var (
	_ FS   = osFS{}
	_ File = osFile{}
)
