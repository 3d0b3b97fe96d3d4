package wal_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal/waltest"
)

// TestDurableRecordsSurviveAPowerCut has writes and syncs fail and the machine
// stop. What was before Durable is there afterwards, where it was, or where Moved
// says.
func TestDurableRecordsSurviveAPowerCut(t *testing.T) {
	moves := 0
	for seed := range uint64(40) {
		disk := waltest.NewDisk(seed)
		o := small(disk)
		random := rand.New(rand.NewPCG(seed, 0))
		records := make(map[wal.Position]string)
		var durable wal.Position
		for run := range 4 {
			l := open(t, dir, o)
			if d := l.Durable(); d < durable {
				t.Fatalf("seed %d: Durable of a new process: got %x, want %x or more", seed, d, durable)
			}
			for p, want := range records {
				if r, err := l.Read(p, nil); err != nil || string(r) != want {
					t.Fatalf("seed %d, run %d: Read(%x): got %q and error %v, want %.20q", seed, run, p, r, err, want)
				}
			}
			var ops, stop atomic.Int64
			stop.Store(int64(50 + random.IntN(400)))
			failing := int64(random.IntN(60))
			disk.SetFault(func(op waltest.Op) error {
				switch n := ops.Add(1); {
				case n > stop.Load():
					return waltest.ErrStopped
				case failing > 0 && n%failing == 0 && op.Kind == "sync":
					return errors.New("input/output error")
				}
				return nil
			})
			written := make(map[wal.Position]string)
			for i := range 2000 {
				r := fmt.Sprint(run, i, strings.Repeat("x", random.IntN(2000)))
				var at []wal.Position
				var err error
				if random.IntN(4) > 0 {
					at, err = l.AppendLazy([]byte(r))
				} else {
					at, err = l.Append(t.Context(), []byte(r))
				}
				if err == nil {
					written[at[0]] = r
				}
				if ops.Load() > stop.Load() {
					break
				}
			}
			stop.Store(0)
			durable = l.Durable()
			moved := l.Moved()
			for p, r := range written {
				if to, ok := moved[p]; ok {
					moves++
					p = to
				}
				if p < durable {
					records[p] = r
				}
			}
			_ = l.Close()
			disk.PowerCut()
		}
	}
	if moves == 0 {
		t.Error("got no record moved, want some, for the test to be of use")
	}
}

// TestSegmentWithoutABatchIsNotReached has a process end when it has begun a
// segment, and the disk fail in the next one, which drops the segment.
func TestSegmentWithoutABatchIsNotReached(t *testing.T) {
	disk := waltest.NewDisk(1)
	o := small(disk)
	l := open(t, dir, o)
	appendAll(t, l, "one")
	var syncs atomic.Int64
	disk.SetFault(func(op waltest.Op) error {
		if op.Kind == "write" && op.Name == segmentFile(2) && op.Offset > 0 {
			return waltest.ErrStopped
		}
		return nil
	})
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), []byte("two")); err == nil {
		t.Fatal("Append: got no error, want the process to end")
	}
	_ = l.Close()
	disk.Kill()

	l = open(t, dir, o)
	reached := l.Durable()
	disk.SetFault(func(op waltest.Op) error {
		if op.Kind == "sync" && op.Name == segmentFile(2) && syncs.Add(1) == 1 {
			return errors.New("input/output error")
		}
		return nil
	})
	if _, err := l.Append(t.Context(), []byte("three")); err == nil {
		t.Fatal("Append: got no error, want that of the disk")
	}
	_ = l.Close()
	disk.PowerCut()

	o.Reached = reached
	l = open(t, dir, o)
	if got := l.Durable(); got < reached || l.Stats().Missing {
		t.Errorf("got the log up to %x after %x, missing: %t; want all of it", got, reached, l.Stats().Missing)
	}
	appendAll(t, l, "four")
	if _, records := scan(t, l, 0); !slices.Equal(records, []string{"one", "four"}) {
		t.Errorf("Scan: got %q, want one and four", records)
	}
	closeLog(t, l)
}

// TestLazyRecordsAreSyncedByThemselves appends a record that nobody waits for.
func TestLazyRecordsAreSyncedByThemselves(t *testing.T) {
	disk := waltest.NewDisk(1)
	o := small(disk)
	o.LazySync = time.Millisecond
	l := open(t, dir, o)
	at, err := l.AppendLazy([]byte("one"))
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); l.Durable() <= at[0]; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("got a record that is not on the disk after 10s, want it there after 1ms")
		}
	}
	disk.PowerCut()
	_ = l.Close()
	l = open(t, dir, o)
	wantRecords(t, l, "after a power cut", "one")
	closeLog(t, l)
}

// TestCloseSyncsWhatIsLeft closes a log with a record that nobody waits for.
func TestCloseSyncsWhatIsLeft(t *testing.T) {
	for seed := range uint64(10) {
		disk := waltest.NewDisk(seed)
		o := small(disk)
		o.LazySync = time.Hour
		l := open(t, dir, o)
		appendAll(t, l, "one")
		if _, err := l.AppendLazy([]byte("two")); err != nil {
			t.Fatal(err)
		}
		closeLog(t, l)
		disk.PowerCut()
		l = open(t, dir, o)
		wantRecords(t, l, "after a power cut", "one", "two")
		closeLog(t, l)
	}
}

// TestSegmentBeginsWithItsHeaderOnTheDisk looks at the order of what is done to
// segments. A batch before its header would be one without an owner after a
// power cut.
func TestSegmentBeginsWithItsHeaderOnTheDisk(t *testing.T) {
	disk := waltest.NewDisk(1)
	var mu sync.Mutex
	synced, early := make(map[string]bool), 0
	disk.SetFault(func(op waltest.Op) error {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case op.Kind == "write" && op.Offset == 0:
			synced[op.Name] = false
		case op.Kind == "sync":
			synced[op.Name] = true
		case op.Kind == "write" && !synced[op.Name]:
			early++
		}
		return nil
	})
	l := open(t, dir, small(disk))
	for i := range 100 {
		appendAll(t, l, fmt.Sprint(i, strings.Repeat("x", 1500)))
	}
	if n := len(l.Segments()); n < 3 || early > 0 {
		t.Errorf("got %d batches in %d segments written before the header was synced, want none", early, n)
	}
	closeLog(t, l)
}

// TestWhatAnotherProcessCouldNotSyncIsWrittenAgain has a process killed after a
// sync of its own has failed. What it has written can be read, but only a write
// brings it to the disk: another sync says nothing about it.
func TestWhatAnotherProcessCouldNotSyncIsWrittenAgain(t *testing.T) {
	for seed := range uint64(20) {
		disk := waltest.NewDisk(seed)
		o := small(disk)
		l := open(t, dir, o)
		appendAll(t, l, "one")
		failed := false
		disk.SetFault(func(op waltest.Op) error {
			switch {
			case failed:
				return waltest.ErrStopped
			case op.Kind == "sync" && op.Name == segmentFile(1):
				failed = true
				return errors.New("input/output error")
			}
			return nil
		})
		if _, err := l.Append(t.Context(), []byte("two")); err == nil {
			t.Fatal("Append: got no error, want that of the disk")
		}
		disk.Kill()
		_ = l.Close()

		l = open(t, dir, o)
		_, want := scan(t, l, 0)
		disk.PowerCut()
		_ = l.Close()
		l = open(t, dir, o)
		if _, got := scan(t, l, 0); !slices.Equal(got, want) || len(got) != 2 {
			t.Errorf("seed %d: got records %q after a power cut, and %q before it, want one and two", seed, got, want)
		}
		closeLog(t, l)
	}
}

// TestLogThatEndsTooEarly has a log whose end was cut off. Its positions are not
// given out twice.
func TestLogThatEndsTooEarly(t *testing.T) {
	for _, test := range []struct {
		name    string
		cut     func(disk *waltest.Disk)
		records int
	}{
		{"nothing", func(*waltest.Disk) {}, 100},
		{"a part of a segment", func(disk *waltest.Disk) {
			all := disk.Content(segmentFile(3))
			disk.SetContent(segmentFile(3), append(all[:20_000:20_000], make([]byte, len(all)-20_000)...))
		}, 50},
		{"a segment", func(disk *waltest.Disk) {
			if err := errors.Join(disk.Remove(segmentFile(3)), disk.Remove(segmentFile(4)), disk.SyncDir(dir)); err != nil {
				t.Fatal(err)
			}
		}, 50},
		{"all", func(disk *waltest.Disk) {
			for n := range 4 {
				if err := disk.Remove(segmentFile(1 + n)); err != nil {
					t.Fatal(err)
				}
			}
		}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			disk := waltest.NewDisk(1)
			o := small(disk)
			l := open(t, dir, o)
			var last wal.Position
			for i := range 100 {
				last = appendAll(t, l, fmt.Sprint(i, strings.Repeat("x", 1500)))[0]
			}
			o.Reached = l.Durable()
			closeLog(t, l)
			if last.Segment() != 3 || o.Reached <= last {
				t.Fatalf("got the last record at %x, and Durable %x, want segment 3, and Durable behind it", last, o.Reached)
			}
			test.cut(disk)
			for run := range 2 {
				l = open(t, dir, o)
				if got, want := l.Stats().Missing, run == 0 && test.records < 100; got != want {
					t.Errorf("Stats: got missing %t, want %t", got, want)
				}
				if at := appendAll(t, l, "more")[0]; at <= last {
					t.Errorf("Append: got position %x, want one behind %x", at, last)
				}
				if _, records := scan(t, l, 0); len(records) < test.records || test.records == 100 && len(records) < 101 {
					t.Errorf("Scan: got %d records, want %d and more", len(records), test.records)
				}
				o.Reached = l.Durable()
				closeLog(t, l)
			}
			if n := len(l.Stats().Damage); n > 0 {
				t.Errorf("got %d damages, want none", n)
			}
		})
	}
}

// TestLogWithoutRecordsHasReachedItsEnd removes all segments that have records.
func TestLogWithoutRecordsHasReachedItsEnd(t *testing.T) {
	disk := waltest.NewDisk(1)
	o := small(disk)
	l := open(t, dir, o)
	last := appendAll(t, l, "one")[0]
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.Reached = l.Durable()
	if err := l.Remove(last.Segment()); err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	for _, size := range []int64{o.SegmentSize, 2 * o.SegmentSize} { // the spare has another size
		o.SegmentSize = size
		l = open(t, dir, o)
		if d := l.Durable(); d < o.Reached {
			t.Errorf("Durable: got %x, want %x or more", d, o.Reached)
		}
		closeLog(t, l)
	}
}
