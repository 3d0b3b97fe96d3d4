package queue

import (
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/record"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// A Verification is what there is in the folder of a queue.
type Verification struct {
	Log       wal.Stats
	Records   int64
	Unknown   int64    // records of an unknown format
	Index     []string // files of the index that are damaged, or were and are made again
	Snapshots []string // snapshots that were damaged, and were removed
}

// Verify reads everything that is in the queue's folder. What is damaged in the
// log is set aside, as it is when it is found in use.
func (q *Queue) Verify() (v Verification, err error) {
	err = q.log.Scan(0, func(_ wal.Position, r []byte) error {
		if v.Records++; !record.KindOf(r).Known() {
			v.Unknown++
		}
		return nil
	})
	if err != nil {
		return v, err
	}
	v.Index = q.seen.Verify()
	names, err := snapshots(q.o.FS, q.dir)
	for _, name := range names {
		if _, failed := q.readSnapshot(name); failed == nil || errors.Is(failed, fs.ErrNotExist) {
			continue
		}
		v.Snapshots = append(v.Snapshots, name)
		err = errors.Join(err, q.o.FS.Remove(filepath.Join(q.dir, name)))
	}
	v.Log = q.log.Stats()
	return v, err
}
