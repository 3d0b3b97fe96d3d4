package ledger_test

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/ledger"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal/waltest"
)

const dir = "/ledger"

var start = time.Date(2026, 1, 1, 0, 0, 0, 600_000_000, time.UTC)

// A subject is a ledger on a disk of the test's own.
type subject struct {
	t    *testing.T
	o    ledger.Options
	disk *waltest.Disk
	l    *ledger.Ledger
	now  atomic.Int64 // nanoseconds since start
}

func newSubject(t *testing.T, seed uint64) *subject {
	s := &subject{t: t, disk: waltest.NewDisk(seed)}
	s.o = ledger.Options{FS: s.disk, Now: s.time, Logger: zap.NewNop(), Table: 1000}
	s.open()
	return s
}

func (s *subject) time() time.Time { return start.Add(time.Duration(s.now.Load())) }

func (s *subject) open() {
	s.t.Helper()
	var err error
	s.l, err = ledger.Open(dir, s.o)
	if err != nil {
		s.t.Fatalf("Open: got error %v, want none", err)
	}
}

// find returns how many of these events were delivered.
func (s *subject) find(events []store.Key) (n int) {
	s.t.Helper()
	states := make([]store.State, len(events))
	if err := s.l.Find(events, states); err != nil {
		s.t.Fatalf("Find: got error %v, want none", err)
	}
	for _, state := range states {
		if state == store.Delivered {
			n++
		}
	}
	return n
}

func (s *subject) add(events []store.Key, window time.Duration) {
	s.t.Helper()
	if err := s.l.Add(events, window); err != nil {
		s.t.Fatalf("Add: got error %v, want none", err)
	}
}

// size returns what the ledger takes on the disk.
func (s *subject) size() (n int) {
	s.t.Helper()
	names, err := s.disk.List(dir)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, name := range names {
		n += len(s.disk.Content(filepath.Join(dir, name)))
	}
	return n
}

func randomKeys(random *rand.Rand, n int) []store.Key {
	keys := make([]store.Key, n)
	for i := range keys {
		binary.NativeEndian.PutUint64(keys[i][:], random.Uint64())
		binary.NativeEndian.PutUint64(keys[i][8:], random.Uint64())
	}
	return keys
}

// TestSegmentsStayUntilTheIndexHasThem has the index write a file late, when the
// log has gone on for several segments.
func TestSegmentsStayUntilTheIndexHasThem(t *testing.T) {
	s := &subject{t: t, disk: waltest.NewDisk(1)}
	s.o = ledger.Options{FS: s.disk, Now: s.time, Logger: zap.NewNop(), Table: 1000, SegmentSize: 64 << 10}
	s.open()
	var late, written atomic.Bool
	s.disk.SetFault(func(op waltest.Op) error {
		if !strings.HasSuffix(op.Name, ".seen.tmp") {
			return nil
		}
		if !late.Load() {
			return errors.New("input/output error")
		}
		written.Store(written.Load() || op.Kind == "rename")
		return nil
	})
	events := randomKeys(rand.New(rand.NewPCG(1, 1)), 20_000)
	for at := 0; at < len(events); at += 500 {
		s.add(events[at:at+500], time.Hour)
	}
	late.Store(true)
	for deadline := time.Now().Add(20 * time.Second); !written.Load(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("got no file of the index after 20s, want it after a second")
		}
	}
	if err := s.l.Close(); err != nil { // which waits for what the file was written for
		t.Fatalf("Close: got error %v, want none", err)
	}
	s.open()
	if n := s.find(events); n != len(events) {
		t.Errorf("got %d events in the next process, want all %d", n, len(events))
	}
	if err := s.l.Close(); err != nil {
		t.Errorf("Close: got error %v, want none", err)
	}
}

// TestLedgerStopsGrowing has events come and go for many windows, of two
// lengths.
func TestLedgerStopsGrowing(t *testing.T) {
	const (
		window   = time.Hour
		rounds   = 12 // in a window
		perRound = 2000
	)
	s := newSubject(t, 1)
	random := rand.New(rand.NewPCG(1, 1))
	var after3 int
	var last []store.Key
	for n := range 10 * rounds {
		last = randomKeys(random, perRound)
		for at := 0; at < perRound; at += perRound / 2 {
			s.add(last[at:at+800], window)
			s.add(last[at+800:at+1000], window/2)
		}
		s.now.Add(int64(window / rounds))
		if n == 3*rounds {
			after3 = s.size()
		}
	}
	if n := s.find(last[:800]); n != 800 {
		t.Errorf("got %d events of the last round delivered, want all 800", n)
	}
	if got := s.size(); float64(got) > 1.5*float64(after3) {
		t.Errorf("got %d bytes after 10 windows, want about the %d of 3 windows", got, after3)
	}
	if got := s.l.Len(); got > 2*rounds*perRound {
		t.Errorf("got %d events, want about the %d whose window has not ended", got, rounds*perRound*9/10)
	}
	if err := s.l.Close(); err != nil {
		t.Errorf("Close: got error %v, want none", err)
	}
}

// TestPowerCut stops the machine at any operation of the disk while many
// requests commit. What was committed is remembered, and nothing else is.
func TestPowerCut(t *testing.T) {
	for seed := range uint64(15) {
		s := newSubject(t, seed)
		var committed, others []store.Key
		for run := range 4 {
			var ops atomic.Int64
			stop := int64(rand.New(rand.NewPCG(seed, uint64(run))).IntN(300))
			s.disk.SetFault(func(waltest.Op) error {
				if ops.Add(1) > stop {
					return waltest.ErrStopped
				}
				return nil
			})
			var mu sync.Mutex
			var running sync.WaitGroup
			for g := range uint64(4) {
				running.Go(func() {
					random := rand.New(rand.NewPCG(seed*100+uint64(run), g))
					for {
						events := randomKeys(random, 1+random.IntN(300))
						err := s.l.Add(events, time.Hour)
						mu.Lock()
						if err == nil {
							committed = append(committed, events...)
						} else {
							others = append(others, randomKeys(random, 10)...)
						}
						mu.Unlock()
						if err != nil {
							return
						}
					}
				})
			}
			running.Wait()
			_ = s.l.Close()
			if run%2 == 0 {
				s.disk.PowerCut()
			} else {
				s.disk.Kill()
			}
			s.open()
			if n := s.find(committed); n != len(committed) {
				t.Fatalf("seed %d, run %d: got %d events delivered, want the %d that were committed", seed, run, n, len(committed))
			}
			if n := s.find(others); n != 0 {
				t.Fatalf("seed %d, run %d: got %d events delivered that never were, want none", seed, run, n)
			}
		}
		s.now.Store(int64(2 * time.Hour))
		if n := s.find(committed); n != 0 {
			t.Errorf("seed %d: got %d events delivered after their window, want none", seed, n)
		}
		_ = s.l.Close()
	}
}

// TestManyEventsAtOnce commits more events at a time than a record takes.
func TestManyEventsAtOnce(t *testing.T) {
	s := newSubject(t, 1)
	events := randomKeys(rand.New(rand.NewPCG(3, 3)), 150_000)
	s.add(events, time.Hour)
	if n := s.find(events); n != len(events) {
		t.Errorf("got %d events delivered, want all %d", n, len(events))
	}
	if err := s.l.Close(); err != nil {
		t.Fatal(err)
	}
	s.open()
	if n := s.find(events); n != len(events) {
		t.Errorf("reopened: got %d events delivered, want all %d", n, len(events))
	}
	if err := s.l.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestLogOfALedgerStaysShort fills many tables. The log has what the index has
// in memory, and little more.
func TestLogOfALedgerStaysShort(t *testing.T) {
	s := &subject{t: t, disk: waltest.NewDisk(1)}
	s.o = ledger.Options{FS: s.disk, Now: s.time, Logger: zap.NewNop(), Table: 1000, SegmentSize: 64 << 10}
	s.open()
	random := rand.New(rand.NewPCG(4, 4))
	for range 60 {
		s.add(randomKeys(random, 1000), time.Hour)
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		names, err := s.disk.List(dir)
		if err != nil {
			t.Fatal(err)
		}
		logs, others := 0, 0
		for _, name := range names {
			if strings.HasSuffix(name, ".log") {
				logs++
			} else {
				others++
			}
		}
		if logs <= 3 {
			t.Logf("%d segments, %d other files", logs, others)
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %d segments of the log after a megabyte, want those that are in use", logs)
		}
		time.Sleep(time.Millisecond)
	}
	if err := s.l.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestLedgerWithoutItsLog removes the log. What the index has is still there, and
// what comes is kept.
func TestLedgerWithoutItsLog(t *testing.T) {
	s := newSubject(t, 1)
	random := rand.New(rand.NewPCG(5, 5))
	events := randomKeys(random, 10_000)
	for at := 0; at < len(events); at += 100 {
		s.add(events[at:at+100], time.Hour)
	}
	if err := s.l.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := s.disk.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".log") {
			if err := s.disk.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.open()
	if s.find(events) == 0 {
		t.Error("got no event, want those in the index")
	}
	more := randomKeys(random, 10_000)
	for at := 0; at < len(more); at += 100 {
		s.add(more[at:at+100], time.Hour)
	}
	if err := s.l.Close(); err != nil {
		t.Fatal(err)
	}
	s.open()
	if n := s.find(more); n != len(more) {
		t.Errorf("reopened: got %d events, want all %d", n, len(more))
	}
	if err := s.l.Close(); err != nil {
		t.Fatal(err)
	}
}
