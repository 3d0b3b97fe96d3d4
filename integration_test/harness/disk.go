package harness

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// A Disk is a folder that can run out of room, where the system lets a test
// mount a small disk.
type Disk struct {
	Small bool // it can
	t     *testing.T
	dir   string
}

// NewDisk returns a disk of a size, as mount takes it.
func NewDisk(t *testing.T, size string) *Disk {
	t.Helper()
	d := &Disk{t: t, dir: t.TempDir()}
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		t.Log("NOT RUN: a full disk, for which the test has to be run by root on Linux")
		return d
	}
	if output, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", d.dir).CombinedOutput(); err != nil {
		t.Logf("NOT RUN: a full disk, because a small one cannot be mounted: %v\n%s", err, output)
		return d
	}
	d.Small = true
	t.Cleanup(func() {
		if output, err := exec.Command("umount", d.dir).CombinedOutput(); err != nil {
			t.Errorf("umount: got error %v, want none\n%s", err, output)
		}
	})
	return d
}

// Path returns the path of a file on the disk.
func (d *Disk) Path(name string) string { return filepath.Join(d.dir, name) }

// Fill takes all the room that is left.
func (d *Disk) Fill() {
	f, err := os.OpenFile(d.Path("filler"), os.O_CREATE|os.O_WRONLY, 0o600)
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

// Free gives the room back.
func (d *Disk) Free() {
	if err := os.Remove(d.Path("filler")); err != nil && !errors.Is(err, os.ErrNotExist) {
		d.t.Error(err)
	}
}
