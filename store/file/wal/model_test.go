package wal_test

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal/waltest"
)

// A model is what a log should hold: the batches that were begun, in order.
type model struct {
	t       *testing.T
	random  *rand.Rand
	disk    *waltest.Disk
	l       *wal.Log
	o       wal.Options
	batches []*modelBatch
	failed  bool // the disk has, since the log was opened
}

// A modelBatch is a batch and what is known of it.
type modelBatch struct {
	records   [][]byte
	positions []wal.Position
	lazy      bool
	done      bool // acknowledged
	synced    bool // known to be on the disk
	loose     bool // in a segment whose removal has not ended
	gone      bool // never to be seen again
}

const dir = "/log"

var seeds = flag.Int("seeds", 15, "how many times to go through TestModel")

// TestModel has a log go through crashes of the process and of the machine in
// the middle of any operation, a disk that fails or is full, and bytes that
// flip.
func TestModel(t *testing.T) {
	for seed := range *seeds {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			m := &model{
				t: t, random: rand.New(rand.NewPCG(uint64(seed), 1)), disk: waltest.NewDisk(uint64(seed)),
				o: wal.Options{SegmentSize: 64 << 10, LazySync: time.Millisecond, LockWait: time.Millisecond, Retry: time.Millisecond},
			}
			m.o.FS = m.disk
			for range 25 {
				m.run()
			}
		})
	}
}

// run opens the log, checks it, uses it, and ends it in some way.
func (m *model) run() {
	if m.random.IntN(8) == 0 { // also while it is opened
		m.stopAfter(m.random.IntN(40))
		if l, err := wal.Open(dir, m.o); err == nil {
			_ = l.Close()
		}
		m.end()
	}
	l, err := wal.Open(dir, m.o)
	if err != nil {
		m.t.Fatalf("Open: got error %v, want none", err)
	}
	m.l, m.failed = l, false
	m.check()
	switch m.random.IntN(6) {
	case 0:
		m.use(nil)
		if err := m.l.Close(); err != nil {
			m.t.Errorf("Close: got error %v, want none", err)
		}
		m.acknowledged(len(m.batches))
		m.flip()
	case 1:
		m.use(nil)
		m.end()
	case 2:
		m.failing()
		m.use(nil)
		m.disk.SetFault(nil)
		m.goesOn()
		m.end()
	default:
		m.use(func() { m.stopAfter(m.random.IntN(60)) })
		m.end()
	}
}

// stopAfter ends the process in so many operations, perhaps in the middle of a
// write.
func (m *model) stopAfter(ops int) {
	tear := m.random.IntN(1 << 12)
	m.disk.SetFault(func(op waltest.Op) error {
		if ops--; ops > 0 {
			return nil
		}
		if op.Kind == "write" {
			return &waltest.TornError{Bytes: tear % (op.Length + 1), Err: waltest.ErrStopped}
		}
		return waltest.ErrStopped
	})
}

// failing has some operations fail.
func (m *model) failing() {
	cause := []error{syscall.EIO, syscall.ENOSPC}[m.random.IntN(2)]
	one := 2 + m.random.IntN(20)
	random := rand.New(rand.NewPCG(m.random.Uint64(), 2))
	m.failed = true
	m.disk.SetFault(func(op waltest.Op) error {
		switch {
		case !slices.Contains([]string{"write", "sync", "create", "preallocate", "syncdir", "truncate"}, op.Kind), random.IntN(one) > 0:
			return nil
		case op.Kind == "write":
			return &waltest.TornError{Bytes: random.IntN(op.Length + 1), Err: cause}
		}
		return cause
	})
}

// end ends the process, and perhaps the machine.
func (m *model) end() {
	power := m.random.IntN(2) == 0
	if l := m.l; l != nil {
		m.disk.SetFault(func(waltest.Op) error { return waltest.ErrStopped })
		_ = l.Close()
		m.l = nil
	}
	if power {
		m.disk.PowerCut()
	} else {
		m.disk.Kill()
	}
	for _, b := range m.batches {
		b.done = b.done && (b.synced || !power && !m.failed)
		if !b.done && b.synced {
			m.t.Fatal("a batch is synced but not acknowledged")
		}
	}
}

// goesOn checks that the log works again after the disk has failed.
func (m *model) goesOn() {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		b := m.batch(false)
		m.add(b)
		at, err := m.l.Append(m.t.Context(), b.records...)
		if err == nil {
			b.positions, b.done, b.synced = at, true, true
			m.acknowledged(len(m.batches))
			return
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("Append after the disk has failed: got error %v for ten seconds, want none", err)
		}
	}
}

// batch returns a batch of records that tell where they belong.
func (m *model) batch(lazy bool) *modelBatch {
	b := &modelBatch{lazy: lazy, records: make([][]byte, 1+m.random.IntN(4))}
	for i := range b.records {
		r := binary.LittleEndian.AppendUint32(nil, uint32(len(m.batches)))
		r = append(r, byte(i), byte(len(b.records)))
		for range m.random.IntN(200) >> m.random.IntN(4) {
			r = append(r, []string{"\xffwb\xfe", "\x00\x00\x00\x00", "text"}[m.random.IntN(3)]...)
		}
		if m.random.IntN(30) == 0 {
			r = append(r, make([]byte, m.random.IntN(8000))...)
		}
		b.records[i] = r
	}
	return b
}

func (m *model) add(b *modelBatch) { m.batches = append(m.batches, b) }

// acknowledged takes note that what was written before a batch is on the disk.
func (m *model) acknowledged(before int) {
	for _, b := range m.batches[:before] {
		b.synced = b.synced || b.done
	}
}

// use does something with the log, and calls middle in between.
func (m *model) use(middle func()) {
	steps := m.random.IntN(30)
	at := m.random.IntN(steps + 1)
	for i := range steps {
		if i == at && middle != nil {
			middle()
		}
		switch m.random.IntN(12) {
		default:
			m.append(1 + m.random.IntN(6))
		case 0, 1, 2:
			b := m.batch(true)
			m.add(b)
			if at, err := m.l.AppendLazy(b.records...); err == nil {
				b.positions, b.done = at, true
			}
		case 3:
			n := len(m.batches)
			if m.l.Sync(m.t.Context()) == nil {
				m.acknowledged(n)
			}
		case 4:
			_ = m.l.Seal(m.t.Context())
		case 5:
			m.remove()
		}
	}
}

// append appends several batches at the same time.
func (m *model) append(n int) {
	var waiting []*wal.Batch
	var batches []*modelBatch
	for range n {
		b := m.batch(false)
		m.add(b)
		if w, err := m.l.Begin(m.t.Context(), b.records...); err == nil {
			waiting, batches = append(waiting, w), append(batches, b)
		}
	}
	for i, w := range waiting {
		if w.Wait(context.Background()) == nil {
			b := batches[i]
			b.positions, b.done, b.synced = w.Positions, true, true
			m.acknowledged(slices.Index(m.batches, b))
		}
	}
}

// remove removes a segment.
func (m *model) remove() {
	segments := m.l.Segments()
	if len(segments) < 4 {
		return
	}
	number := segments[m.random.IntN(2)].Number
	var in []*modelBatch
	err := m.l.Scan(0, func(p wal.Position, r []byte) error {
		if p.Segment() == number {
			in = append(in, m.batches[binary.LittleEndian.Uint32(r)])
		}
		return nil
	})
	if err != nil {
		return
	}
	for _, b := range in {
		b.done, b.synced, b.loose = false, false, true
	}
	if m.l.Remove(number) == nil {
		for _, b := range in {
			b.gone = true
		}
	}
}

// check compares what is in the log with the model.
func (m *model) check() {
	m.t.Helper()
	var missed []*modelBatch
	seen := make(map[*modelBatch]int)
	last := -1
	err := m.l.Scan(0, func(p wal.Position, r []byte) error {
		if len(r) < 6 || int(binary.LittleEndian.Uint32(r)) >= len(m.batches) {
			return fmt.Errorf("%x: there is a record that was never written: %.20q", p, r)
		}
		number, i := int(binary.LittleEndian.Uint32(r)), int(r[4])
		b := m.batches[number]
		switch {
		case b.gone:
			return fmt.Errorf("batch %d at %x was gone, and is there again", number, p)
		case number < last || number == last && i == 0:
			return fmt.Errorf("batch %d is at %x, behind batch %d", number, p, last)
		case i != seen[b] || string(r) != string(b.records[i]):
			return fmt.Errorf("batch %d at %x has another record %d than was written", number, p, i)
		}
		if i == 0 {
			b.positions = nil
		}
		b.positions = append(b.positions, p)
		seen[b]++
		last = number
		return nil
	})
	if err != nil {
		m.t.Fatalf("Scan: %v", err)
	}
	for i, b := range m.batches {
		switch {
		case seen[b] == len(b.records):
			b.done, b.synced = true, true
			for i, p := range b.positions {
				if r, err := m.l.Read(p, nil); err != nil || string(r) != string(b.records[i]) {
					m.t.Fatalf("Read(%x): got %.20q and error %v, want %.20q", p, r, err, b.records[i])
				}
			}
		case seen[b] > 0:
			m.t.Fatalf("batch %d: got %d of %d records, want all or none", i, seen[b], len(b.records))
		case b.done:
			missed = append(missed, b)
			fallthrough
		default:
			b.gone, b.done, b.synced = true, false, false
		}
	}
	if len(missed) > 0 {
		var s strings.Builder
		for _, b := range missed {
			fmt.Fprintf(&s, " %d at %x (lazy: %v)", slices.Index(m.batches, b), b.positions, b.lazy)
		}
		m.t.Fatalf("got %d batches that are missing, want none:%s", len(missed), s.String())
	}
	if got := m.l.Stats().Damage; len(got) > 0 {
		m.t.Fatalf("damage: got %v, want none", got)
	}
}

// flip flips a bit in a copy of a log that was closed, and checks that no more
// than one batch is missing, and that it is named and kept.
func (m *model) flip() {
	m.t.Helper()
	names, err := m.disk.List(dir)
	if err != nil {
		m.t.Fatal(err)
	}
	bad, o := waltest.NewDisk(0), m.o
	var name string
	var content []byte
	var at int
	for i, n := range names {
		c := m.disk.Content(filepath.Join(dir, n))
		if end := len(strings.TrimRight(string(c), "\x00")); end > 0 && (name == "" || m.random.IntN(i+1) == 0) {
			name, content, at = n, c, m.random.IntN(end)
		}
		bad.SetContent(filepath.Join(dir, n), c)
	}
	want := m.contents(m.disk, o)
	content[at] ^= 1 << m.random.IntN(8)
	bad.SetContent(filepath.Join(dir, name), content)
	l := open(m.t, dir, withFS(o, bad))
	defer closeLog(m.t, l)
	positions, got := scan(m.t, l, 0)
	damage := l.Stats().Damage
	where := fmt.Sprintf("bit of byte %d of %s flipped", at, name)
	missing := len(want) - len(got)
	if missing == 0 && slices.Equal(got, want) && len(damage) == 0 {
		return // it was in a header, or in what was passed over anyway
	}
	for i := range got {
		if got[i] == want[i] {
			continue
		}
		if batchOf(want[i]) != batchOf(want[i+missing-1]) || !slices.Equal(got[i:], want[i+missing:]) {
			m.t.Fatalf("%s: got %d records, want all of %d but one batch", where, len(got), len(want))
		}
		if d := damage[0]; i > 0 && positions[i-1] > wal.Position(uint64(d.Segment)<<32|uint64(d.Start)) {
			m.t.Errorf("%s: got damage %v, want it behind %x", where, d, positions[i-1])
		}
		break
	}
	if len(damage) != 1 {
		m.t.Fatalf("%s: got damage %v, want one", where, damage)
	}
	d := damage[0]
	if int64(at) < d.Start || int64(at) >= d.End {
		m.t.Errorf("%s: got damage %v, want it there", where, d)
	}
	if kept := bad.Content(d.File); string(kept) != string(content[d.Start:d.End]) {
		m.t.Errorf("%s: got %d bytes in %s, want the %d that are damaged", where, len(kept), d.File, d.End-d.Start)
	}
	if d.Records != 0 && d.Records != missing {
		m.t.Errorf("%s: got damage of %d records, want %d", where, d.Records, missing)
	}
}

// contents returns the records in a copy of a log.
func (m *model) contents(disk *waltest.Disk, o wal.Options) []string {
	names, err := disk.List(dir)
	if err != nil {
		m.t.Fatal(err)
	}
	same := waltest.NewDisk(0)
	for _, n := range names {
		same.SetContent(filepath.Join(dir, n), disk.Content(filepath.Join(dir, n)))
	}
	l := open(m.t, dir, withFS(o, same))
	defer closeLog(m.t, l)
	_, records := scan(m.t, l, 0)
	return records
}

func withFS(o wal.Options, fs wal.FS) wal.Options {
	o.FS, o.Logger = fs, zap.NewNop()
	return o
}

func batchOf(record string) string { return record[:4] }
