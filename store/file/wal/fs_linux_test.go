package wal_test

import (
	"errors"
	"syscall"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// TestSyncAsksTheKernel syncs what cannot be synced: a file and a folder of /proc.
// Only the kernel knows that.
func TestSyncAsksTheKernel(t *testing.T) {
	f, err := wal.OS().Open("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Sync(); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("Sync of /proc/self/comm: got error %v, want %v", err, syscall.EINVAL)
	}
	if err := wal.OS().SyncDir("/proc/self"); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("SyncDir of /proc/self: got error %v, want %v", err, syscall.EINVAL)
	}
}
