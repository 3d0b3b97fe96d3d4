package wal_test

import (
	"slices"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal/waltest"
)

// FuzzOpen opens a log of two segments with any content. Whatever it is, the
// log opens, and goes on: what is appended is there when it is opened again.
func FuzzOpen(f *testing.F) {
	disk := waltest.NewDisk(0)
	l := open(f, dir, small(disk))
	appendAll(f, l, "first", "second \xffwb\xfe with the start of a batch")
	if err := l.Seal(f.Context()); err != nil {
		f.Fatal(err)
	}
	appendAll(f, l, "third", "fourth")
	closeLog(f, l)
	one, two := disk.Content(segmentFile(1)), disk.Content(segmentFile(2))[:9000]
	f.Add(one, two, true)
	f.Add(one, two[:len(two)-1000], false)
	f.Add([]byte{}, one, true)
	f.Add(two, one, false)
	f.Add(slices.Concat(one, one), slices.Concat(two[:8200], two), true)
	f.Fuzz(func(t *testing.T, one, two []byte, both bool) {
		disk := waltest.NewDisk(0)
		disk.SetContent(segmentFile(1), one)
		if both {
			disk.SetContent(segmentFile(2), two)
		}
		l, err := wal.Open(dir, small(disk))
		if err != nil {
			t.Skip("is of a later version")
		}
		_, before := scan(t, l, 0)
		appendAll(t, l, "next")
		closeLog(t, l)
		l = open(t, dir, small(disk))
		if _, after := scan(t, l, 0); len(after) != len(before)+1 || after[len(before)] != "next" {
			t.Errorf("got records %q, want %q and the next", after, before)
		}
		closeLog(t, l)
	})
}
