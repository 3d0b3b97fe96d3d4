package wal_test

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// TestOtherProcess is the other process of the tests that need one: it has the
// log open that it is told, until it is killed.
func TestOtherProcess(t *testing.T) {
	path := os.Getenv("WAL_TEST_OPEN")
	if path == "" {
		t.Skip("is for TestLogBelongsToOneProcess")
	}
	l := open(t, path, wal.Options{})
	appendAll(t, l, "from the other process")
	os.Stdout.WriteString("open\n")
	time.Sleep(time.Minute)
}

// TestLogBelongsToOneProcess opens a log that another process has open, and
// again when that was killed.
func TestLogBelongsToOneProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	cmd := exec.Command(os.Args[0], "-test.run=^TestOtherProcess$", "-test.v")
	cmd.Env = append(os.Environ(), "WAL_TEST_OPEN="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "open" {
	}
	_, err = wal.Open(path, wal.Options{LockWait: time.Millisecond})
	if !errors.Is(err, wal.ErrLocked) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "second Caddy") {
		t.Errorf("Open: got error %v, want one that names %s and what has it", err, path)
	}
	if err := errors.Join(cmd.Process.Kill()); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	l := open(t, path, wal.Options{})
	defer closeLog(t, l)
	wantRecords(t, l, "after the other process was killed", "from the other process")
	_, err = wal.Open(path, wal.Options{LockWait: time.Millisecond})
	if !errors.Is(err, wal.ErrLocked) {
		t.Errorf("Open in the same process: got error %v, want %v", err, wal.ErrLocked)
	}
}

// TestOnlyTheOwnerCanReadIt looks at the permissions of a log.
func TestOnlyTheOwnerCanReadIt(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("has no such permissions")
	}
	path := filepath.Join(t.TempDir(), "above", "log")
	l := open(t, path, wal.Options{})
	appendAll(t, l, "a message")
	closeLog(t, l)
	err := filepath.WalkDir(filepath.Dir(path), func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		want := fs.FileMode(0o600)
		if e.IsDir() {
			want = 0o700
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s: got permissions %o, want %o", name, got, want)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
