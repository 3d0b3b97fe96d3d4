package file_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/ledgertest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/boltfile"
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

// TestFileIsDurableBeforeTheAnswer takes the file as it is when Commit has
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

// copyOf returns a module with a copy of a module's file.
func copyOf(t testing.TB, f *file.Store, c *ledgertest.Clock) *file.Store {
	t.Helper()
	content, err := os.ReadFile(f.LedgerFile())
	if err != nil {
		t.Fatal(err)
	}
	other := newFile(t, c)
	if err := os.Mkdir(other.Path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(other.LedgerFile(), content, 0o600); err != nil {
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

func TestFileThatIsNoneRefusesTheConfiguration(t *testing.T) {
	f := newFile(t, new(ledgertest.Clock))
	if err := os.Mkdir(f.Path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.LedgerFile(), []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := f.Open("default")
	if err == nil {
		s.Close()
	}
	if err == nil || !strings.Contains(err.Error(), f.LedgerFile()+" is damaged, or not a bbolt file") {
		t.Errorf("Open: got error %v, want one that names the file and says what it is not", err)
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

// TestFileStopsGrowing has events come and go for many windows, of two
// lengths.
func TestFileStopsGrowing(t *testing.T) {
	const (
		window   = time.Hour
		rounds   = 12 // in a window
		round    = window / rounds
		perRound = 1000
	)
	c := new(ledgertest.Clock)
	f := newFile(t, c)
	s := ledgertest.Open(t, f, "default")
	var after2 int64
	var last []store.Key
	for n := range 8 * rounds {
		last = ledgertest.RandomKeys(perRound)
		for at := 0; at < perRound; at += perRound / 2 {
			ledgertest.Commit(t, s, last[at:at+400], window)
			ledgertest.Commit(t, s, last[at+400:at+500], window/2)
		}
		c.Advance(round)
		if n == 2*rounds {
			after2 = used(t, f)
		}
	}
	ledgertest.WantAll(t, s, last[:400], store.Delivered)
	if got := used(t, f); float64(got) > 1.3*float64(after2) {
		t.Errorf("got %d bytes in use after 8 windows, want about the %d of 2 windows", got, after2)
	}
	const live = rounds * perRound
	if got := kept(t, f, "default"); got > live+live/10 {
		t.Errorf("got %d events in the file, want about the %d whose window has not ended", got, live*9/10)
	}
}

// used returns how much of a file is in use or was, and how far it will not
// grow.
func used(t testing.TB, f *file.Store) (size int64) {
	t.Helper()
	inFile(t, f, func(tx *bbolt.Tx) { size = tx.Size() })
	return size
}

// kept returns how many events of a name are in a file.
func kept(t testing.TB, f *file.Store, name string) (n int) {
	t.Helper()
	inFile(t, f, func(tx *bbolt.Tx) { n = tx.Bucket([]byte("dedup.events/" + name)).Stats().KeyN })
	return n
}

func inFile(t testing.TB, f *file.Store, look func(tx *bbolt.Tx)) {
	t.Helper()
	file, err := boltfile.Open(f.LedgerFile())
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := file.View(func(tx *bbolt.Tx) error { look(tx); return nil }); err != nil {
		t.Fatal(err)
	}
}
