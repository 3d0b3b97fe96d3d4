package seen

import (
	"errors"
	"io/fs"
	"iter"
	"path/filepath"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// writeFile writes entries, which come in their order and are so many at most,
// to a file, and opens it.
func writeFile(fsys wal.FS, dir string, s span, most int, entries iter.Seq2[entry, error]) (f *file, err error) {
	path := filepath.Join(dir, s.name())
	temporary := path + ".tmp"
	if err := fsys.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	out, err := fsys.Create(temporary)
	if err != nil {
		return nil, err
	}
	f = &file{span: s, path: path, filter: newFilter(most)}
	err = f.writeTo(out, entries)
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err == nil {
		err = fsys.Rename(temporary, path)
	}
	if err != nil {
		_ = fsys.Remove(temporary)
		return nil, err
	}
	if err := fsys.SyncDir(dir); err != nil {
		return nil, err
	}
	return openFile(fsys, path, s)
}

// A writer writes to a file from its start to its end.
type writer struct {
	file wal.File
	at   int64
	buf  []byte
}

const writeSize = 256 << 10

func (w *writer) write(b []byte) error {
	w.buf = append(w.buf, b...)
	if len(w.buf) < writeSize {
		return nil
	}
	return w.flush()
}

func (w *writer) flush() error {
	_, err := w.file.WriteAt(w.buf, w.at)
	w.at += int64(len(w.buf))
	w.buf = w.buf[:0]
	return err
}

// writeTo writes the content of the file. The header comes last.
func (f *file) writeTo(out wal.File, entries iter.Seq2[entry, error]) error {
	w := &writer{file: out, at: page, buf: make([]byte, 0, writeSize+page)}
	block := make([]byte, 0, page)
	endBlock := func() error {
		block = append(block, make([]byte, page-len(block))...)
		little.PutUint32(block[blockSum:], f.sum(uint32(len(f.fences)-1), block[:blockSum]))
		err := w.write(block)
		block = block[:0]
		return err
	}
	for e, err := range entries {
		if err != nil {
			return err
		}
		if len(block) == 0 {
			f.fences = append(f.fences, high(&e.key))
		}
		block = appendEntry(block, &e)
		f.filter.add(&e.key)
		f.count++
		f.latest, f.last = max(f.latest, e.until), max(f.last, e.position)
		if len(block) == perBlock*entrySize {
			if err := endBlock(); err != nil {
				return err
			}
		}
	}
	if len(block) > 0 {
		if err := endBlock(); err != nil {
			return err
		}
	}
	fences := make([]byte, 0, 8*len(f.fences))
	for _, fence := range f.fences {
		fences = little.AppendUint64(fences, fence)
	}
	if err := errors.Join(w.write(fences), w.write(f.filter), w.flush()); err != nil {
		return err
	}
	_, err := out.WriteAt(f.header(f.sum(fencesPart, fences), f.sum(filterPart, f.filter)), 0)
	return err
}
