package seen

import "path/filepath"

// Verify reads all files. It returns the names of those that are damaged, and of
// those that Open has made again because they were. The first are made again
// when the index is opened the next time.
func (x *Index) Verify() (damaged []string) {
	x.working.Lock() // so that no file is written, merged or removed meanwhile
	defer x.working.Unlock()
	x.mu.RLock()
	files := x.files
	damaged = append(damaged, x.remade...)
	x.mu.RUnlock()
	for _, f := range files {
		if err := f.verify(); err != nil {
			if f.bad.CompareAndSwap(false, true) {
				x.setAside(f.path, err)
			}
			damaged = append(damaged, filepath.Base(f.path))
		}
	}
	return damaged
}

// verify reads all blocks of the file.
func (f *file) verify() error {
	r := &reader{file: f, buf: make([]byte, readAhead*page)}
	for {
		if err := r.fill(); err != nil || len(r.entries) == 0 {
			return err
		}
		r.entries = nil
	}
}
