package harness

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
)

// Update has tests write the files that they otherwise compare with.
var Update = flag.Bool("update", false, "write the files that tests compare with")

// Repository is the path of the repository from the folder of a test.
const Repository = "../.."

// ReadFile returns the text of a file.
func ReadFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// WriteFile writes a file to the folder of a test, and returns its path.
func WriteFile(t *testing.T, dir, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Must returns v, and panics if there is an error, which only a mistake in the
// test is a reason for.
func Must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// StoreDir returns a folder for the store of a gateway in this process. Unlike a
// process that exits, one that stops Caddy does not wait until a queue is
// closed, so that the folder may still be written to when the test ends.
func StoreDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(t.TempDir(), "store")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		Eventually(t, "the end of what writes to "+dir, func() bool { return os.RemoveAll(dir) == nil })
	})
	return dir
}
