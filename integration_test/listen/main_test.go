package listen

import (
	"os"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/caddyproc"
)

func TestMain(m *testing.M) { os.Exit(caddyproc.Main(m)) }
