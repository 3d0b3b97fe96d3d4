package overlay_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/overlay"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// TestOverlayIsAFile does the same things to an overlay and to a file. Both say
// the same, and the file under the overlay stays.
func TestOverlayIsAFile(t *testing.T) {
	dir := t.TempDir()
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 0))
		content := make([]byte, random.IntN(20_000))
		for i := range content {
			content[i] = byte(random.Uint32())
		}
		under, real := filepath.Join(dir, fmt.Sprint("under", seed)), filepath.Join(dir, fmt.Sprint("real", seed))
		if err := errors.Join(os.WriteFile(under, content, 0o600), os.WriteFile(real, content, 0o600)); err != nil {
			t.Fatal(err)
		}
		o := overlay.New()
		files := []wal.File{opened(t, o, under), opened(t, wal.OS(), real)}
		for step := range 200 {
			at, n, kind := random.Int64N(25_000), random.IntN(9000), random.IntN(8)
			b := bytes.Repeat([]byte{byte(step)}, n)
			var got [2]string
			for i, f := range files {
				switch kind {
				case 0:
					got[i] = fmt.Sprint(f.Truncate(at))
				case 1, 2:
					n, err := f.WriteAt(b, at)
					got[i] = fmt.Sprint(n, err)
				case 3:
					size, err := f.Size()
					got[i] = fmt.Sprint(size, err)
				default:
					into := make([]byte, len(b))
					n, err := f.ReadAt(into, at)
					got[i] = fmt.Sprint(n, errors.Is(err, io.EOF) && n < len(b), string(into[:n]))
				}
			}
			if got[0] != got[1] {
				t.Fatalf("seed %d, step %d, kind %d at %d, %d bytes: got %.80q, want %.80q", seed, step, kind, at, n, got[0], got[1])
			}
		}
		if err := errors.Join(o.Close(), files[1].Close()); err != nil {
			t.Error(err)
		}
		if after, err := os.ReadFile(under); err != nil || !bytes.Equal(after, content) {
			t.Errorf("seed %d: got another file under the overlay and error %v, want what was there", seed, err)
		}
	}
}

func opened(t *testing.T, fsys wal.FS, name string) wal.File {
	t.Helper()
	f, err := fsys.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestOverlayIsAFolder makes, renames and removes files.
func TestOverlayIsAFolder(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"a", "b"} {
		if err := os.WriteFile(path(name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := overlay.New()
	defer o.Close()
	if _, err := o.Create(path("a")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create of what is there: got error %v, want %v", err, fs.ErrExist)
	}
	if _, err := o.Open(path("c")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open of what is not there: got error %v, want %v", err, fs.ErrNotExist)
	}
	if err := o.Remove(path("c")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Remove of what is not there: got error %v, want %v", err, fs.ErrNotExist)
	}
	c, err := o.Create(path("c"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.WriteAt([]byte("c"), 0); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(o.Rename(path("c"), path("b")), o.Remove(path("a"))); err != nil {
		t.Error(err)
	}
	if names, err := o.List(dir); err != nil || !slices.Equal(names, []string{"b"}) {
		t.Errorf("List: got %v and error %v, want b", names, err)
	}
	b := make([]byte, 1)
	if _, err := opened(t, o, path("b")).ReadAt(b, 0); err != nil || string(b) != "c" {
		t.Errorf("got %q and error %v in b, want c", b, err)
	}
	for _, name := range []string{"a", "b"} {
		if content, err := os.ReadFile(path(name)); err != nil || string(content) != name {
			t.Errorf("got %q and error %v in %s of the operating system, want what was there", content, err, name)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("got %v and error %v in the folder, want two files", left, err)
	}
}

// TestOverlayIsLocked has somebody else have the lock.
func TestOverlayIsLocked(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	o := overlay.New()
	free, err := o.Lock(name)
	if err != nil {
		t.Fatalf("Lock of what is not there: got error %v, want none", err)
	}
	if err := free.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got error %v, want no file made for the lock", err)
	}
	other, err := wal.OS().Lock(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.Lock(name); !errors.Is(err, wal.ErrLocked) {
		t.Errorf("Lock: got error %v, want %v", err, wal.ErrLocked)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if free, err = o.Lock(name); err != nil {
		t.Fatalf("Lock: got error %v, want none", err)
	}
	if err := free.Close(); err != nil {
		t.Error(err)
	}
}
