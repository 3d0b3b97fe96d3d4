package seen

import (
	"cmp"
	"errors"
	"io/fs"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// damagedExtension is what the name of a damaged file has at its end.
const damagedExtension = ".damaged"

// Reached returns up to where the files in a folder have the entries of a log, as
// their names say. A folder that is not there has none.
func Reached(fsys wal.FS, dir string) (to wal.Position, err error) {
	names, err := fsys.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	for _, name := range names {
		good, _ := strings.CutSuffix(name, damagedExtension)
		if s, ok := parseName(good); ok {
			to = max(to, s.to)
		}
	}
	return to, err
}

// load opens the files of the index, and makes those again that are missing.
func (x *Index) load() error {
	names, err := x.o.FS.List(x.dir)
	if err != nil {
		return err
	}
	var damaged []span
	for _, name := range names {
		path := filepath.Join(x.dir, name)
		if strings.HasSuffix(name, extension+".tmp") {
			if err := x.o.FS.Remove(path); err != nil {
				return err
			}
			continue
		}
		good, bad := strings.CutSuffix(name, damagedExtension)
		s, ok := parseName(good)
		if !ok {
			continue
		}
		if bad {
			damaged = append(damaged, s)
			continue
		}
		f, err := openFile(x.o.FS, path, s)
		if errors.Is(err, errDamaged) {
			x.setAside(path, err)
			damaged = append(damaged, s)
			continue
		}
		if err != nil {
			return err
		}
		x.files = append(x.files, f)
	}
	for _, s := range damaged {
		x.remade = append(x.remade, s.name())
	}
	missing, err := x.chain(damaged)
	if err != nil {
		return err
	}
	if missing, err = x.cut(missing); err != nil {
		return err
	}
	for _, s := range missing {
		if err := x.remake(s); err != nil { // the next time, perhaps
			x.log.Error("making a part of the index again from the log", zap.String("part", s.name()), zap.Error(err))
			return nil
		}
	}
	for _, s := range damaged {
		if err := x.o.FS.Remove(filepath.Join(x.dir, s.name()+damagedExtension)); err != nil {
			return err
		}
	}
	return nil
}

// chain puts the files into their order, removes those that were merged into
// another, and returns the ranges that none has.
func (x *Index) chain(damaged []span) (missing []span, err error) {
	slices.SortFunc(x.files, func(a, b *file) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to))
	})
	// What is not there before the first one has expired.
	starts := make([]wal.Position, 0, len(damaged)+1)
	for _, s := range damaged {
		starts = append(starts, s.from)
	}
	if len(x.files) > 0 {
		starts = append(starts, x.files[0].from)
	}
	if len(starts) > 0 {
		x.from = slices.Min(starts)
	}
	var kept []*file
	for _, f := range x.files {
		if f.to <= x.from {
			if err := x.remove(f); err != nil {
				return nil, err
			}
			continue
		}
		if f.from > x.from {
			missing = append(missing, span{x.from, f.from})
		}
		kept, x.from = append(kept, f), f.to
	}
	x.files = kept
	return missing, nil
}

// cut forgets what the files have behind the end of the log. It returns the
// ranges that no file has.
func (x *Index) cut(missing []span) ([]span, error) {
	end := x.o.End
	if end == 0 || x.from <= end {
		return missing, nil
	}
	x.from = end
	for i := range missing {
		missing[i].to = min(missing[i].to, end)
	}
	missing = slices.DeleteFunc(missing, func(s span) bool { return s.from >= s.to })
	for n := len(x.files) - 1; n >= 0 && x.files[n].to > end; n-- {
		f := x.files[n]
		x.files = x.files[:n]
		if f.from >= end {
			if err := x.remove(f); err != nil {
				return nil, err
			}
			continue
		}
		cut, err := writeFile(x.o.FS, x.dir, span{f.from, end}, f.count, before(end, x.merged([]*file{f}, 0, 0)))
		switch {
		case errors.Is(err, errDamaged):
			missing = append(missing, span{f.from, end})
			err = x.done(f)
		case err != nil:
			err = errors.Join(err, x.done(f))
		default:
			x.files = append(x.files, cut)
			err = x.remove(f)
		}
		if err != nil {
			return nil, err
		}
	}
	return missing, nil
}

// before returns the entries before a position.
func before(end wal.Position, entries iter.Seq2[entry, error]) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		for e, err := range entries {
			if (err != nil || e.position < end) && !yield(e, err) {
				return
			}
		}
	}
}

// remake makes the files of a range again from the log.
func (x *Index) remake(s span) error {
	x.log.Warn("a part of the index is made again from the log", zap.String("part", s.name()))
	t := newTable()
	write := func(to wal.Position) error {
		f, err := writeFile(x.o.FS, x.dir, span{s.from, to}, t.len(), each(t.sorted(to)))
		if err != nil {
			return err
		}
		i, _ := slices.BinarySearchFunc(x.files, s.from, func(f *file, from wal.Position) int { return cmp.Compare(f.from, from) })
		x.files = slices.Insert(x.files, i, f)
		t, s.from = newTable(), to
		return nil
	}
	if x.o.Scan == nil {
		return write(s.to)
	}
	var failed error
	err := x.o.Scan(s.from, s.to, func(key store.Key, p wal.Position, until time.Time) {
		if n := t.len(); n >= x.o.Table && p > t.entries[n-1].position && failed == nil {
			failed = write(p)
		}
		t.add(entry{key: key, position: p, until: seconds(until)})
	})
	if err := cmp.Or(err, failed); err != nil {
		return err
	}
	return write(s.to)
}

// setAside gives a damaged file another name, so that it is made again.
func (x *Index) setAside(path string, cause error) {
	err := errors.Join(x.o.FS.Rename(path, path+damagedExtension), x.o.FS.SyncDir(x.dir))
	x.log.Error("a file of the index is damaged, and is made again from the log when it is opened",
		zap.String("file", path), zap.NamedError("cause", cause), zap.Error(err))
}
