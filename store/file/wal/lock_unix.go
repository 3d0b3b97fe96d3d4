//go:build !windows

package wal

import (
	"fmt"
	"io"
	"os"
)

// lockFile opens a file and takes the lock on it.
func lockFile(name string) (io.Closer, error) {
	f, err := OpenRegular(name, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, err
	}
	var taken bool
	if err := (osFile{f}).control(func(fd int) (err error) { taken, err = lock(fd); return err }); err != nil {
		_ = f.Close()
		if taken {
			return nil, fmt.Errorf("%s is %w", name, ErrLocked)
		}
		return nil, &os.PathError{Op: "lock", Path: name, Err: err}
	}
	return f, nil
}
