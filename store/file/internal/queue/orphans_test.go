package queue

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// TestOrphansOutliveTheProcess has keys whose segment is gone, a file that is
// damaged, and the end of their windows.
func TestOrphansOutliveTheProcess(t *testing.T) {
	dir, now := t.TempDir(), time.Unix(1_700_000_000, 0)
	process := func() *Queue {
		return &Queue{dir: dir, o: Options{FS: wal.OS()}, zap: zap.NewNop(), seen: newSeenIndex(), orphanFiles: make(map[string]int64)}
	}
	process().keepOrphans(1, []orphan{{store.Key{1}, now.Add(time.Hour).UnixNano()}, {store.Key{2}, now.Add(2 * time.Hour).UnixNano()}})
	process().keepOrphans(2, []orphan{{store.Key{3}, now.Add(3 * time.Hour).UnixNano()}})
	damaged := filepath.Join(dir, "0000000002"+orphanSuffix)
	content, err := os.ReadFile(damaged)
	if err != nil {
		t.Fatal(err)
	}
	content[len(orphanMagic)] ^= 1
	if err := os.WriteFile(damaged, content, 0o600); err != nil {
		t.Fatal(err)
	}

	q := process()
	if err := q.loadOrphans(); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[byte]bool{1: true, 2: true, 3: false} {
		if got := q.seen.seen(store.Key{key}, now); got != want {
			t.Errorf("key %d: got seen %t, want %t", key, got, want)
		}
	}
	q.dropOrphans(now.Add(time.Hour))
	if left, _ := filepath.Glob(filepath.Join(dir, "*"+orphanSuffix)); len(left) != 1 {
		t.Errorf("got %q while a window has not ended, want the file of it", left)
	}
	q.dropOrphans(now.Add(2 * time.Hour))
	if left, _ := filepath.Glob(filepath.Join(dir, "*"+orphanSuffix)); len(left) != 0 {
		t.Errorf("got %q when all windows have ended, want none", left)
	}
}
