package queue

import (
	"encoding/binary"
	"hash/crc32"
	"path/filepath"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/schedule"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal/waltest"
)

// FuzzSnapshot loads a snapshot whose checksum is right and whose content is
// anything.
func FuzzSnapshot(f *testing.F) {
	f.Add([]byte{0, 1, 0, 0, 0})
	f.Add([]byte{0, 9, 1, 1, 1, 1, 2, 2, 1, 5, 7, 1, 3, 'a', 'p', 'p', 0, 0, 0, 5, 9, 1, 1, 4, 'd', 'e', 'a', 'd', 6, 9, 1, 0, 0, 2, 2, 1, 1, 2, 3, 4, 5, 6, 7, 8, 0})
	f.Add([]byte{0, 9, 0, 0, 1, 3, 'a', 'p', 'p', 1, 0, 1, 3, 9, 2, 1, 1, 4, 1, 3, 1, 2, 0, 0})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, content []byte) {
		disk := waltest.NewDisk(1)
		if err := disk.MkdirAll("/queue"); err != nil {
			t.Fatal(err)
		}
		file, err := disk.Create(filepath.Join("/queue", "00000000000000000000"+snapshotSuffix))
		if err != nil {
			t.Fatal(err)
		}
		whole := append(append([]byte(nil), snapshotMagic...), content...)
		whole = binary.LittleEndian.AppendUint32(whole, crc32.Checksum(whole, castagnoli))
		if _, err := file.WriteAt(whole, 0); err != nil {
			t.Fatal(err)
		}
		l := loading{known: make(map[store.Number]loaded), Queue: &Queue{
			o: Options{FS: disk}, dir: "/queue", next: 1, destinations: make(map[string]*destination), segments: make(map[uint32]*segment),
		}}
		got, err := l.readSnapshot("00000000000000000000" + snapshotSuffix)
		if err != nil || string(got) != string(content) {
			t.Fatalf("got %q and error %v, want the content", got, err)
		}
		_, err = l.content(got)
		deliveries := 0
		for _, d := range l.destinations {
			for n := range d.schedule.Chunks() {
				d.schedule.Look(n, 0, ^uint64(0), func(schedule.View) { deliveries++ })
			}
		}
		if size := len(content); deliveries > size || len(l.destinations) > size || len(l.segments) > 2*size || err == nil && len(l.known) > deliveries {
			t.Errorf("got %d deliveries at %d destinations in %d bytes", deliveries, len(l.destinations), size)
		}
		l.forget()
	})
}
