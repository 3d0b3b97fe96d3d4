//go:build !linux

package wal

// Preallocate implements File.
func (f osFile) Preallocate(size int64) error { return f.fill(size) }
