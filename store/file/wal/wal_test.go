package wal_test

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap/zaptest"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/cputime"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

func open(tb testing.TB, dir string, o wal.Options) *wal.Log {
	tb.Helper()
	if o.Logger == nil {
		o.Logger = zaptest.NewLogger(tb)
	}
	l, err := wal.Open(dir, o)
	if err != nil {
		tb.Fatalf("Open: got error %v, want none", err)
	}
	return l
}

func closeLog(tb testing.TB, l *wal.Log) {
	tb.Helper()
	if err := l.Close(); err != nil {
		tb.Errorf("Close: got error %v, want none", err)
	}
}

// scan returns all records of a log.
func scan(tb testing.TB, l *wal.Log, from wal.Position) (positions []wal.Position, records []string) {
	tb.Helper()
	err := l.Scan(from, func(p wal.Position, r []byte) error {
		positions, records = append(positions, p), append(records, string(r))
		return nil
	})
	if err != nil {
		tb.Errorf("Scan: got error %v, want none", err)
	}
	return positions, records
}

// TestWhatWasAppendedIsReadAfterReopening appends batches of several sizes over
// several segments, and reads each record before and after the log was closed.
func TestWhatWasAppendedIsReadAfterReopening(t *testing.T) {
	dir, o := t.TempDir(), wal.Options{SegmentSize: 64 << 10}
	l := open(t, dir, o)
	var want []string
	var positions []wal.Position
	for i := range 300 {
		var batch [][]byte
		for j := range 1 + i%4 {
			r := fmt.Sprintf("%d.%d %s", i, j, bytes.Repeat([]byte{'x'}, i*j%1500))
			batch, want = append(batch, []byte(r)), append(want, r)
		}
		var at []wal.Position
		var err error
		if i%3 == 0 {
			at, err = l.AppendLazy(batch...)
		} else {
			at, err = l.Append(t.Context(), batch...)
		}
		if err != nil || len(at) != len(batch) {
			t.Fatalf("batch %d: got %d positions and error %v, want %d", i, len(at), err, len(batch))
		}
		positions = append(positions, at...)
	}
	for range 2 {
		at, got := scan(t, l, 0)
		if fmt.Sprint(at) != fmt.Sprint(positions) || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("Scan: got %d records, want the %d that were appended, in order", len(got), len(want))
		}
		for i, p := range positions {
			if i > 0 && p <= positions[i-1] {
				t.Errorf("position %d: got %x after %x, want it to grow", i, p, positions[i-1])
			}
			if r, err := l.Read(p, nil); err != nil || string(r) != want[i] {
				t.Errorf("Read(%x): got %.20q and error %v, want %.20q", p, r, err, want[i])
			}
		}
		if from := positions[500]; true {
			if _, got := scan(t, l, from); len(got) != len(want)-500 || got[0] != want[500] {
				t.Errorf("Scan(%x): got %d records from %.20q, want %d from %.20q", from, len(got), got[0], len(want)-500, want[500])
			}
		}
		if n := len(l.Segments()); n < 3 {
			t.Errorf("Segments: got %d, want several", n)
		}
		closeLog(t, l)
		l = open(t, dir, o)
	}
	closeLog(t, l)
	if _, err := l.Append(t.Context(), []byte("late")); !errors.Is(err, wal.ErrClosed) {
		t.Errorf("Append after Close: got error %v, want %v", err, wal.ErrClosed)
	}
}

// BenchmarkAppend has so many writers append a record of 500 bytes each, one
// after another.
func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 32, 64, 256} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			var syncs atomic.Int64
			l := open(b, b.TempDir(), wal.Options{OnSync: func(time.Duration, int) { syncs.Add(1) }})
			defer closeLog(b, l)
			record := bytes.Repeat([]byte("webhook "), 63)[:500]
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ReportAllocs()
			b.ResetTimer()
			reportCPU := cputime.Start(b)
			var running sync.WaitGroup
			for range writers {
				running.Go(func() {
					for left.Add(-1) >= 0 {
						if _, err := l.Append(b.Context(), record); err != nil {
							b.Errorf("Append: got error %v, want none", err)
							return
						}
					}
				})
			}
			running.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
			reportCPU(b.N, "record")
			b.ReportMetric(float64(b.N)/float64(syncs.Load()), "records/sync")
		})
	}
}

// BenchmarkDisk writes so many records of 500 bytes at a time and syncs them,
// and does nothing else: what bounds BenchmarkAppend.
func BenchmarkDisk(b *testing.B) {
	for _, records := range []int{1, 16, 32, 128} {
		b.Run(fmt.Sprintf("records=%d", records), func(b *testing.B) {
			const size = 64 << 20
			f, err := wal.OS().Create(filepath.Join(b.TempDir(), "file"))
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			if err := errors.Join(f.Preallocate(size), f.Sync()); err != nil {
				b.Fatal(err)
			}
			content := bytes.Repeat([]byte("webhook!"), 66*records) // 528 each
			b.ResetTimer()
			reportCPU, n := cputime.Start(b), 0
			for at := int64(0); n < b.N; n += records {
				if _, err := f.WriteAt(content, at); err != nil {
					b.Fatal(err)
				}
				if err := f.Sync(); err != nil {
					b.Fatal(err)
				}
				at = (at + int64(len(content))) % (size - int64(len(content)))
			}
			b.StopTimer()
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
			reportCPU(n, "record")
		})
	}
}
