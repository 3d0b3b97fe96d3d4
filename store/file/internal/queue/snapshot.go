package queue

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.uber.org/zap"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/schedule"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// A snapshot is what the deliveries in the log before a position came to. It is
// written while the queue goes on: what has no entry is of the moment at which
// it begins, the entries are of some later moment each. That is right, because
// the log is read from the first moment on when the snapshot is loaded:
//
//   - Entries are of deliveries that were applied at that moment. Those that
//     come later are found in the log, and only there.
//   - An outcome that the snapshot has already is read again. It says what the
//     delivery is then, and those that follow it are read, too.
//   - A delivery that is not in the snapshot, because it was settled meanwhile,
//     was settled in the part of the log that is read.
//
// A snapshot is used only if the whole of it is there. So it may be lost, and
// the one before it is used, or the whole log.
const snapshotSuffix = ".snapshot"

var snapshotMagic = []byte("MWHQSN\x00\x01") // the last byte is the version

const snapshotsKept = 2

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// snapshotChunk is how much of a snapshot is written at a time.
const snapshotChunk = 256 << 10

// A snapshotWriter writes a snapshot.
type snapshotWriter struct {
	file wal.File
	b    []byte
	size int64
	crc  uint32
}

func (w *snapshotWriter) uint(v uint64)  { w.b = binary.AppendUvarint(w.b, v) }
func (w *snapshotWriter) int(v int64)    { w.b = binary.AppendVarint(w.b, v) }
func (w *snapshotWriter) text(s string)  { w.uint(uint64(len(s))); w.b = append(w.b, s...) }
func (w *snapshotWriter) fixed(v uint64) { w.b = binary.LittleEndian.AppendUint64(w.b, v) }

func (w *snapshotWriter) bool(v bool) {
	if v {
		w.uint(1)
	} else {
		w.uint(0)
	}
}

// flush writes what is there.
func (w *snapshotWriter) flush() error {
	w.crc = crc32.Update(w.crc, castagnoli, w.b)
	_, err := w.file.WriteAt(w.b, w.size)
	w.size += int64(len(w.b))
	w.b = w.b[:0]
	return err
}

// snapshot writes a snapshot, unless nothing was written since the last one.
func (q *Queue) snapshot() (err error) {
	q.order.Lock()
	q.mu.Lock()
	from, next := q.applied(), q.next
	if len(q.pending) > 0 {
		next = q.pending[0].first
	} else {
		from = max(from, q.last+1)
	}
	if from == q.snapshotAt {
		q.mu.Unlock()
		q.order.Unlock()
		return nil
	}
	temporary := filepath.Join(q.dir, "new"+snapshotSuffix)
	if err := q.o.FS.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		q.zap.Warn("removing a snapshot that was not finished", zap.Error(err))
	}
	w := &snapshotWriter{}
	w.b = append(w.b, snapshotMagic...)
	w.uint(uint64(from))
	w.uint(uint64(next))
	ends := q.putHead(w, next)
	q.mu.Unlock()
	q.order.Unlock()

	if w.file, err = q.o.FS.Create(temporary); err != nil {
		return err
	}
	if err = errors.Join(q.putEntries(w, ends), w.file.Sync(), w.file.Close()); err != nil {
		return err
	}
	// What the snapshot leaves out has to be in the log to stay.
	if err := q.log.Sync(context.Background()); err != nil {
		return err
	}
	name := filepath.Join(q.dir, fmt.Sprintf("%020d%s", from, snapshotSuffix))
	if err := errors.Join(q.o.FS.Rename(temporary, name), q.o.FS.SyncDir(q.dir)); err != nil {
		return err
	}
	q.mu.Lock()
	q.snapshotAt, q.snapshotSize = from, w.size
	q.mu.Unlock()
	return q.removeSnapshots()
}

// putHead puts what has no entry, and returns which entries belong to it. The
// locks are held.
func (q *Queue) putHead(w *snapshotWriter, next store.Number) (ends []snapshotEnd) {
	w.uint(uint64(len(q.segments)))
	for _, s := range q.sorted() {
		w.uint(uint64(s.number))
		w.uint(uint64(s.first))
		w.uint(uint64(s.total))
		w.int(s.stored)
		w.int(s.settled)
	}
	w.uint(uint64(len(q.moved)))
	for _, m := range q.moved {
		w.uint(uint64(m.number))
		w.uint(uint64(m.position))
	}
	w.uint(uint64(len(q.destinations)))
	for _, d := range q.named() {
		w.text(d.name)
		w.bool(d.paused)
		w.uint(uint64(d.pausedAt))
		w.bool(d.beyond != nil)
		if b := d.beyond; b != nil {
			w.uint(uint64(b.number))
			w.uint(uint64(b.from))
			w.uint(uint64(b.count))
			w.uint(uint64(len(b.in)))
			for segment, n := range b.in {
				w.uint(uint64(segment))
				w.int(int64(n))
			}
			w.uint(uint64(len(b.tried)))
			for n, t := range b.tried {
				w.uint(uint64(n))
				w.uint(uint64(t.attempts))
				w.int(t.due)
			}
			w.uint(uint64(len(b.gone)))
			for n, bits := range b.gone {
				w.uint(uint64(n))
				for _, word := range bits {
					w.fixed(word)
				}
			}
		}
		ends = append(ends, newSnapshotEnd(d, next))
	}
	return ends
}

// A snapshotEnd is which entries of a destination belong to a snapshot: those
// of deliveries that were not beyond the schedule when it was begun, or that
// have died or were moved, and will not be found by reading on.
type snapshotEnd struct {
	d         *destination
	next      store.Number // of what is found in the log
	beyond    *beyond
	beyondEnd store.Number
}

func newSnapshotEnd(d *destination, next store.Number) snapshotEnd {
	e := snapshotEnd{d: d, next: next, beyond: d.beyond, beyondEnd: next}
	if d.beyond != nil {
		e.beyondEnd = d.beyond.number
	}
	return e
}

func (e *snapshotEnd) has(v schedule.View) bool {
	return v.Number < e.beyondEnd || v.State == store.DeliveryDead || e.beyond != nil && e.beyond.gone.has(v.Number)
}

// putEntries puts the entries of the destinations, and the checksum. An entry
// with the number 0 ends each list.
func (q *Queue) putEntries(w *snapshotWriter, ends []snapshotEnd) error {
	for _, e := range ends {
		for n := 0; ; n++ {
			q.mu.Lock()
			if n >= e.d.schedule.Chunks() {
				q.mu.Unlock()
				break
			}
			e.d.schedule.Look(n, 0, ^uint64(0), func(v schedule.View) {
				if v.Number < e.next && e.has(v) {
					q.putEntry(w, e.d, v)
				}
			})
			q.mu.Unlock()
			if len(w.b) > snapshotChunk {
				if err := w.flush(); err != nil {
					return err
				}
			}
		}
		w.uint(0)
	}
	if err := w.flush(); err != nil {
		return err
	}
	w.b = binary.LittleEndian.AppendUint32(w.b, w.crc)
	return w.flush()
}

func (q *Queue) putEntry(w *snapshotWriter, d *destination, v schedule.View) {
	w.uint(uint64(v.Number))
	w.uint(v.Position)
	w.uint(uint64(v.Attempts))
	dead := v.State == store.DeliveryDead
	w.bool(dead)
	if dead {
		w.text(v.Cause)
		return
	}
	w.bool(v.Replay)
	w.uint(uint64(v.Size))
	w.int(v.Due)
	q.lanes = d.schedule.Lanes(v.Ref, q.lanes[:0])
	w.uint(uint64(len(q.lanes)))
	for _, l := range q.lanes {
		w.fixed(uint64(l))
	}
}

// snapshots returns the names of the snapshots in a folder, the latest first.
func snapshots(fsys wal.FS, dir string) ([]string, error) {
	names, err := fsys.List(dir)
	names = slices.DeleteFunc(names, func(name string) bool {
		_, ok := snapshotPosition(name)
		return !ok
	})
	slices.Reverse(names)
	return names, err
}

func snapshotPosition(name string) (wal.Position, bool) {
	digits, ok := strings.CutSuffix(name, snapshotSuffix)
	p, err := strconv.ParseUint(digits, 10, 64)
	return wal.Position(p), ok && err == nil && len(digits) == 20
}

// removeSnapshots removes those that are not kept.
func (q *Queue) removeSnapshots() error {
	names, err := snapshots(q.o.FS, q.dir)
	for _, name := range names[min(snapshotsKept, len(names)):] {
		err = cmp.Or(err, q.o.FS.Remove(filepath.Join(q.dir, name)))
	}
	return err
}

var errSnapshot = errors.New("the snapshot is damaged")

// readSnapshot returns the content of a snapshot. It takes the memory for it only
// when the checksum is right, whatever the size of the file is.
func (q *Queue) readSnapshot(name string) (b []byte, err error) {
	file, err := q.o.FS.Open(filepath.Join(q.dir, name))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	size, err := file.Size()
	if err != nil {
		return nil, err
	}
	all := io.NewSectionReader(file, 0, size)
	start := make([]byte, len(snapshotMagic))
	if _, err := io.ReadFull(all, start); err != nil || !bytes.Equal(start, snapshotMagic) || size < int64(len(start)+crc32.Size) {
		return nil, errSnapshot
	}
	sum := crc32.New(castagnoli)
	_, _ = sum.Write(start) // never fails
	if _, err := io.CopyN(sum, all, size-int64(len(start)+crc32.Size)); err != nil {
		return nil, err
	}
	end := make([]byte, crc32.Size)
	if _, err := io.ReadFull(all, end); err != nil {
		return nil, err
	}
	if sum.Sum32() != binary.LittleEndian.Uint32(end) {
		return nil, errSnapshot
	}
	b = make([]byte, size-int64(len(start)+crc32.Size))
	_, err = file.ReadAt(b, int64(len(start)))
	return b, err
}
