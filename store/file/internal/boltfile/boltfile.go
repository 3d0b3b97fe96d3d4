// Package boltfile opens bbolt files for as long as any configuration uses
// them, and writes to them what many goroutines have at the same time in one
// go.
//
// What is in a file is a matter of those who use it; each has buckets of its
// own.
package boltfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"github.com/caddyserver/caddy/v2"
)

// lockTimeout is how long to wait for another process to give up a file: long
// enough for one that is being replaced to end.
var lockTimeout = 5 * time.Second

// files holds the files that are open, by their path.
var files = caddy.NewUsagePool()

// A File is an open file. Goroutines may share it.
type File struct {
	db      *bbolt.DB
	file    *os.File // that of db
	path    string
	writes  chan write
	ended   chan struct{} // when the last write is done
	damaged error         // what has ended the writing, once and for all
}

// A write is a part of the next transaction.
type write struct {
	do   func(*bbolt.Tx) error
	done chan<- error
}

// Open opens the file with this path, and makes it and its folder if there is
// none. All who open one path in one process share the file, and each has to
// close it.
func Open(path string) (*File, error) {
	path, err := canonical(path)
	if err != nil {
		return nil, err
	}
	f, _, err := files.LoadOrNew(path, func() (caddy.Destructor, error) { return open(path) })
	if err != nil {
		return nil, err
	}
	return f.(*File), nil
}

// canonical returns the one path of a file that may have several. It makes the
// file, because a link to what is not there yet leads nowhere.
func canonical(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	target, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return target, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return "", err
	}
	if err := f.Close(); err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

func open(path string) (*File, error) {
	f := &File{path: path, writes: make(chan write), ended: make(chan struct{})}
	err := guarded(path, func() (err error) {
		f.db, err = bbolt.Open(path, 0o600, &bbolt.Options{
			Timeout:      lockTimeout,
			FreelistType: bbolt.FreelistMapType, // the other one gets slow when much has been deleted
			OpenFile: func(path string, flag int, mode os.FileMode) (file *os.File, err error) {
				file, err = os.OpenFile(path, flag, mode)
				f.file = file
				return file, err
			},
		})
		return err
	})
	if errors.Is(err, bbolterrors.ErrTimeout) {
		return nil, fmt.Errorf("%s is locked by another process, perhaps a second Caddy: a file belongs to one process", path)
	}
	if err != nil {
		if f.file != nil {
			_ = f.file.Close() // and with it the lock, which a panic has left
		}
		return nil, err
	}
	go f.write()
	return f, nil
}

// Close ends the use of the file. With the last user it is closed.
func (f *File) Close() error {
	_, err := files.Delete(f.path)
	return err
}

// Destruct implements caddy.Destructor.
func (f *File) Destruct() error {
	close(f.writes)
	<-f.ended
	if f.damaged != nil {
		return f.file.Close() // bbolt may be left with its locks taken
	}
	return f.db.Close()
}

// View has read look at the file as it is at one moment.
func (f *File) View(read func(*bbolt.Tx) error) error {
	return guarded(f.path, func() error { return f.db.View(read) })
}

// Update has do change the file. When it returns without an error, the change
// is on the disk.
//
// Everything that arrives while the disk is busy is done in the next
// transaction together, and succeeds or fails as one. So do must not fail but
// where the file itself does, and may be called for nothing.
func (f *File) Update(do func(*bbolt.Tx) error) error {
	done := make(chan error, 1)
	f.writes <- write{do, done}
	return <-done
}

// mostWrites is how many writes one transaction takes.
const mostWrites = 1024

// write writes until there is nothing more to come.
func (f *File) write() {
	defer close(f.ended)
	group := make([]write, 0, mostWrites)
	var (
		patience time.Duration
		last     int // how many were in the last group
	)
	for first := range f.writes {
		group = f.gather(append(group[:0], first), last, patience)
		start := time.Now()
		err := f.commit(group)
		if patience, last = 0, len(group); last > 1 {
			patience = time.Since(start) / 4
		}
		for _, w := range group {
			w.done <- err
		}
	}
}

// gather adds to a group what else there is to be written.
//
// Those whose last write is just done are likely to have another in a moment.
// Not to wait for them would split the writers into two halves that wait for
// each other. So it waits until as many have come as the last time, or, while
// they keep coming, for a part of the time that it saves; but not for others of
// a writer who was alone.
func (f *File) gather(group []write, last int, patience time.Duration) []write {
	lull := patience / 4
	for len(group) < mostWrites {
		var wait time.Duration
		if len(group) < last {
			wait = min(lull, patience)
		}
		start := time.Now()
		next, ok := f.next(wait)
		if !ok {
			break
		}
		group = append(group, next)
		patience -= time.Since(start)
	}
	return group
}

// next returns the next write, if it comes in time.
func (f *File) next(wait time.Duration) (next write, ok bool) {
	select {
	case next, ok = <-f.writes:
		return next, ok
	default:
	}
	if wait <= 0 {
		return write{}, false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case next, ok = <-f.writes:
	case <-timer.C:
	}
	return next, ok
}

// commit does a group of writes in one transaction.
func (f *File) commit(group []write) error {
	if f.damaged != nil {
		return f.damaged
	}
	err := guarded(f.path, func() error {
		return f.db.Update(func(tx *bbolt.Tx) error {
			for _, w := range group {
				if err := w.do(tx); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if _, ok := errors.AsType[*damage](err); ok {
		f.damaged = err
	}
	return err
}

// A damage is a panic of bbolt, or of the memory that a file is mapped to.
type damage struct {
	path  string
	cause any
}

func (d *damage) Error() string { return fmt.Sprintf("%s is damaged: %v", d.path, d.cause) }

// guarded makes an error of whatever goes wrong with a file. One that is
// damaged makes bbolt panic, and one that was cut off makes the memory fault
// that it is mapped to. Neither must end the process.
func guarded(path string, do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = &damage{path, p}
		} else if err != nil {
			err = explain(path, err)
		}
	}()
	return do()
}

// explain says in an error which file it is about, and what to do where bbolt
// does not.
func explain(path string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%s: the disk is full: %w", path, err)
	case errors.Is(err, bbolterrors.ErrInvalid), errors.Is(err, bbolterrors.ErrChecksum), errors.Is(err, bbolterrors.ErrVersionMismatch):
		return fmt.Errorf("%s is damaged, or not a bbolt file: %w", path, err)
	}
	return fmt.Errorf("%s: %w", path, err)
}
