package faults

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// A disk is a folder that can run out of room, where the system lets a test
// mount a small disk.
type disk struct {
	t     *testing.T
	dir   string
	small bool
}

func newDisk(t *testing.T) *disk {
	t.Helper()
	d := &disk{t: t, dir: t.TempDir()}
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		t.Log("NOT RUN: a full disk, for which the test has to be run by root on Linux")
		return d
	}
	if output, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", d.dir).CombinedOutput(); err != nil {
		t.Logf("NOT RUN: a full disk, because a small one cannot be mounted: %v\n%s", err, output)
		return d
	}
	d.small = true
	t.Cleanup(func() {
		if output, err := exec.Command("umount", d.dir).CombinedOutput(); err != nil {
			t.Errorf("umount: got error %v, want none\n%s", err, output)
		}
	})
	return d
}

func (d *disk) path(name string) string { return filepath.Join(d.dir, name) }

// fill takes all the room that is left.
func (d *disk) fill() {
	f, err := os.OpenFile(d.path("filler"), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		d.t.Error(err)
		return
	}
	defer f.Close()
	page := make([]byte, 4096)
	for err == nil {
		_, err = f.Write(page)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		d.t.Errorf("filling the disk: got error %v, want none but that it is full", err)
	}
}

// free gives the room back.
func (d *disk) free() {
	if err := os.Remove(d.path("filler")); err != nil && !errors.Is(err, os.ErrNotExist) {
		d.t.Error(err)
	}
}
