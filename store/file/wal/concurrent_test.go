package wal_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal/waltest"
)

// TestWritersShareSyncs has many writers append at the same time. Each sync is
// for several of them.
func TestWritersShareSyncs(t *testing.T) {
	const writers, each = 32, 20
	slow := slowDisk{FS: wal.OS(), goOn: make(chan struct{})}
	var bytes atomic.Int64
	l := open(t, t.TempDir(), wal.Options{FS: &slow, OnSync: func(_ time.Duration, n int) { bytes.Add(int64(n)) }})
	defer closeLog(t, l)
	slow.on.Store(true)
	var running sync.WaitGroup
	for w := range writers {
		running.Go(func() {
			for i := range each {
				if _, err := l.Append(t.Context(), fmt.Append(nil, w, i)); err != nil {
					t.Errorf("Append: got error %v, want none", err)
				}
			}
		})
	}
	time.Sleep(20 * time.Millisecond) // all but the first wait by now
	slow.on.Store(false)
	close(slow.goOn)
	running.Wait()
	s := l.Stats()
	if s.Records != writers*each || s.Syncs > writers*each/2 {
		t.Errorf("got %d syncs for %d records, want far fewer than the %d records", s.Syncs, s.Records, writers*each)
	}
	if got := bytes.Load(); got != s.Bytes {
		t.Errorf("OnSync: got %d bytes, want the %d that were written", got, s.Bytes)
	}
}

// TestPowerCutWhileManyAppend stops the machine while many writers append. What
// was acknowledged is there, and in its order for each of them.
func TestPowerCutWhileManyAppend(t *testing.T) {
	const writers = 16
	for seed := range 20 {
		disk := waltest.NewDisk(uint64(seed))
		o := small(disk)
		l := open(t, dir, o)
		var ops atomic.Int64
		disk.SetFault(func(waltest.Op) error {
			if ops.Add(1) > int64(30+seed) {
				return waltest.ErrStopped
			}
			return nil
		})
		acknowledged := make([]int, writers)
		var running sync.WaitGroup
		for w := range writers {
			running.Go(func() {
				for i := 1; ; i++ {
					r := binary.LittleEndian.AppendUint32([]byte{byte(w)}, uint32(i))
					at, err := l.Append(t.Context(), append(r, make([]byte, 40*w)...))
					if err != nil {
						return
					}
					acknowledged[w] = i
					if r, err := l.Read(at[0], nil); err == nil && int(r[0]) != w {
						t.Errorf("Read: got a record of writer %d, want %d", r[0], w)
					}
				}
			})
		}
		running.Wait()
		_ = l.Close()
		disk.PowerCut()
		l = open(t, dir, o)
		last := make([]int, writers)
		_, records := scan(t, l, 0)
		for _, r := range records {
			w, i := r[0], int(binary.LittleEndian.Uint32([]byte(r[1:])))
			if i <= last[w] {
				t.Errorf("seed %d: writer %d: got %d after %d, want order", seed, w, i, last[w])
			}
			last[w] = i
		}
		for w, n := range acknowledged {
			if last[w] < n {
				t.Errorf("seed %d: writer %d: got %d records, want the %d that were acknowledged", seed, w, last[w], n)
			}
		}
		closeLog(t, l)
	}
}

// TestRemovedSegmentIsReadToItsEnd removes a segment while it is read for the first
// time.
func TestRemovedSegmentIsReadToItsEnd(t *testing.T) {
	const records = 30
	l := open(t, t.TempDir(), wal.Options{SegmentSize: 4 << 20})
	for range records {
		appendAll(t, l, strings.Repeat("x", 100_000))
	}
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	read := 0
	err := l.Scan(0, func(wal.Position, []byte) error {
		if read++; read > 1 {
			return nil
		}
		return l.Remove(1)
	})
	if err != nil || read != records {
		t.Errorf("Scan: got %d records and error %v, want all %d", read, err, records)
	}
	if d := l.Stats().Damage; len(d) > 0 {
		t.Errorf("damage: got %+v, want none", d)
	}
	closeLog(t, l)
}

// TestReadWhileSegmentsAreRemoved reads and scans while segments come and go.
func TestReadWhileSegmentsAreRemoved(t *testing.T) {
	l := open(t, t.TempDir(), wal.Options{SegmentSize: 64 << 10})
	var mu sync.Mutex
	var positions []wal.Position
	end := time.Now().Add(300 * time.Millisecond)
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			for time.Now().Before(end) {
				at, err := l.Append(t.Context(), make([]byte, 3000))
				if err != nil {
					t.Errorf("Append: got error %v, want none", err)
					return
				}
				mu.Lock()
				positions = append(positions, at...)
				mu.Unlock()
			}
		})
		running.Go(func() {
			for time.Now().Before(end) {
				mu.Lock()
				n := len(positions)
				var p wal.Position
				if n > 0 {
					p = positions[max(0, n-1-rand.IntN(60))]
				}
				mu.Unlock()
				if n == 0 {
					continue
				}
				if r, err := l.Read(p, nil); errors.Is(err, wal.ErrNotFound) {
					continue
				} else if err != nil || len(r) != 3000 {
					t.Errorf("Read: got %d bytes and error %v, want 3000 or %v", len(r), err, wal.ErrNotFound)
				}
			}
		})
	}
	running.Go(func() {
		for time.Now().Before(end) {
			if err := l.Scan(0, func(wal.Position, []byte) error { return nil }); err != nil {
				t.Errorf("Scan: got error %v, want none", err)
			}
		}
	})
	running.Go(func() {
		for time.Now().Before(end) {
			segments := l.Segments()
			if len(segments) < 3 {
				continue
			}
			if err := l.Remove(segments[0].Number); err != nil {
				t.Errorf("Remove: got error %v, want none", err)
			}
		}
	})
	running.Wait()
	if d := l.Stats().Damage; len(d) > 0 {
		t.Errorf("damage: got %+v, want none", d)
	}
	segments := l.Segments()
	if err := l.Remove(segments[len(segments)-1].Number); err == nil {
		t.Error("Remove of the segment that is written: got no error, want one")
	}
	closeLog(t, l)
}
