//go:build unix

package file_test

import (
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/ledgertest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file"
)

// fullDiskPath tells another process which file to fill the disk with.
const fullDiskPath = "DEDUP_TEST_FULL_DISK_PATH"

// TestFileOnAFullDisk has a process of its own, the files of which can be made
// to grow no longer.
func TestFileOnAFullDisk(t *testing.T) {
	path := os.Getenv(fullDiskPath)
	if path == "" {
		process := exec.Command(os.Args[0], "-test.run", "^TestFileOnAFullDisk$", "-test.v")
		process.Env = append(os.Environ(), fullDiskPath+"="+filepath.Join(t.TempDir(), "stored"))
		output, err := process.CombinedOutput()
		if err != nil {
			t.Errorf("got error %v, want none\n%s", err, output)
		} else if !strings.Contains(string(output), "--- PASS: TestFileOnAFullDisk") {
			t.Errorf("got a process that has not run the test:\n%s", output)
		}
		return
	}

	c := new(ledgertest.Clock)
	f := &file.Store{Path: path}
	f.SetClock(c.Now)
	ledgertest.Provision(t, f)
	s := ledgertest.Open(t, f, "default")
	recorded := ledgertest.RandomKeys(5000)
	ledgertest.Commit(t, s, recorded, time.Hour)

	room := limitFiles(t, 1<<20)
	var refusal error
	for n, refused := 0, 0; refused < 5; n++ { // what one file cannot take, another may
		more := ledgertest.RandomKeys(1000)
		if err := s.Commit(t.Context(), 1, more, time.Hour); err == nil {
			recorded = append(recorded, more...)
			refused = 0
		} else {
			refusal = err
			refused++
		}
		if n == 1000 {
			t.Fatal("got a million events onto a full disk, want an error")
		}
	}
	if got := refusal.Error(); !strings.Contains(got, path) || !strings.Contains(got, "file too large") {
		t.Errorf("got error %q, want one that names the file and says that there is no room", got)
	}
	ledgertest.WantAll(t, s, recorded, store.Delivered)

	room()
	more := ledgertest.RandomKeys(1000)
	for deadline := time.Now().Add(10 * time.Second); s.Commit(t.Context(), 1, more, time.Hour) != nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("got errors for ten seconds after there was room, want events")
		}
	}
	ledgertest.WantAll(t, s, append(recorded, more...), store.Delivered)
	c.Advance(time.Hour + 2*time.Second)
	ledgertest.WantAll(t, s, recorded, store.Claimed)
}

// limitFiles lets no file of this process grow beyond a size, until the
// function that it returns is called.
func limitFiles(t *testing.T, size uint64) (room func()) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	before := limit
	limit.Cur = size
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
			t.Fatal(err)
		}
	}
}
