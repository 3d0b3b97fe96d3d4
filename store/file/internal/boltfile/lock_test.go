package boltfile_test

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/boltfile"
)

// heldPath tells another process which file to hold.
const heldPath = "BOLTFILE_TEST_HELD_PATH"

// TestHold is the other process.
func TestHold(t *testing.T) {
	path := os.Getenv(heldPath)
	if path == "" {
		t.Skip("is a part of TestLockedByAnotherProcess")
	}
	open(t, path)
	_, _ = os.Stdout.WriteString("open\n")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func TestLockedByAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	other := exec.Command(os.Args[0], "-test.run", "^TestHold$")
	other.Env = append(os.Environ(), heldPath+"="+path)
	stdin, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	output := bufio.NewReader(stdout)
	if line, err := output.ReadString('\n'); line != "open\n" {
		t.Fatalf("the other process: got %q, error %v, want the file open", line, err)
	}

	for range 2 {
		f, err := boltfile.Open(path)
		if err == nil {
			closeFile(t, f)
			t.Fatal("Open: got no error while another process has the file, want one")
		}
		if want := path + " is locked by another process"; !strings.Contains(err.Error(), want) {
			t.Errorf("Open: got error %q, want %q", err, want)
		}
	}

	stdin.Close()
	_, _ = io.Copy(io.Discard, output)
	if err := other.Wait(); err != nil {
		t.Errorf("the other process: got error %v, want none", err)
	}
	open(t, path)
}
