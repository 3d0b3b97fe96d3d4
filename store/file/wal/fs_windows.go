package wal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// flagRegular is nothing here, where links are the administrator's to make.
const flagRegular = 0

// SyncDir implements FS. Windows keeps its folders in a journal, and cannot
// sync one.
func (osFS) SyncDir(string) error { return nil }

const (
	errorSharingViolation = syscall.Errno(32)
	errorHandleDiskFull   = syscall.Errno(39)
	errorDiskFull         = syscall.Errno(112)
)

// isFull reports whether there was no room for what was to be written.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, errorDiskFull) || errors.Is(err, errorHandleDiskFull)
}

// inUse reports whether a file was not removed because it is open. It goes when
// it is closed.
func inUse(err error) bool { return errors.Is(err, errorSharingViolation) }

// lockFile opens a file that no other process can open meanwhile.
func lockFile(name string) (io.Closer, error) {
	path, err := syscall.UTF16PtrFromString(name)
	if err != nil {
		return nil, err
	}
	handle, err := syscall.CreateFile(path, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if errors.Is(err, errorSharingViolation) {
		return nil, fmt.Errorf("%s is %w", name, ErrLocked)
	}
	if err != nil {
		return nil, &os.PathError{Op: "lock", Path: name, Err: err}
	}
	return os.NewFile(uintptr(handle), name), nil
}
