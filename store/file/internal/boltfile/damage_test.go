package boltfile_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/boltfile"
)

// filled returns the bytes of a file with something in it.
func filled(t testing.TB) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "filled.db")
	f, err := boltfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 2000 {
		if n%200 == 0 {
			err = f.Update(func(tx *bbolt.Tx) error {
				for i := range 200 {
					if err := put(n + i)(tx); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	closeFile(t, f)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestWhatIsNoBoltFileIsRefused(t *testing.T) {
	content := filled(t)
	for name, bytes := range map[string][]byte{
		"text":                []byte(strings.Repeat("this is no database\n", 1000)),
		"a few bytes":         []byte("no"),
		"zeros":               make([]byte, 1<<16),
		"without its headers": content[2*os.Getpagesize():],
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "test.db")
			if err := os.WriteFile(path, bytes, 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := boltfile.Open(path)
			if err == nil {
				closeFile(t, f)
				t.Fatal("Open: got no error, want one")
			}
			if !strings.Contains(err.Error(), path+" is damaged, or not a bbolt file") {
				t.Errorf("Open: got error %q, want one that names the file and says that it is damaged", err)
			}
			if after, err := os.ReadFile(path); err != nil || string(after) != string(bytes) {
				t.Errorf("got the file changed (error %v), want it left alone", err)
			}
		})
	}
}

func TestAFolderIsRefused(t *testing.T) {
	path := t.TempDir()
	f, err := boltfile.Open(path)
	if err == nil {
		closeFile(t, f)
	}
	if err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Open: got error %v, want one that names the folder", err)
	}
}

// TestDamageIsAnError damages files at random. Whatever is read of them, the
// process goes on.
func TestDamageIsAnError(t *testing.T) {
	content := filled(t)
	page := os.Getpagesize()
	random := rand.New(rand.NewPCG(1, 2))
	failed := 0
	for n := range 60 {
		damaged := append([]byte(nil), content...)
		if n%3 == 0 { // cut off
			damaged = damaged[:2*page+random.IntN(len(damaged)-2*page)]
		} else { // all headers of pages but those of the first two
			for at := 2 * page; at < len(damaged); at += page {
				for i := range 16 {
					damaged[at+i] = byte(random.Uint32())
				}
			}
		}
		path := filepath.Join(t.TempDir(), "test.db")
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := use(path); err != nil {
			failed++
			if !strings.Contains(err.Error(), path) {
				t.Errorf("got error %q, want one that names the file", err)
			}
		}
	}
	if failed < 40 {
		t.Errorf("got an error from %d of 60 damaged files, want it from most", failed)
	}
}

// use reads and writes a file, and returns the first error.
func use(path string) error {
	f, err := boltfile.Open(path)
	if err != nil {
		return err
	}
	err = f.View(func(tx *bbolt.Tx) error {
		if b := tx.Bucket(bucket); b != nil {
			return b.ForEach(func(k, v []byte) error { return nil })
		}
		return nil
	})
	for n := range 20 {
		err = errors.Join(err, f.Update(put(100*n)))
	}
	return errors.Join(err, f.Close())
}
