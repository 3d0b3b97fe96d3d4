package wal_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal/waltest"
)

// within waits until something is the case.
func within(tb testing.TB, what string, is func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(10 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("%s: not within ten seconds", what)
		}
	}
}

// fill appends until there is no room, and returns what was appended.
func fill(tb testing.TB, l *wal.Log) (records []string) {
	tb.Helper()
	for i := range 10000 {
		r := fmt.Sprint(i, strings.Repeat("x", 1000))
		_, err := l.Append(tb.Context(), []byte(r))
		if errors.Is(err, wal.ErrFull) {
			return records
		}
		if err != nil {
			tb.Fatalf("Append: got error %v, want none or %v", err, wal.ErrFull)
		}
		records = append(records, r)
	}
	tb.Fatal("there is room without an end")
	return nil
}

// TestFullLog fills a disk, or the capacity of a log. What settles events goes
// on, and everything does once there is room again.
func TestFullLog(t *testing.T) {
	const segment = 64 << 10
	for _, test := range []struct {
		name           string
		disk, capacity int64
	}{
		{"full disk", 4 * segment, 0},
		{"capacity reached", 0, 4 * segment},
	} {
		t.Run(test.name, func(t *testing.T) {
			disk := waltest.NewDisk(0)
			disk.SetCapacity(test.disk)
			o := small(disk)
			o.Capacity = test.capacity
			l := open(t, dir, o)
			want := fill(t, l)
			if n := len(want); n < 190 || n > 240 {
				t.Errorf("got %d records of 1 kB in four segments, want nearly four times 64", n)
			}
			if !l.Stats().Full {
				t.Error("Stats: got a log that is not full, want a full one")
			}
			settle := func(n int) {
				t.Helper()
				for i := range n {
					r := fmt.Sprint("settled ", i)
					if _, err := l.AppendLazy([]byte(r)); err != nil {
						t.Fatalf("AppendLazy %d of a full log: got error %v, want none", i, err)
					}
					want = append(want, r)
				}
			}
			settle(100)
			if _, err := l.Append(t.Context(), []byte("more")); !errors.Is(err, wal.ErrFull) {
				t.Errorf("Append: got error %v, want %v", err, wal.ErrFull)
			}
			closeLog(t, l) // it opens on a full disk, too
			l = open(t, dir, o)
			settle(50)
			wantRecords(t, l, "reopened", want...)

			first := l.Segments()[0].Number
			gone := 0
			if err := l.Scan(0, func(p wal.Position, _ []byte) error {
				if p.Segment() == first {
					gone++
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if err := l.Remove(first); err != nil {
				t.Errorf("Remove from a full log: got error %v, want none", err)
			}
			want = want[gone:]
			if n := len(fill(t, l)); n < 50 {
				t.Errorf("got %d records after a segment was removed, want about 64", n)
			}
			if _, got := scan(t, l, 0); !slices.Equal(got[:len(want)], want) {
				t.Errorf("got %d records, want the %d that were there", len(got), len(want))
			}
			// Room that comes from elsewhere is found without being told.
			if test.disk > 0 {
				disk.SetCapacity(8 * segment)
				within(t, "Append after there is room", func() bool {
					_, err := l.Append(t.Context(), []byte("more"))
					return err == nil
				})
			}
			closeLog(t, l)
		})
	}
}

// TestSettlingMayExceedTheCapacity settles more than the reserve holds.
func TestSettlingMayExceedTheCapacity(t *testing.T) {
	o := small(waltest.NewDisk(0))
	o.Capacity = 4 * o.SegmentSize
	l := open(t, dir, o)
	defer closeLog(t, l)
	fill(t, l)
	for i := range 300 {
		if _, err := l.AppendLazy(make([]byte, 1000)); err != nil {
			t.Fatalf("AppendLazy %d: got error %v, want none", i, err)
		}
		if i%10 > 0 {
			continue
		}
		if _, err := l.Append(t.Context(), []byte("more")); !errors.Is(err, wal.ErrFull) {
			t.Fatalf("Append after %d: got error %v, want %v", i, err, wal.ErrFull)
		}
	}
}

// TestReserveEnds settles on a full disk until the reserve is used up.
func TestReserveEnds(t *testing.T) {
	disk := waltest.NewDisk(0)
	disk.SetCapacity(4 * 64 << 10)
	l := open(t, dir, small(disk))
	defer closeLog(t, l)
	fill(t, l)
	var n int
	for ; n < 1000; n++ {
		if _, err := l.AppendLazy([]byte("settled, with how it went, " + strings.Repeat("x", 73))); err != nil {
			if !errors.Is(err, wal.ErrFull) {
				t.Errorf("AppendLazy: got error %v, want %v", err, wal.ErrFull)
			}
			break
		}
	}
	if n < 60 || n > 80 { // an eighth of 64 kB
		t.Errorf("got %d records of 128 bytes in the reserve, want 64", n)
	}
}

// TestFailedSyncIsNotRepeated has a sync fail. What it was to put on the disk is
// not acknowledged, and the log goes on in a new segment, since a later sync of
// the same file would succeed without it.
func TestFailedSyncIsNotRepeated(t *testing.T) {
	for _, cause := range []error{syscall.EIO, syscall.ENOSPC} {
		for _, kind := range []string{"write", "sync"} {
			t.Run(fmt.Sprint(kind, " fails with ", cause), func(t *testing.T) {
				disk := waltest.NewDisk(1)
				o := small(disk)
				o.LazySync = time.Hour
				l := open(t, dir, o)
				appendAll(t, l, "first", "second")
				lazy, err := l.AppendLazy([]byte("settled"))
				if err != nil {
					t.Fatal(err)
				}
				var failed atomic.Bool
				disk.SetFault(func(op waltest.Op) error {
					if op.Name == segmentFile(1) && op.Kind == kind && !failed.Swap(true) {
						return cause
					}
					return nil
				})
				_, err = l.Append(t.Context(), []byte("third"))
				if !errors.Is(err, cause) || errors.Is(err, wal.ErrFull) != errors.Is(cause, syscall.ENOSPC) {
					t.Errorf("Append: got error %v, want %v", err, cause)
				}
				fourth := appendAll(t, l, "fourth")
				if fourth[0].Segment() == 1 {
					t.Error("the next record is in the same segment, want another")
				}
				if r, err := l.Read(lazy[0], nil); err != nil || string(r) != "settled" {
					t.Errorf("Read of what was written before: got %q and error %v, want it", r, err)
				}
				wantRecords(t, l, "before the power cut", "first", "second", "settled", "fourth")
				disk.PowerCut()
				_ = l.Close()
				l = open(t, dir, o)
				defer closeLog(t, l)
				wantRecords(t, l, "after the power cut", "first", "second", "settled", "fourth")
				if d := l.Stats().Damage; len(d) > 0 {
					t.Errorf("damage: got %+v, want none", d)
				}
			})
		}
	}
}

// TestAppendWaitsNoLongerThanItsContext has a sync take longer than the caller
// waits. The batch is on the disk in the end.
func TestAppendWaitsNoLongerThanItsContext(t *testing.T) {
	slow := slowDisk{FS: wal.OS(), goOn: make(chan struct{})}
	l := open(t, t.TempDir(), wal.Options{FS: &slow, SegmentSize: 64 << 10})
	defer closeLog(t, l)
	appendAll(t, l, "first")
	slow.on.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	at, err := l.Append(ctx, []byte("second"))
	if !errors.Is(err, wal.ErrPending) || !errors.Is(err, context.DeadlineExceeded) || len(at) != 1 {
		t.Errorf("Append: got %d positions and error %v, want one, and %v", len(at), err, wal.ErrPending)
	}
	b, err := l.Begin(t.Context(), []byte("third"))
	if err != nil {
		t.Fatalf("Begin while the disk is busy: got error %v, want none", err)
	}
	select {
	case <-b.Done():
		t.Error("Done: got a batch that is on the disk, want it to wait for the one before")
	default:
	}
	slow.on.Store(false)
	close(slow.goOn)
	if err := b.Wait(t.Context()); err != nil {
		t.Errorf("Wait: got error %v, want none", err)
	}
	wantRecords(t, l, "in the end", "first", "second", "third")
}

// A slowDisk does not sync before it may go on.
type slowDisk struct {
	wal.FS
	on   atomic.Bool
	goOn chan struct{}
}

func (d *slowDisk) Create(name string) (wal.File, error) {
	f, err := d.FS.Create(name)
	return &slowFile{f, d}, err
}

type slowFile struct {
	wal.File
	d *slowDisk
}

func (f *slowFile) Sync() error {
	if f.d.on.Load() {
		<-f.d.goOn
	}
	return f.File.Sync()
}
