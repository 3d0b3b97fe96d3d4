package wal_test

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// TestSyncAsksTheKernel syncs what cannot be synced: a pipe, and a folder of
// /proc. Only the kernel knows that.
func TestSyncAsksTheKernel(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := wal.OS().Open(pipe)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Sync(); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("Sync of a pipe: got error %v, want %v", err, syscall.EINVAL)
	}
	if err := wal.OS().SyncDir("/proc/self"); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("SyncDir of /proc/self: got error %v, want %v", err, syscall.EINVAL)
	}
}
