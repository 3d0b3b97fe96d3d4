package wal

import (
	"errors"
	"syscall"
)

// Preallocate implements File.
func (f osFile) Preallocate(size int64) error {
	err := f.control(func(fd int) error { return syscall.Fallocate(fd, 0, 0, size) })
	if errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS) {
		return f.fill(size)
	}
	return err
}

// Sync implements File. The times of the file may stay behind.
func (f osFile) Sync() error { return f.control(syscall.Fdatasync) }
