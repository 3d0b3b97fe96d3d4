package boltfile_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/boltfile"
)

var bucket = []byte("test")

// open opens a file until the test ends.
func open(t testing.TB, path string) *boltfile.File {
	t.Helper()
	f, err := boltfile.Open(path)
	if err != nil {
		t.Fatalf("Open: got error %v, want none", err)
	}
	t.Cleanup(func() { closeFile(t, f) })
	return f
}

func closeFile(t testing.TB, f *boltfile.File) {
	t.Helper()
	if err := f.Close(); err != nil {
		t.Errorf("Close: got error %v, want none", err)
	}
}

// put returns what puts a number into the bucket.
func put(n int) func(*bbolt.Tx) error {
	return func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(bucket)
		if err != nil {
			return err
		}
		return b.Put(binary.BigEndian.AppendUint32(nil, uint32(n)), make([]byte, 100))
	}
}

// count returns how many numbers there are, and how many transactions there
// were.
func count(t testing.TB, f *boltfile.File) (numbers, transactions int) {
	t.Helper()
	err := f.View(func(tx *bbolt.Tx) error {
		transactions = tx.ID()
		if b := tx.Bucket(bucket); b != nil {
			numbers = b.Stats().KeyN
		}
		return nil
	})
	if err != nil {
		t.Fatalf("View: got error %v, want none", err)
	}
	return numbers, transactions
}

func TestUpdateIsDoneWhenItReturns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "folder", "test.db")
	f := open(t, path)
	for n := range 10 {
		if err := f.Update(put(n)); err != nil {
			t.Fatalf("Update: got error %v, want none", err)
		}
	}
	got, transactions := count(t, f)
	if got != 10 {
		t.Errorf("got %d numbers, want 10", got)
	}
	if transactions < 10 {
		t.Errorf("got %d transactions for 10 updates one after another, want one for each", transactions)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm() & 0o077; got != 0 {
		t.Errorf("got a file that others may use (%o), want it to be the owner's alone", info.Mode())
	}
}

// TestUpdatesShareATransaction holds the disk until all writers wait.
func TestUpdatesShareATransaction(t *testing.T) {
	const writers = 64
	f := open(t, filepath.Join(t.TempDir(), "test.db"))
	_, before := count(t, f)
	var (
		running sync.WaitGroup
		started = make(chan struct{})
		hold    = make(chan struct{})
	)
	running.Go(func() {
		_ = f.Update(func(*bbolt.Tx) error {
			close(started)
			<-hold
			return nil
		})
	})
	<-started
	for n := range writers {
		running.Go(func() {
			if err := f.Update(put(n)); err != nil {
				t.Errorf("Update: got error %v, want none", err)
			}
		})
	}
	waitForBlocked(t, writers)
	close(hold)
	running.Wait()
	numbers, after := count(t, f)
	if numbers != writers {
		t.Errorf("got %d numbers, want %d", numbers, writers)
	}
	if got := after - before; got != 2 {
		t.Errorf("got %d transactions, want 2: the one that held the disk, and one for all who waited", got)
	}
}

// waitForBlocked waits until so many goroutines wait in Update.
func waitForBlocked(t testing.TB, n int) {
	t.Helper()
	stacks := make([]byte, 1<<20)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		all := stacks[:runtime.Stack(stacks, true)]
		blocked := 0
		for stack := range bytes.SplitSeq(all, []byte("\n\n")) {
			if bytes.Contains(stack, []byte("[chan send")) && bytes.Contains(stack, []byte(".(*File).Update(")) {
				blocked++
			}
		}
		if blocked == n {
			return
		}
	}
	t.Fatalf("got fewer than %d goroutines that wait, want all", n)
}

// TestWritersDoNotFallIntoHalves has writers that come back at once. Those
// that come back while the next transaction has begun wait for all of it, and
// would do so for ever.
func TestWritersDoNotFallIntoHalves(t *testing.T) {
	const writers, each = 32, 40
	f := open(t, filepath.Join(t.TempDir(), "test.db"))
	_, before := count(t, f)
	var running sync.WaitGroup
	for w := range writers {
		running.Go(func() {
			for i := range each {
				write := put(w*each + i)
				err := f.Update(func(tx *bbolt.Tx) error {
					if w == 0 {
						time.Sleep(10 * time.Millisecond) // a slow disk
					}
					return write(tx)
				})
				if err != nil {
					t.Errorf("Update: got error %v, want none", err)
				}
			}
		})
	}
	running.Wait()
	numbers, after := count(t, f)
	if numbers != writers*each {
		t.Errorf("got %d numbers, want %d", numbers, writers*each)
	}
	if got := float64(numbers) / float64(after-before); got < 0.6*writers {
		t.Errorf("got %.1f updates a transaction of %d writers, want nearly all", got, writers)
	}
}

func TestAFailureIsThatOfTheWholeTransaction(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "test.db"))
	err := f.Update(func(tx *bbolt.Tx) error {
		if err := put(1)(tx); err != nil {
			return err
		}
		return os.ErrPermission
	})
	if err == nil || !strings.Contains(err.Error(), "test.db") {
		t.Errorf("got error %v, want one that names the file", err)
	}
	if got, _ := count(t, f); got != 0 {
		t.Errorf("got %d numbers of a failed transaction, want none", got)
	}
	if err := f.Update(put(2)); err != nil {
		t.Errorf("Update after a failure: got error %v, want none", err)
	}
}

func TestLastCloseCloses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	first, err := boltfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	second, err := boltfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if first != second {
		t.Error("got two files of one path, want them shared")
	}
	closeFile(t, first)
	if err := second.Update(put(1)); err != nil {
		t.Errorf("Update after the first Close: got error %v, want none", err)
	}
	if _, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Millisecond}); err == nil {
		t.Error("got the file open elsewhere, want it locked while it is in use")
	}
	closeFile(t, second)
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Millisecond})
	if err != nil {
		t.Fatalf("got error %v after the last Close, want the file free", err)
	}
	db.Close()
}

func TestOneFileOfSeveralPaths(t *testing.T) {
	dir := t.TempDir()
	real := filepath.Join(dir, "real", "test.db")
	if err := os.Mkdir(filepath.Dir(real), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, link := range []struct{ to, at string }{
		{real, filepath.Join(dir, "link.db")},
		{filepath.Dir(real), filepath.Join(dir, "folder")},
	} {
		if err := os.Symlink(link.to, link.at); err != nil {
			t.Skipf("SKIPPED: this test needs symbolic links: %v", err)
		}
	}
	t.Chdir(dir)
	// the first is a link to what is not there yet
	first := open(t, filepath.Join(dir, "link.db"))
	for _, path := range []string{
		real, "real/test.db", "link.db", "folder/test.db", "folder/../real/test.db", "./real//test.db",
	} {
		if got := open(t, path); got != first {
			t.Errorf("%s: got another file, want the one that is open", path)
		}
	}
}
