package seen_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/seen"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// TestWhatTheLogHasLostIsForgotten has a log that ends before its index does.
func TestWhatTheLogHasLostIsForgotten(t *testing.T) {
	for _, test := range []struct {
		name   string
		left   int // records
		damage int // a byte of a file
	}{
		{"in the last file", 550, -1},
		{"in the first file", 70, -1},
		{"in a damaged file", 550, 5000},
		{"at the end of a file", 400, -1},
		{"everything", 0, -1},
	} {
		t.Run(test.name, func(t *testing.T) {
			l, keys := filled(t, 600, 200)
			l.close()
			if at, err := seen.Reached(l.disk, dir); err != nil || at <= l.records[500].position {
				t.Errorf("Reached: got %x and error %v, want behind %x", at, err, l.records[500].position)
			}
			if test.damage > 0 {
				l.disk.Flip(l.files(".seen")[2], int64(test.damage))
			}
			end := l.records[test.left].position
			l.records = l.records[:test.left]
			l.settled.Store(uint64(end))
			l.o.End = end
			for range 2 {
				l.open()
				if from := l.x.From(); from > end {
					t.Errorf("From: got %x, want %x at most", from, end)
				}
				l.check("opened", keys)
				l.close()
			}
			if at, err := seen.Reached(l.disk, dir); err != nil || at > end {
				t.Errorf("Reached: got %x and error %v, want %x at most", at, err, end)
			}
		})
	}
}

func TestFolderThatIsNotThereHasReachedNothing(t *testing.T) {
	if at, err := seen.Reached(wal.OS(), t.TempDir()+"/none"); at != 0 || err != nil {
		t.Errorf("Reached: got %x and error %v, want 0", at, err)
	}
}

// TestMovedEntriesAreInTheFileOfTheirPlace has records written again, some of
// them behind what a file has.
func TestMovedEntriesAreInTheFileOfTheirPlace(t *testing.T) {
	l := newLog(t, 1, 1000)
	moved := map[wal.Position]wal.Position{}
	l.o.Moved = func() map[wal.Position]wal.Position { return moved }
	l.open()
	random := rand.New(rand.NewPCG(1, 0))
	var keys []store.Key
	for range 100 {
		keys = append(keys, randomKey(random))
		l.add(keys[len(keys)-1], time.Hour)
	}
	end := l.settled.Load()
	for i := 50; i < 100; i++ { // the second half is written again, from the first segment on
		to := wal.Position(end + uint64(i))
		if i < 75 {
			to = l.records[49].position + wal.Position(i)
		}
		moved[l.records[i].position] = to
		l.records[i].position = to
	}
	l.settled.Store(uint64(l.records[74].position) + 1)
	if err := l.x.Flush(); err != nil {
		t.Fatal(err)
	}
	l.check("flushed", keys)
	clear(moved)
	l.settled.Store(end + 1000)
	l.close()
	l.o.Scan = nil
	slices.SortFunc(l.records, func(a, b record) int { return int(a.position) - int(b.position) })
	l.open()
	l.check("opened", keys)
	l.close()
}

// TestEntriesOfAFileAreNotAddedAgain adds what the index has already.
func TestEntriesOfAFileAreNotAddedAgain(t *testing.T) {
	l, keys := filled(t, 200, 200)
	for _, r := range l.records {
		l.x.Add(r.key, r.position, r.until)
	}
	if n := l.x.Len(l.now); n != 200 {
		t.Errorf("Len: got %d, want 200", n)
	}
	l.check("added again", keys)
	l.close()
}
