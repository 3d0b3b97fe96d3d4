package dedup_test

import (
	"path/filepath"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/dedup"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/dedup/deduptest"
)

func TestFileKeepsThePromises(t *testing.T) {
	deduptest.Run(t, func(t *testing.T) deduptest.Subject {
		c := newClock()
		f := newFile(t, c)
		return deduptest.Subject{Open: f.Open, Advance: c.advance, Restart: func() {}}
	})
}

func newFile(t testing.TB, c *clock) *dedup.File {
	t.Helper()
	f := &dedup.File{Path: filepath.Join(t.TempDir(), "meta_webhook.db")}
	f.SetClock(c.now)
	provision(t, f)
	return f
}
