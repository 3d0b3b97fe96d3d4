package seen_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/seen"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal/waltest"
)

const dir = "/index"

// A fakeLog is the records of a log, in their order, and an index of them.
type fakeLog struct {
	tb      testing.TB
	disk    *waltest.Disk
	o       seen.Options
	x       *seen.Index
	now     time.Time
	records []record
	oldest  uint32 // segment
	settled atomic.Uint64
}

type record struct {
	key      store.Key
	position wal.Position
	until    time.Time
}

func newLog(tb testing.TB, seed uint64, table int) *fakeLog {
	l := &fakeLog{tb: tb, disk: waltest.NewDisk(seed), now: time.Unix(1_700_000_000, 0)}
	l.settled.Store(1 << 32)
	l.o = seen.Options{
		FS: l.disk, Table: table, Retry: time.Millisecond, Logger: zap.NewNop(),
		Settled: func() wal.Position { return wal.Position(l.settled.Load()) },
		Scan:    l.scan,
	}
	return l
}

func (l *fakeLog) scan(from, to wal.Position, add func(store.Key, wal.Position, time.Time)) error {
	for _, r := range l.records {
		if r.position >= from && r.position < to && r.position.Segment() >= l.oldest {
			add(r.key, r.position, r.until)
		}
	}
	return nil
}

// open opens the index, and adds what it does not have.
func (l *fakeLog) open() {
	l.tb.Helper()
	end := l.settled.Load()
	l.settled.Store(0) // until what the log has is added
	x, err := seen.Open(dir, l.o)
	if err != nil {
		l.tb.Fatalf("Open: got error %v, want none", err)
	}
	l.x = x
	_ = l.scan(x.From(), wal.Position(end), func(key store.Key, p wal.Position, until time.Time) {
		l.settled.Store(uint64(p))
		x.Add(key, p, until)
	})
	l.settled.Store(end)
}

func (l *fakeLog) close() {
	l.tb.Helper()
	if err := l.x.Close(); err != nil {
		l.tb.Errorf("Close: got error %v, want none", err)
	}
}

// add appends a record to the log and the index.
func (l *fakeLog) add(key store.Key, window time.Duration) {
	r := record{key: key, position: wal.Position(l.settled.Load())}
	if window > 0 {
		r.until = l.now.Add(window)
	}
	l.records = append(l.records, r)
	l.x.Add(r.key, r.position, r.until)
	next := r.position + 100
	if next.Offset() > 10_000 {
		next = wal.Position(uint64(next.Segment()+1) << 32)
	}
	l.settled.Store(uint64(next))
}

// check compares what the index says of keys with the log.
func (l *fakeLog) check(where string, keys []store.Key) {
	l.tb.Helper()
	positions := make(map[store.Key][]wal.Position)
	until := make(map[store.Key]time.Time)
	for _, r := range l.records {
		if r.until.After(until[r.key]) {
			until[r.key] = r.until
		}
		if r.position.Segment() >= l.oldest {
			positions[r.key] = append(positions[r.key], r.position)
		}
	}
	for _, k := range keys {
		if got, want := l.x.Seen(k, l.now), until[k].After(l.now); got != want {
			l.tb.Fatalf("%s: Seen(%v): got %v, want %v, which ends at %v", where, k, got, want, until[k])
		}
		got := l.x.Find(k)
		got = slices.DeleteFunc(got, func(p wal.Position) bool { return p.Segment() < l.oldest })
		if !slices.Equal(got, positions[k]) {
			l.tb.Fatalf("%s: Find(%v): got %x, want %x", where, k, got, positions[k])
		}
	}
}

func randomKey(random *rand.Rand) (k store.Key) {
	binary.NativeEndian.PutUint64(k[:], random.Uint64())
	binary.NativeEndian.PutUint64(k[8:], random.Uint64())
	return k
}

// TestModel adds events, lets them expire, and stops the process and the machine
// at any operation of the disk. The index always says what the log does.
func TestModel(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			l := newLog(t, seed, 1+random.IntN(60))
			keys := []store.Key{{}, {15: 1}}
			for i := range 400 {
				k := randomKey(random)
				if i%10 == 0 { // neighbours in a file
					copy(k[:], keys[len(keys)-1][:8+random.IntN(8)])
				}
				keys = append(keys, k)
			}
			for run := range 12 {
				l.open()
				l.check(fmt.Sprint("opened, run ", run), keys)
				stop := random.IntN(500)
				var ops atomic.Int64
				if run%3 > 0 {
					l.disk.SetFault(func(waltest.Op) error {
						if ops.Add(1) > int64(stop) {
							return waltest.ErrStopped
						}
						return nil
					})
				}
				for range random.IntN(600) {
					switch random.IntN(50) {
					default:
						l.add(keys[random.IntN(len(keys)-50)], time.Duration(random.IntN(2)*random.IntN(3600))*time.Second)
					case 0:
						l.now = l.now.Add(time.Duration(random.IntN(300)) * time.Second)
					case 1:
						if newest := wal.Position(l.settled.Load()).Segment(); newest > 3 && l.x.Flush() == nil {
							l.oldest = max(l.oldest, newest-3+uint32(random.IntN(3)))
						}
						l.x.Expire(l.now, l.oldest)
					case 2:
						before := ops.Load()
						if some := keys[random.IntN(len(keys)-5):][:5]; run%3 == 0 || before+300 < int64(stop) {
							l.check(fmt.Sprint("run ", run), some)
						}
					}
				}
				if run%3 == 0 {
					l.check(fmt.Sprint("before the end, run ", run), keys)
				}
				l.disk.SetFault(func(waltest.Op) error { return waltest.ErrStopped })
				_ = l.x.Close()
				if random.IntN(2) == 0 {
					l.disk.PowerCut()
				} else {
					l.disk.Kill()
				}
			}
		})
	}
}

// files returns the names of the files with an extension.
func (l *fakeLog) files(extension string) (names []string) {
	l.tb.Helper()
	all, err := l.disk.List(dir)
	if err != nil {
		l.tb.Fatal(err)
	}
	for _, name := range all {
		if strings.HasSuffix(name, extension) {
			names = append(names, filepath.Join(dir, name))
		}
	}
	return names
}

func within(tb testing.TB, what string, is func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(10 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("%s: not within ten seconds", what)
		}
	}
}

// filled returns a log whose index has so many entries, in several files, and
// their keys.
func filled(tb testing.TB, n, table int) (l *fakeLog, keys []store.Key) {
	tb.Helper()
	l = newLog(tb, 1, 2*table) // so that nobody else writes one
	l.open()
	random := rand.New(rand.NewPCG(2, 0))
	for i := range n {
		keys = append(keys, randomKey(random))
		l.add(keys[i], time.Hour)
		if i%table == table-1 {
			if err := l.x.Flush(); err != nil {
				tb.Fatalf("Flush: got error %v, want none", err)
			}
			l.x.Expire(l.now, l.oldest) // which merges files
		}
	}
	return l, keys
}

// TestFilesStayFew adds many times what is in memory. Files are merged, and those
// in which nothing counts any more go.
func TestFilesStayFew(t *testing.T) {
	l, keys := filled(t, 6400, 100)
	defer func() { l.close() }()
	within(t, "64 tables are merged", func() bool { return len(l.files(".seen")) <= 4 })
	l.check("merged", keys)
	if n := l.x.Len(l.now); n != 6400 {
		t.Errorf("Len: got %d, want 6400", n)
	}
	l.now = l.now.Add(2 * time.Hour)
	l.oldest = wal.Position(l.settled.Load()).Segment() + 1
	l.settled.Store(uint64(l.oldest) << 32)
	l.x.Expire(l.now, l.oldest)
	random := rand.New(rand.NewPCG(3, 0))
	for range 400 {
		l.add(randomKey(random), time.Hour)
	}
	within(t, "what has expired is forgotten", func() bool { l.x.Expire(l.now, l.oldest); return l.x.Len(l.now) <= 400 })
	l.check("expired", keys)
}

// TestDamagedFileIsMadeAgain damages a file at one of its bytes after another.
// No event counts as seen that was not, the others still do, and the file is
// made again from the log.
func TestDamagedFileIsMadeAgain(t *testing.T) {
	made, keys := filled(t, 500, 200)
	within(t, "two files", func() bool { return len(made.files(".seen")) == 2 })
	made.close()
	random := rand.New(rand.NewPCG(5, 0))
	for i, name := range made.files(".seen") {
		content := made.disk.Content(name)
		for at := 0; at < len(content); at += 1 + random.IntN(400) {
			where := fmt.Sprintf("byte %d of file %d", at, i)
			l := newLog(t, 0, 200)
			l.records = made.records
			l.settled.Store(made.settled.Load())
			for _, n := range made.files(".seen") {
				l.disk.SetContent(n, made.disk.Content(n))
			}
			l.disk.Flip(name, int64(at))
			l.o.Scan = nil
			l.open()
			missing := 0
			for _, k := range keys {
				if !l.x.Seen(k, l.now) {
					missing++
				}
			}
			for range 50 {
				if k := randomKey(random); l.x.Seen(k, l.now) {
					t.Errorf("%s: Seen(%v): got true, want false", where, k)
				}
			}
			set := len(l.files(".seen.damaged"))
			if missing > 200 || set == 0 && missing > 0 && inBlock(at, content) {
				t.Errorf("%s: got %d events that are missing, and %d files set aside, want one file", where, missing, set)
			}
			l.close()
			for _, n := range made.files(".seen") {
				if set == 0 {
					l.disk.SetContent(n, made.disk.Content(n))
				}
			}
			if set == 0 {
				l.disk.Flip(name, int64(at))
			}
			l.o.Scan = l.scan
			l.open()
			l.check(where, keys)
			if left := l.files(".damaged"); len(left) > 0 {
				t.Errorf("%s: got %v left, want it made again", where, left)
			}
			l.close()
		}
	}
}

// inBlock reports whether an offset of a file is in one of its blocks.
func inBlock(at int, content []byte) bool {
	return at >= 4096 && at < (len(content)-1)/4096*4096 && at%4096 < 4092
}

// TestMissingFileIsMadeAgain removes a file in the middle.
func TestMissingFileIsMadeAgain(t *testing.T) {
	l, keys := filled(t, 650, 200)
	l.close()
	if err := l.disk.Remove(l.files(".seen")[1]); err != nil {
		t.Fatal(err)
	}
	l.open()
	defer l.close()
	l.check("made again", keys)
}

// TestFullDiskKeepsEntriesInMemory has no room for files. The index goes on, and
// writes them when there is.
func TestFullDiskKeepsEntriesInMemory(t *testing.T) {
	l := newLog(t, 1, 50)
	var full atomic.Bool
	full.Store(true)
	l.open()
	defer l.close()
	l.disk.SetFault(func(op waltest.Op) error {
		if full.Load() && slices.Contains([]string{"write", "create"}, op.Kind) {
			return syscall.ENOSPC
		}
		return nil
	})
	random := rand.New(rand.NewPCG(4, 0))
	var keys []store.Key
	for range 500 {
		keys = append(keys, randomKey(random))
		l.add(keys[len(keys)-1], time.Hour)
	}
	l.check("full", keys)
	full.Store(false)
	within(t, "the table is written", func() bool { return l.x.From() > 1<<32 })
	l.check("after there is room", keys)
}

// TestAddAndLookAtTheSameTime adds from several goroutines while others look.
func TestAddAndLookAtTheSameTime(t *testing.T) {
	l := newLog(t, 1, 100)
	var added [4]atomic.Uint64 // up to where each goroutine has added what it will
	l.o.Settled = func() wal.Position {
		settled := added[0].Load()
		for i := range added {
			settled = min(settled, added[i].Load())
		}
		return wal.Position(settled)
	}
	l.open()
	until := l.now.Add(time.Hour)
	var last atomic.Uint64
	var running sync.WaitGroup
	for g := range added {
		running.Go(func() {
			random := rand.New(rand.NewPCG(uint64(g), 0))
			for i := range 2000 {
				added[g].Store(last.Load())
				k, p := randomKey(random), wal.Position(last.Add(1))
				l.x.Add(k, p, until)
				if i%3 == 0 && (!l.x.Seen(k, l.now) || !slices.Equal(l.x.Find(k), []wal.Position{p})) {
					t.Errorf("Seen(%v): got false or other positions, want it at %x", k, p)
				}
				if i%500 == 0 {
					l.x.Expire(l.now, 0)
				}
			}
			added[g].Store(1 << 32)
		})
	}
	running.Wait()
	if err := l.x.Flush(); err != nil {
		t.Errorf("Flush: got error %v, want none", err)
	}
	if n := l.x.Len(l.now); n != 8000 {
		t.Errorf("Len: got %d, want 8000", n)
	}
	l.close()
}

// BenchmarkSeen looks for keys of a million, and for others.
func BenchmarkSeen(b *testing.B) {
	path := b.TempDir()
	var settled atomic.Uint64
	x, err := seen.Open(path, seen.Options{Settled: func() wal.Position { return wal.Position(settled.Load()) }})
	if err != nil {
		b.Fatal(err)
	}
	defer x.Close()
	random := rand.New(rand.NewPCG(1, 0))
	keys := make([]store.Key, 1_000_000)
	now := time.Now()
	start := time.Now()
	for i := range keys {
		keys[i] = randomKey(random)
		settled.Store(uint64(i) + 1)
		x.Add(keys[i], wal.Position(i), now.Add(time.Hour))
	}
	within(b, "all is written", func() bool { return uint64(x.From())+1<<17 > settled.Load() })
	b.Logf("%v to add, %.1f bytes an entry on the disk", time.Since(start), float64(x.Size())/float64(x.From()))
	for _, present := range []bool{true, false} {
		b.Run(fmt.Sprintf("present=%v", present), func(b *testing.B) {
			for i := range b.N {
				k := keys[i*7919%len(keys)]
				if !present {
					k[15]++
					k[3]++
				}
				if x.Seen(k, now) != present {
					b.Fatalf("Seen: got %v, want %v", !present, present)
				}
			}
		})
	}
}
