package file

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// What a folder is of, which its name begins with.
const (
	queueKind     = "queue"
	deliveredKind = "delivered"
)

// folder returns the folder of what a handler keeps of a kind. All paths that
// lead to the store's folder give the same one.
func (s *Store) folder(kind, name string) (string, error) {
	path, err := filepath.Abs(s.Path)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return "", fmt.Errorf("path: %s is a file, and has to be a folder", path)
	}
	if err := os.MkdirAll(path, 0o700); err != nil { // a link leads nowhere before
		return "", err
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", err
	}
	return filepath.Join(path, kind+"-"+escape(name)), nil
}

// escape returns a name for a folder that no other handler's name gives, on a
// file system that does not tell upper from lower case either.
func escape(name string) string {
	var b strings.Builder
	for _, c := range []byte(name) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}
