package queue

import (
	"cmp"
	"encoding/binary"
	"slices"

	"go.uber.org/zap"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/schedule"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// restore loads the latest snapshot that is whole, and returns from where on to
// read the log.
func (l *loading) restore() (from wal.Position, err error) {
	names, err := snapshots(l.o.FS, l.dir)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		b, err := l.readSnapshot(name)
		if err == nil {
			from, err = l.content(b)
		}
		if err == nil {
			l.snapshotAt, l.snapshotSize = from, int64(len(b))
			return from, nil
		}
		l.zap.Warn("a snapshot cannot be read; opening the queue takes longer", zap.String("file", name), zap.Error(err))
		l.forget()
	}
	return 0, nil
}

// forget undoes what was loaded.
func (l *loading) forget() {
	clear(l.known)
	clear(l.destinations)
	clear(l.segments)
	l.moved, l.next = nil, 1
}

// A snapshotReader reads a snapshot. Its checksum was right.
type snapshotReader struct {
	b   []byte
	bad bool
}

func (r *snapshotReader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	return r.read(v, n)
}

func (r *snapshotReader) int() int64 {
	v, n := binary.Varint(r.b)
	return int64(r.read(uint64(v), n))
}

func (r *snapshotReader) fixed() uint64 {
	if len(r.b) < 8 {
		return r.read(0, 0)
	}
	return r.read(binary.LittleEndian.Uint64(r.b), 8)
}

func (r *snapshotReader) read(v uint64, n int) uint64 {
	if n <= 0 {
		r.b, r.bad = nil, true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *snapshotReader) text() string {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.read(0, 0)
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func (r *snapshotReader) bool() bool { return r.uint() != 0 }

// content loads the content of a snapshot.
func (l *loading) content(b []byte) (from wal.Position, err error) {
	r := &snapshotReader{b: b}
	from, l.next = wal.Position(r.uint()), store.Number(r.uint())
	for n := r.uint(); n > 0 && !r.bad; n-- {
		s := segment{number: uint32(r.uint()), first: store.Number(r.uint()), total: int(r.uint()), stored: r.int(), settled: r.int()}
		l.segments[s.number] = &s
	}
	for n := r.uint(); n > 0 && !r.bad; n-- {
		l.moved = append(l.moved, movedDelivery{store.Number(r.uint()), wal.Position(r.uint())})
	}
	var list []*destination
	for n := r.uint(); n > 0 && !r.bad; n-- {
		list = append(list, l.snapshotHead(r))
	}
	for _, d := range list {
		l.snapshotEntries(r, d)
	}
	if r.bad || len(r.b) > 0 {
		return 0, errSnapshot
	}
	return from, nil
}

func (l *loading) snapshotHead(r *snapshotReader) *destination {
	d := l.destination(r.text())
	d.paused, d.pausedAt = r.bool(), wal.Position(r.uint())
	if !r.bool() {
		return d
	}
	b := newBeyond()
	b.number, b.from, b.count = store.Number(r.uint()), wal.Position(r.uint()), int(r.uint())
	for n := r.uint(); n > 0 && !r.bad; n-- {
		number := uint32(r.uint())
		b.in[number] = int(r.int())
		l.segment(number).live += b.in[number]
	}
	for n := r.uint(); n > 0 && !r.bad; n-- {
		b.tried[store.Number(r.uint())] = tried{int(r.uint()), r.int()}
	}
	for n := r.uint(); n > 0 && !r.bad; n-- {
		bits := new([numbersEach / 64]uint64)
		b.gone[store.Number(r.uint())] = bits
		for i := range bits {
			bits[i] = r.fixed()
		}
	}
	d.beyond = b
	return d
}

// snapshotEntries loads the entries of a destination, in the order of their
// numbers.
func (l *loading) snapshotEntries(r *snapshotReader, d *destination) {
	type entry struct {
		number store.Number
		at     int
	}
	var entries []entry
	all := r.b
	for !r.bad {
		at := len(all) - len(r.b)
		number := store.Number(r.uint())
		if number == 0 {
			break
		}
		entries = append(entries, entry{number, at})
		snapshotEntry(r, nil)
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.number, b.number) })
	var lanes []store.Lane
	for _, e := range entries {
		one := &snapshotReader{b: all[e.at:]}
		one.uint()
		it, dead, cause := snapshotEntry(one, lanes[:0])
		it.Number, lanes = e.number, it.Lanes
		var ref schedule.Ref
		if dead {
			ref = d.schedule.AddDead(it, cause)
		} else {
			ref = d.schedule.Add(it)
		}
		if d.isBeyond(it.Number) { // it was when the snapshot was begun
			segment := l.segmentOf(it.Number)
			d.beyond.gone.add(it.Number)
			d.beyond.left(segment)
			l.segment(segment).live--
		}
		l.known[it.Number] = loaded{d, ref, dead}
		l.segment(wal.Position(it.Position).Segment()).live++
	}
}

// snapshotEntry reads an entry behind its number.
func snapshotEntry(r *snapshotReader, lanes []store.Lane) (it schedule.Item, dead bool, cause string) {
	it.Position, it.Attempts = r.uint(), int(r.uint())
	if r.bool() {
		return it, true, r.text()
	}
	it.Replay, it.Size, it.Due = r.bool(), int(r.uint()), r.int()
	for n := r.uint(); n > 0 && !r.bad; n-- {
		lanes = append(lanes, store.Lane(r.fixed()))
	}
	it.Lanes = lanes
	return it, false, ""
}
