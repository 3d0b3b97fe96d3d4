package file_test

import (
	"path/filepath"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/ledgertest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file"
)

func TestSizeIsMeasured(t *testing.T) {
	c, name := new(ledgertest.Clock), ledgertest.Scope()
	path := filepath.Join(t.TempDir(), "stored")
	ledgertest.SizeIsMeasured(t, c, true, func() ledgertest.Measured {
		s := &file.Store{Path: path}
		s.SetClock(c.Now)
		return ledgertest.Measure(t, s, name)
	})
}
