//go:build unix

package wal_test

import (
	"syscall"
	"time"
)

// processTime returns the processor time that the process has used.
func processTime() time.Duration {
	var use syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &use)
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
