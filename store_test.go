package metawebhook

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/delivery"
)

// TestStoreThatCannotBeOpened refuses the configuration, which Caddy then
// cleans up.
func TestStoreThatCannotBeOpened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file") // where a folder has to be
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantNotLoaded(t, Handler{StoreRaw: fmt.Appendf(nil, `{"module":"file","path":%q}`, path)}, "default: store: ")
}

func TestStoreThatIsNotRegistered(t *testing.T) {
	const choice = "store: module: must be one of file, memory, postgres, not "
	wantNotLoaded(t, Handler{StoreRaw: []byte(`{"module":"redis"}`)}, choice+`"redis"`)
	wantNotLoaded(t, Handler{StoreRaw: []byte(`{"dsn":"host=db password=hunter2"}`)}, choice+`""`)
	wantNotLoaded(t, Handler{StoreRaw: []byte(`["hunter2"]`)}, "store: must be an object with the name of a module")
}

func TestStoreWithoutDeduplication(t *testing.T) {
	wantNotLoaded(t, Handler{StoreRaw: delivery.DefaultStore, Dedup: &delivery.Dedup{Off: true}}, "store: dedup off leaves nothing to remember")
}

// wantNotLoaded loads a handler with a token and a secret, and fails the test
// unless that fails with an error that begins so, and holds no password.
func wantNotLoaded(t *testing.T, h Handler, want string) {
	t.Helper()
	h.VerifyToken, h.AppSecret = []string{testToken}, []string{testSecret}
	err := provision(t, newContext(t), &h)
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got error %v, want one that begins with %q", err, want)
	}
	if err != nil && strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got error %v, want none that has the password", err)
	}
}
