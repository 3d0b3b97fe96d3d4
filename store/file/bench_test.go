package file_test

import (
	"os"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/ledgertest"
)

// BenchmarkFileOfAnEvent fills a file with a million events.
func BenchmarkFileOfAnEvent(b *testing.B) {
	const n = 1_000_000
	for range b.N {
		c := new(ledgertest.Clock)
		f := newFile(b, c)
		s := ledgertest.Open(b, f, "default")
		for range n / 1000 {
			ledgertest.Commit(b, s, ledgertest.RandomKeys(1000), 36*time.Hour)
			c.Advance(time.Second)
		}
		var inUse int64
		inFile(b, f, func(tx *bbolt.Tx) { inUse = tx.Size() })
		info, err := os.Stat(f.LedgerFile())
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(inUse)/n, "bytes/event")
		b.ReportMetric(float64(info.Size())/n, "file-bytes/event")
	}
}
