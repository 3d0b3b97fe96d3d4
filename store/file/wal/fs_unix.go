//go:build !windows

package wal

import (
	"errors"
	"os"
	"syscall"
)

// flagRegular has the opening of a link fail, and that of a pipe not wait.
const flagRegular = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// SyncDir implements FS.
func (osFS) SyncDir(dir string) error {
	f, err := os.Open(dir) //nolint:gosec // the folder is the administrator's to choose
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// isFull reports whether there was no room for what was to be written: on the
// disk, or within what the user or the process may take.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// inUse reports whether a file was not removed because it is open.
func inUse(error) bool { return false }
