package memory_test

import (
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/inuse"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/ledgertest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// mostBytes is what an event may take in memory.
const mostBytes = 48

// TestMemoryOfAnEvent measures at numbers of events that leave the tables as
// empty as they get, and as full.
func TestMemoryOfAnEvent(t *testing.T) {
	for _, n := range []int{800_000, 1_000_000} {
		if got := bytesAnEvent(t, n); got > mostBytes {
			t.Errorf("%d events: got %.1f bytes for each, want at most %d", n, got, mostBytes)
		} else {
			t.Logf("%d events: %.1f bytes for each", n, got)
		}
	}
}

func BenchmarkMemoryOfAnEvent(b *testing.B) {
	for range b.N {
		b.ReportMetric(bytesAnEvent(b, 10_000_000), "bytes/event")
	}
}

// bytesAnEvent fills a store, and returns what an event takes.
func bytesAnEvent(t testing.TB, n int) float64 {
	t.Helper()
	before := inuse.Heap()
	s := ledgertest.Open(t, newMemory(t, new(ledgertest.Clock), n), ledgertest.Scope())
	for left := n; left > 0; left -= 1000 {
		ledgertest.Commit(t, s, ledgertest.RandomKeys(min(left, 1000)), 36*time.Hour)
	}
	used := inuse.Heap() - before
	ledgertest.WantAll(t, s, ledgertest.RandomKeys(1), store.Claimed) // the store is in use until here
	return float64(used) / float64(n)
}
