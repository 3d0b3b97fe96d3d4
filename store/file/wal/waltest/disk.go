// Package waltest is a disk for the tests of a log and of what is built upon
// it. It loses what was not synced when the power goes, in every way in which a
// disk may, and fails when a test wants it to.
package waltest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// ErrStopped is the error of all operations of a process that was stopped.
var ErrStopped = errors.New("the process was stopped")

// An Op is an operation on a Disk.
type Op struct {
	// One of mkdir, list, create, open, remove, rename, syncdir, lock, read,
	// write, preallocate, truncate, sync and close.
	Kind string

	Name   string // of the file or folder
	Offset int64  // of read and write
	Length int    // of read and write
}

// A TornError of a fault has a write put only so many bytes.
type TornError struct {
	Bytes int
	Err   error
}

func (t *TornError) Error() string { return fmt.Sprintf("after %d bytes: %v", t.Bytes, t.Err) }

// Unwrap returns the error without where it struck.
func (t *TornError) Unwrap() error { return t.Err }

// A Disk is a file system in memory, for one process at a time. What was
// written, created, renamed or removed is seen at once, but only
// what was synced is certain to be there after a power cut.
type Disk struct {
	mu       sync.Mutex
	random   *rand.Rand
	files    map[string]*inode // as the process sees them
	disk     map[string]*inode // as a power cut leaves them
	changes  []change          // of folders, that were not synced
	locks    map[string]bool
	life     int // of the process
	stopped  bool
	ops      int
	fault    func(Op) error
	capacity int64
}

// A change is one of a folder: a name that stands for a file, or for none.
type change struct {
	name string
	file *inode
}

// An inode is a file without its name.
type inode struct {
	cached  []byte // as the process sees it
	durable []byte // what is on the disk
	dirty   []write
}

// A write is one that was not synced. Without bytes, it sets the size.
type write struct {
	offset int64
	bytes  []byte
}

// sector is what a disk writes in one piece.
const sector = 512

// NewDisk returns a disk without files. What a power cut leaves is a matter of
// the seed.
func NewDisk(seed uint64) *Disk {
	return &Disk{
		random: rand.New(rand.NewPCG(seed, 0)), //nolint:gosec // it is to be the same again
		files:  make(map[string]*inode), disk: make(map[string]*inode), locks: make(map[string]bool),
	}
}

// SetCapacity bounds what all files take. 0 is without a bound.
func (d *Disk) SetCapacity(bytes int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.capacity = bytes
}

// SetFault has each operation ask for its error before it is done. The fault
// must not use the disk, except for Stop.
func (d *Disk) SetFault(fault func(Op) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = fault
}

// Ops returns how many operations there were.
func (d *Disk) Ops() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ops
}

// Kill ends the process that has files open, as SIGKILL does: what it has
// written stays. All that it still does fails with ErrStopped.
func (d *Disk) Kill() { d.restart(false) }

// PowerCut ends the machine. Of what was not synced, anything may be lost.
func (d *Disk) PowerCut() { d.restart(true) }

func (d *Disk) restart(power bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.life++
	d.stopped, d.fault = false, nil
	clear(d.locks)
	if !power {
		return
	}
	// A folder's changes come to the disk in their order.
	for _, c := range d.changes[:d.random.IntN(len(d.changes)+1)] {
		d.settle(c)
	}
	d.changes = nil
	d.files = maps.Clone(d.disk)
	for _, f := range d.files {
		d.lose(f)
	}
}

func (d *Disk) settle(c change) {
	if c.file == nil {
		delete(d.disk, c.name)
	} else {
		d.disk[c.name] = c.file
	}
}

// lose puts a part of what was not synced on the disk: nothing, everything,
// some sectors, or all up to some byte.
func (d *Disk) lose(f *inode) {
	way, last := d.random.IntN(4), 0
	if n := len(f.dirty); n > 0 {
		last = d.random.IntN(n)
	}
	for i, w := range f.dirty {
		switch {
		case way == 0, way == 1 && i > last:
		case way == 1 && i == last && w.bytes != nil:
			f.put(write{w.offset, w.bytes[:d.random.IntN(len(w.bytes)+1)]})
		case way == 2 && w.bytes != nil:
			for from := 0; from < len(w.bytes); {
				to := min(len(w.bytes), from+sector-int(w.offset+int64(from))%sector)
				if d.random.IntN(2) == 0 {
					f.put(write{w.offset + int64(from), w.bytes[from:to]})
				}
				from = to
			}
		default:
			f.put(w)
		}
	}
	f.dirty = nil
	f.cached = slices.Clone(f.durable)
}

// put makes a write durable.
func (f *inode) put(w write) { f.durable = apply(f.durable, w) }

func apply(content []byte, w write) []byte {
	if w.bytes == nil {
		if n := int(w.offset); n <= len(content) {
			return content[:n:n]
		}
		return append(content, make([]byte, int(w.offset)-len(content))...)
	}
	if end := int(w.offset) + len(w.bytes); end > len(content) {
		content = append(content, make([]byte, end-len(content))...)
	}
	copy(content[w.offset:], w.bytes)
	return content
}

// do counts an operation, and returns why it fails, if it does.
func (d *Disk) do(life int, op Op) error {
	if life != d.life || d.stopped {
		return ErrStopped
	}
	d.ops++
	if d.fault == nil {
		return nil
	}
	fault := d.fault
	err := fault(op)
	if errors.Is(err, ErrStopped) {
		d.stopped = true
	}
	return err
}

// used returns what all files take.
func (d *Disk) used() (n int64) {
	for _, f := range d.files {
		n += int64(len(f.cached))
	}
	return n
}

// MkdirAll implements wal.FS. Folders are there without it.
func (d *Disk) MkdirAll(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.do(d.life, Op{Kind: "mkdir", Name: dir})
}

// List implements wal.FS.
func (d *Disk) List(dir string) (names []string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.do(d.life, Op{Kind: "list", Name: dir}); err != nil {
		return nil, err
	}
	for name := range d.files {
		if filepath.Dir(name) == dir {
			names = append(names, filepath.Base(name))
		}
	}
	slices.Sort(names)
	return names, nil
}

// Create implements wal.FS.
func (d *Disk) Create(name string) (wal.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.do(d.life, Op{Kind: "create", Name: name}); err != nil {
		return nil, err
	}
	if d.files[name] != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	f := new(inode)
	d.change(name, f)
	return &file{d, name, f, d.life}, nil
}

func (d *Disk) change(name string, f *inode) {
	if f == nil {
		delete(d.files, name)
	} else {
		d.files[name] = f
	}
	d.changes = append(d.changes, change{name, f})
}

// Open implements wal.FS.
func (d *Disk) Open(name string) (wal.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.do(d.life, Op{Kind: "open", Name: name}); err != nil {
		return nil, err
	}
	f := d.files[name]
	if f == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &file{d, name, f, d.life}, nil
}

// Remove implements wal.FS.
func (d *Disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.do(d.life, Op{Kind: "remove", Name: name}); err != nil {
		return err
	}
	if d.files[name] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	d.change(name, nil)
	return nil
}

// Rename implements wal.FS.
func (d *Disk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.do(d.life, Op{Kind: "rename", Name: from}); err != nil {
		return err
	}
	f := d.files[from]
	if f == nil {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	d.change(to, f)
	d.change(from, nil)
	return nil
}

// SyncDir implements wal.FS.
func (d *Disk) SyncDir(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.do(d.life, Op{Kind: "syncdir", Name: dir}); err != nil {
		return err
	}
	kept := d.changes[:0]
	for _, c := range d.changes {
		if filepath.Dir(c.name) == dir {
			d.settle(c)
		} else {
			kept = append(kept, c)
		}
	}
	d.changes = kept
	return nil
}

// Lock implements wal.FS.
func (d *Disk) Lock(name string) (io.Closer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.do(d.life, Op{Kind: "lock", Name: name}); err != nil {
		return nil, err
	}
	if d.locks[name] {
		return nil, fmt.Errorf("%s is %w", name, wal.ErrLocked)
	}
	d.locks[name] = true
	return &lock{d, name, d.life}, nil
}

type lock struct {
	d    *Disk
	name string
	life int
}

// Close gives up the lock.
func (l *lock) Close() error {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	if l.life == l.d.life {
		delete(l.d.locks, l.name)
	}
	return nil
}

// errFull is the error of a full disk.
const errFull = syscall.ENOSPC

// Interface guard
var _ wal.FS = (*Disk)(nil)
