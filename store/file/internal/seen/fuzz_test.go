package seen

import (
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal/waltest"
)

// FuzzFile opens a file whose checksums are right and whose content is anything,
// and looks for keys in it.
func FuzzFile(f *testing.F) {
	f.Add(uint64(3), uint32(1), uint16(1), []byte("one key after the other, which are not sorted"))
	f.Add(uint64(perBlock+1), uint32(0), uint16(2), []byte{})
	f.Add(uint64(0), uint32(9), uint16(1), []byte{0xff})
	f.Add(uint64(1)<<63, uint32(9), uint16(1), []byte{1})
	f.Fuzz(func(t *testing.T, count uint64, latest uint32, lines uint16, content []byte) {
		s := span{1, 2}
		blocks := int(min(count, 3*perBlock)+perBlock-1) / perBlock
		made := &file{span: s, count: int(count), latest: latest, filter: make(filter, int(lines%64)*line)}
		for i := range made.filter {
			if len(content) > 0 {
				made.filter[i] = content[i%len(content)]
			}
		}
		fences := make([]byte, 8*blocks)
		copy(fences, content)
		whole := made.header(s.sum(fencesPart, fences), s.sum(filterPart, made.filter))
		for i := range blocks {
			b := make([]byte, page)
			copy(b[:blockSum], content[min(len(content), i):])
			little.PutUint32(b[blockSum:], s.sum(uint32(i), b[:blockSum]))
			whole = append(whole, b...)
		}
		whole = append(append(whole, fences...), made.filter...)

		disk := waltest.NewDisk(1)
		if err := disk.MkdirAll("/index"); err != nil {
			t.Fatal(err)
		}
		out, err := disk.Create("/index/" + s.name())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.WriteAt(whole, 0); err != nil {
			t.Fatal(err)
		}
		opened, err := openFile(disk, "/index/"+s.name(), s)
		if err != nil {
			return
		}
		entries := 0
		keys := []store.Key{{}, {0xff}}
		if len(content) >= len(store.Key{}) {
			keys = append(keys, store.Key(content[:len(store.Key{})]))
		}
		for i := range keys {
			_ = opened.filter.has(&keys[i])
			_, _ = opened.each(keys[i], func(entry) bool { entries++; return true })
		}
		if err := opened.verify(); err != nil || entries > len(keys)*int(count) {
			t.Errorf("got error %v and %d entries in a file of %d", err, entries, count)
		}
	})
}
