package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/ledger"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/overlay"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/queue"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// A Part is what the folder of a store has of a handler: its queue, or what was
// delivered.
type Part struct {
	Folder  string
	Queue   bool   // or it is what was delivered
	Handler string // its name

	Segments     int   // of the log
	Size         int64 // of the log
	Records      int64 // of a queue: in the log
	Events       int64 // of what was delivered: see store.Ledger
	Destinations []store.DestinationStats

	TornBytes int64    // what a crash left half written, and was not acknowledged
	SetAside  []Damage // that was found earlier, and is kept in files of its own
	Damage    []Damage // that was found now
	Missing   bool     // the end of the log, which the index or a snapshot know
	Unknown   int64    // records of a later version
	Copies    []string // damaged files of the index, and snapshots: both can be made again from the log
	Err       error    // why the part cannot be opened
}

// Damage is a part of the log that cannot be read any more.
type Damage = wal.Damage

// Damaged reports whether there is damage that was not known, or set aside.
func (p *Part) Damaged() bool {
	return len(p.Damage) > 0 || len(p.Copies) > 0 || p.Missing || p.Unknown > 0 || p.Err != nil
}

// Check reads everything in the folder of a store, of which it changes nothing.
// The error is wal.ErrLocked if a process has it open.
func Check(path string) ([]Part, error) {
	files := overlay.New()
	parts, err := examine(path, files)
	return parts, errors.Join(err, files.Close())
}

// Repair does what opening and reading everything does: it cuts off what a crash
// left half written, sets aside what is damaged in the logs, and makes again what
// is damaged and can be made from them. The parts say what was there before.
func Repair(path string) ([]Part, error) { return examine(path, wal.OS()) }

func examine(path string, fsys wal.FS) ([]Part, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var parts []Part
	for _, e := range entries {
		kind, name, ok := strings.Cut(e.Name(), "-")
		name, err := url.PathUnescape(name)
		if e.IsDir() && ok && err == nil && (kind == queueKind || kind == deliveredKind) {
			parts = append(parts, Part{Folder: filepath.Join(path, e.Name()), Queue: kind == queueKind, Handler: name})
		}
	}
	if len(parts) == 0 {
		return nil, fmt.Errorf("there is no store in %s: no folder in it is one of a queue, or of what was delivered", path)
	}
	for i := range parts { // before anything is changed
		if err := onlyFiles(parts[i].Folder); err != nil {
			return nil, err
		}
		lock, err := fsys.Lock(filepath.Join(parts[i].Folder, "lock"))
		if err == nil {
			err = lock.Close()
		}
		if err != nil {
			return nil, err
		}
	}
	for i := range parts {
		p := &parts[i]
		known, err := damageFiles(p.Folder)
		if err != nil {
			return nil, err
		}
		if p.Queue {
			p.Err = p.examineQueue(fsys, known)
		} else {
			p.Err = p.examineLedger(fsys, known)
		}
		if errors.Is(p.Err, wal.ErrLocked) {
			return nil, p.Err
		}
	}
	return parts, nil
}

// onlyFiles reports anything in a folder that is neither a file nor a folder,
// and that no store has made: a link could have a part of another user's files
// read and cut off.
func onlyFiles(folder string) error {
	return filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && !e.Type().IsRegular() {
			return fmt.Errorf("%s is not a regular file, as all files of a store are", path)
		}
		return err
	})
}

// damageFiles returns the files of what was set aside in a folder.
func damageFiles(folder string) ([]string, error) {
	return filepath.Glob(filepath.Join(globEscape(folder), "*.damaged"))
}

// globEscape returns a pattern that stands for a path.
func globEscape(path string) string {
	return strings.NewReplacer(`[`, `[[]`, `*`, `[*]`, `?`, `[?]`).Replace(path)
}

// forever keeps what is settled while it is looked at.
const forever = 100 * 365 * 24 * time.Hour

func (p *Part) examineQueue(fsys wal.FS, known []string) error {
	look := func() (v queue.Verification, err error) {
		q, err := queue.Open(p.Folder, queue.Options{
			Keep: forever, SegmentSize: segmentSize(p.Folder), FS: fsys, LockWait: time.Nanosecond,
		})
		if err != nil {
			return v, err
		}
		v, err = q.Verify()
		stats, failed := q.Stats(context.Background())
		p.Destinations = stats.Destinations
		return v, errors.Join(err, failed, q.Close())
	}
	v, err := look()
	if err == nil && len(v.Index) > 0 {
		_, err = look() // which makes it again
	}
	p.take(&v.Log, known)
	p.Records, p.Unknown, p.Copies = v.Records, v.Unknown, append(v.Index, v.Snapshots...)
	return err
}

func (p *Part) examineLedger(fsys wal.FS, known []string) error {
	look := func() (v ledger.Verification, err error) {
		l, err := ledger.Open(p.Folder, ledger.Options{
			SegmentSize: segmentSize(p.Folder), FS: fsys, Now: time.Now, Logger: zap.NewNop(), LockWait: time.Nanosecond,
		})
		if err != nil {
			return v, err
		}
		v, err = l.Verify()
		return v, errors.Join(err, l.Close())
	}
	v, err := look()
	if err == nil && len(v.Index) > 0 {
		_, err = look()
	}
	p.take(&v.Log, known)
	p.Events, p.Copies = v.Events, v.Index
	return err
}

// segmentSize returns the size of the segment that is to be used next, so that it
// is not made again with another one. 0 stands for the default.
func segmentSize(folder string) int64 {
	segments, err := filepath.Glob(filepath.Join(globEscape(folder), "*.log"))
	if err != nil || len(segments) == 0 {
		return 0
	}
	info, err := os.Stat(slices.Max(segments))
	if err != nil {
		return 0
	}
	return info.Size()
}

// take takes over what is to be said of a log.
func (p *Part) take(s *wal.Stats, known []string) {
	p.Segments, p.Size, p.TornBytes, p.Missing = s.Segments, s.Size, s.TornBytes, s.Missing
	for _, d := range s.Damage {
		if slices.Contains(known, d.File) {
			p.SetAside = append(p.SetAside, d)
		} else {
			p.Damage = append(p.Damage, d)
		}
	}
}
