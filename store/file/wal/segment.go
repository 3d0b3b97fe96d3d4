package wal

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"sync/atomic"
)

// A segment is one file of a log.
type segment struct {
	header
	name string
	file File
	size int64 // of the file, with what is allocated but not written

	written atomic.Int64 // where the batches end that were written
	synced  int64        // where those end that are on the disk; the log's mu
	sealed  bool         // nothing is written to it any more; the log's mu
	unsure  bool         // no later header says where its batches end
	checked atomic.Bool  // after a record could not be read

	users   atomic.Int64 // one for the log, and one for each who reads
	removal func() error // once it is not in use
}

var segmentName = regexp.MustCompile(`^(\d{10})\.log$`)

func fileName(number uint32) string { return fmt.Sprintf("%010d.log", number) }

// segmentNumber returns the number in the name of a segment's file.
func segmentNumber(name string) (uint32, bool) {
	m := segmentName.FindStringSubmatch(name)
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseUint(m[1], 10, 32)
	return uint32(n), err == nil && n > 0
}

func newSegment(dir string, number uint32, file File, size int64) *segment {
	s := &segment{name: filepath.Join(dir, fileName(number)), file: file, size: size}
	s.number = number
	s.users.Store(1)
	return s
}

// createSegment makes and allocates the file of a segment that is not used
// yet.
func createSegment(fs FS, dir string, number uint32, size int64) (s *segment, err error) {
	name := filepath.Join(dir, fileName(number))
	file, err := fs.Create(name)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = file.Close()
			_ = fs.Remove(name)
		}
	}()
	if err := file.Preallocate(size); err != nil {
		return nil, fmt.Errorf("allocating %s: %w", name, err)
	}
	if err := file.Sync(); err != nil {
		return nil, fmt.Errorf("syncing %s: %w", name, err)
	}
	if err := fs.SyncDir(dir); err != nil {
		return nil, err
	}
	return newSegment(dir, number, file, size), nil
}

// openSegment opens the file of a segment and reads its header. The error is
// errBlank or errHeader if it has none.
func openSegment(fs FS, dir string, number uint32) (s *segment, err error) {
	file, err := fs.Open(filepath.Join(dir, fileName(number)))
	if err != nil {
		return nil, err
	}
	size, err := file.Size()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if size > maxSegmentSize {
		return nil, errors.Join(errors.New("is larger than any segment"), file.Close())
	}
	s = newSegment(dir, number, file, size)
	scan := scanner{file: file, end: dataStart}
	start := scan.bytes(0, dataStart)
	h, err := parseHeader(start)
	switch {
	case err == nil && h.number == number:
		s.header = h
	case err == nil:
		err = errHeader // the file has the name of another
	case errors.Is(err, errHeader) && blank(start) && !scan.unreadable:
		err = errBlank
	}
	return s, err
}

// scan returns a scanner of the segment's batches.
func (s *segment) scan(end int64) *scanner {
	return &scanner{file: s.file, place: s.place, end: end}
}

// cut makes the file end at an offset.
func (s *segment) cut(end int64) error {
	if err := s.file.Truncate(end); err != nil {
		return err
	}
	return s.file.Sync()
}

// use keeps the file open until done is called, unless the segment is gone.
func (s *segment) use() bool {
	for {
		n := s.users.Load()
		if n == 0 {
			return false
		}
		if s.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// done ends a use. The last one closes the file, and removes it if that was
// asked for.
func (s *segment) done() error {
	if s.users.Add(-1) > 0 {
		return nil
	}
	err := s.file.Close()
	if s.removal != nil {
		return errors.Join(err, s.removal())
	}
	return err
}
