//go:build !windows && !aix && !(solaris && !illumos)

package wal

import (
	"errors"
	"syscall"
)

func lock(fd int) (taken bool, err error) {
	err = syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB)
	return errors.Is(err, syscall.EWOULDBLOCK), err
}
