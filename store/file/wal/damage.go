package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"

	"go.uber.org/zap"
)

var damageName = regexp.MustCompile(`^(\d{10})-(\d{10})\.damaged$`)

// parseDamageName returns what is known of damage from the name of its file.
func parseDamageName(name string) (*Damage, bool) {
	m := damageName.FindStringSubmatch(name)
	if m == nil {
		return nil, false
	}
	number, err1 := strconv.ParseUint(m[1], 10, 32)
	start, err2 := strconv.ParseUint(m[2], 10, 32)
	return &Damage{Segment: uint32(number), Start: int64(start)}, err1 == nil && err2 == nil
}

// measureDamage sets where damage ends from the size of its file.
func (l *Log) measureDamage(d *Damage) error {
	f, err := l.fs.Open(d.File)
	if err != nil {
		return err
	}
	size, err := f.Size()
	d.End = d.Start + size
	return errors.Join(err, f.Close())
}

// setAside names a part of a segment that is damaged, and copies it to a file
// of its own, where it stays when the segment goes.
func (l *Log) setAside(s *segment, start, end int64) {
	key := position(s.number, start)
	d := &Damage{Segment: s.number, Start: start, End: end}
	scan := s.scan(end)
	if b, ok := parseBatch(scan.bytes(start, batchHeaderSize), s.place, start); ok && b.end() == end {
		d.Records = b.count
	}
	l.mu.Lock()
	if known := l.damage[key]; known != nil {
		known.Records = d.Records
		l.mu.Unlock()
		return
	}
	l.damage[key] = d
	l.mu.Unlock()
	file, err := l.keep(scan, s.number, start, end)
	l.log.Error("a part of the log is damaged, and was set aside",
		zap.String("segment", s.name), zap.Int64("offset", start), zap.Int64("bytes", end-start),
		zap.Int("records", d.Records), zap.String("file", file), zap.Error(err))
	l.mu.Lock()
	d.File = file
	l.mu.Unlock()
}

// keep copies a part of a segment to a file of its own.
func (l *Log) keep(scan *scanner, number uint32, start, end int64) (name string, err error) {
	name = filepath.Join(l.dir, fmt.Sprintf("%010d-%010d.damaged", number, start))
	temporary := name + ".tmp"
	if err := l.fs.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	f, err := l.fs.Create(temporary)
	if err != nil {
		return "", err
	}
	for at := start; at < end && err == nil; at += chunk {
		_, err = f.WriteAt(scan.bytes(at, chunk), at-start)
	}
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		_ = l.fs.Remove(temporary)
		return "", err
	}
	if err := l.fs.Rename(temporary, name); err != nil {
		return "", err
	}
	return name, l.fs.SyncDir(l.dir)
}

// removeFile removes the file of a segment. If there is damage in it that could
// not be kept elsewhere, the file stays under another name.
func (l *Log) removeFile(s *segment) error {
	l.mu.Lock()
	var whole []*Damage
	for _, d := range l.damage {
		if d.Segment == s.number && d.File == "" {
			whole = append(whole, d)
		}
	}
	l.mu.Unlock()
	if len(whole) == 0 {
		return errors.Join(l.fs.Remove(s.name), l.fs.SyncDir(l.dir))
	}
	name := filepath.Join(l.dir, fmt.Sprintf("%010d-%010d.damaged", s.number, 0))
	if err := l.fs.Rename(s.name, name); err != nil {
		return err
	}
	l.mu.Lock()
	for _, d := range whole {
		d.File = name
	}
	l.mu.Unlock()
	return l.fs.SyncDir(l.dir)
}
