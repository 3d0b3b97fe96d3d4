//go:build aix || (solaris && !illumos)

package wal

import (
	"errors"
	"syscall"
)

func lock(fd int) (taken bool, err error) {
	err = syscall.FcntlFlock(uintptr(fd), syscall.F_SETLK, &syscall.Flock_t{Type: syscall.F_WRLCK})
	return errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES), err
}
