//go:build linux || darwin

package file

import "golang.org/x/sys/unix"

// free returns how many bytes the disk of a folder has left for Caddy's user,
// -1 if that cannot be told.
func free(folder string) int64 {
	var stat unix.Statfs_t
	if err := unix.Statfs(folder, &stat); err != nil {
		return -1
	}
	return int64(stat.Bavail) * int64(stat.Bsize) //nolint:unconvert // the types differ by system
}
