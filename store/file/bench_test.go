package file_test

import (
	"io/fs"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/ledgertest"
)

// BenchmarkFileOfAnEvent fills a folder with a million events.
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
		b.ReportMetric(float64(folderSize(b, f.Path))/n, "bytes/event")
	}
}

// folderSize returns what the files in a folder take.
func folderSize(tb testing.TB, path string) (size int64) {
	tb.Helper()
	err := filepath.WalkDir(path, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && !entry.IsDir() {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		tb.Error(err)
	}
	return size
}
