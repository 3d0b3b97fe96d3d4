//go:build unix

package hostile

import "syscall"

// connectionsAtMost returns how many connections may have both ends in this
// process, with some files left for everything else.
func connectionsAtMost() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 100
	}
	return int(min(uint64(limit.Cur), 1<<20)-min(uint64(limit.Cur), 300)) / 2 //nolint:unconvert // it is signed on some systems
}
