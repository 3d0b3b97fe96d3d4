package file_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/ledgertest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/storetest"
)

func TestFileKeepsThePromises(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		c := new(ledgertest.Clock)
		f := newFile(t, c)
		return storetest.Subject{Open: f.Open, Advance: c.Advance, Restart: func() {}}
	})
}

func newFile(t testing.TB, c *ledgertest.Clock) *file.Store {
	t.Helper()
	f := &file.Store{Path: filepath.Join(t.TempDir(), "meta_webhook")}
	f.SetClock(c.Now)
	ledgertest.Provision(t, f)
	return f
}

// TestFileIsDurableBeforeTheAnswer takes the folder as it is when Commit has
// returned, as a crash would.
func TestFileIsDurableBeforeTheAnswer(t *testing.T) {
	c := new(ledgertest.Clock)
	f := newFile(t, c)
	s := ledgertest.Open(t, f, "default")
	events := ledgertest.RandomKeys(300)
	claimed := ledgertest.RandomKeys(1)
	if _, err := s.Claim(t.Context(), 1, append(claimed, events...), time.Minute); err != nil {
		t.Fatal(err)
	}
	ledgertest.Commit(t, s, events, time.Hour)
	ledgertest.WantAll(t, ledgertest.Open(t, copyOf(t, f, c), "default"), events, store.Delivered)
	ledgertest.WantAll(t, ledgertest.Open(t, copyOf(t, f, c), "default"), claimed, store.Claimed) // a claim ends with its process
}

// copyOf returns a module with a copy of a module's folder.
func copyOf(t testing.TB, f *file.Store, c *ledgertest.Clock) *file.Store {
	t.Helper()
	other := newFile(t, c)
	if err := os.CopyFS(other.Path, os.DirFS(f.Path)); err != nil {
		t.Fatal(err)
	}
	return other
}

func TestReloadKeepsFileOpen(t *testing.T) {
	c := new(ledgertest.Clock)
	f := newFile(t, c)
	events := ledgertest.RandomKeys(3)
	first, err := f.Open("default")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.Claim(t.Context(), 1, events, time.Minute); err != nil {
		t.Fatal(err)
	}
	ledgertest.Commit(t, first, events[:1], time.Hour)

	// the same file by another path, as a changed configuration names it
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(f.Path, link); err != nil {
		t.Skipf("SKIPPED: this test needs symbolic links: %v", err)
	}
	changed := &file.Store{Path: link}
	changed.SetClock(c.Now)
	ledgertest.Provision(t, changed)
	second := ledgertest.Open(t, changed, "default")
	ledgertest.WantAll(t, second, events[:1], store.Delivered)
	ledgertest.WantAll(t, second, events[1:], store.InFlight)
	ledgertest.Commit(t, first, events[1:2], time.Hour) // a request of the old configuration
	if err := first.Close(); err != nil {
		t.Errorf("Close: got error %v, want none", err)
	}
	ledgertest.WantAll(t, second, events[:2], store.Delivered)
	ledgertest.WantAll(t, second, events[2:], store.InFlight)
}

func TestFileOfSeveralNames(t *testing.T) {
	f := newFile(t, new(ledgertest.Clock))
	events := ledgertest.RandomKeys(100)
	one, two := ledgertest.Open(t, f, "one"), ledgertest.Open(t, f, "two")
	ledgertest.Commit(t, one, events[:50], time.Hour)
	ledgertest.Commit(t, two, events[50:], time.Hour)
	ledgertest.WantAll(t, one, events[:50], store.Delivered)
	ledgertest.WantAll(t, one, events[50:], store.Claimed)
	ledgertest.WantAll(t, two, events[50:], store.Delivered)
	ledgertest.WantAll(t, two, events[:50], store.Claimed)
}

func TestPathOfAFileRefusesTheConfiguration(t *testing.T) {
	f := newFile(t, new(ledgertest.Clock))
	if err := os.WriteFile(f.Path, []byte("of an earlier version"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := f.Open("default")
	if err == nil {
		s.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "path: "+f.Path+" is a file, and has to be a folder") {
		t.Errorf("Open: got error %v, want one that names the file and says what it has to be", err)
	}
}

// TestFoldersOfNames has names that could lead out of the folder, or are one to
// a file system that does not tell upper from lower case.
func TestFoldersOfNames(t *testing.T) {
	f := newFile(t, new(ledgertest.Clock))
	names := []string{"default", "shop", "Shop", "SHOP", "..", "a/b", `a\b`, "ä ö", "%53hop", "nul", ""}
	for _, name := range names {
		s := ledgertest.Open(t, f, name)
		events := []store.Key{{1}}
		ledgertest.WantAll(t, s, events, store.Claimed)
		ledgertest.Commit(t, s, events, time.Hour)
	}
	entries, err := os.ReadDir(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	folders := make(map[string]bool)
	for _, entry := range entries {
		folders[strings.ToLower(entry.Name())] = entry.IsDir()
	}
	if len(folders) != len(names) {
		t.Errorf("got %v in the folder, want one folder for each of %q", entries, names)
	}
}

func TestFilePath(t *testing.T) {
	t.Setenv("DEDUP_TEST_DIR", t.TempDir())
	f := &file.Store{Path: "{env.DEDUP_TEST_DIR}/x"}
	ledgertest.Provision(t, f)
	if want := filepath.Join(os.Getenv("DEDUP_TEST_DIR"), "x"); f.Path != want {
		t.Errorf("path: got %q, want %q", f.Path, want)
	}
	f = new(file.Store)
	ledgertest.Provision(t, f)
	if want := filepath.Join(caddy.AppDataDir(), "meta_webhook"); f.Path != want {
		t.Errorf("path: got %q by default, want %q", f.Path, want)
	}
}
