package queue

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// The records of a segment may be removed while keys in them still count as
// seen. Those keys go into a file of their own first, which stays until the
// last of their windows has ended:
//
//	magic, (key, until in nanoseconds)…, CRC-32C of all before

const orphanSuffix = ".seen"

var orphanMagic = []byte("metawhk seen 1\n")

// An orphan is a key whose records were removed before its window ended.
type orphan struct {
	key   store.Key
	until int64 // in nanoseconds
}

const orphanSize = len(store.Key{}) + 8

// keepOrphans writes the keys that outlive a segment. Without room for the
// file, the segment goes all the same: to deliver an event twice is better than
// to have no room for others.
func (q *Queue) keepOrphans(segment uint32, orphans []orphan) {
	if len(orphans) == 0 {
		return
	}
	b := make([]byte, 0, len(orphanMagic)+len(orphans)*orphanSize+4)
	b = append(b, orphanMagic...)
	last := int64(0)
	for i := range orphans {
		b = append(b, orphans[i].key[:]...)
		b = binary.LittleEndian.AppendUint64(b, uint64(orphans[i].until))
		last = max(last, orphans[i].until)
	}
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	name := fmt.Sprintf("%010d%s", segment, orphanSuffix)
	q.orphaning.Lock()
	defer q.orphaning.Unlock()
	if err := q.writeFile(name, b); err != nil {
		q.zap.Warn("keeping what was seen; repeats may be delivered after a restart", zap.Error(err))
		return
	}
	q.orphanFiles[name] = last
}

// writeFile writes a file of the queue's folder to the disk, in place of one
// of the same name.
func (q *Queue) writeFile(name string, content []byte) (err error) {
	path := filepath.Join(q.dir, name)
	if err := q.o.FS.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := q.o.FS.Create(path)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(content, 0)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return q.o.FS.SyncDir(q.dir)
}

// loadOrphans reads the keys that have outlived their segments.
func (q *Queue) loadOrphans() error {
	names, err := q.o.FS.List(q.dir)
	if err != nil {
		return err
	}
	q.orphaning.Lock()
	defer q.orphaning.Unlock()
	for _, name := range names {
		if !strings.HasSuffix(name, orphanSuffix) {
			continue
		}
		orphans, err := q.readOrphans(name)
		if err != nil {
			q.zap.Error("reading what was seen; repeats may be delivered", zap.String("file", name), zap.Error(err))
		}
		last := int64(0)
		for _, o := range orphans {
			q.seen.orphaned(o)
			last = max(last, o.until)
		}
		q.orphanFiles[name] = last
	}
	return nil
}

var errOrphans = errors.New("the file is damaged")

func (q *Queue) readOrphans(name string) (orphans []orphan, err error) {
	b, err := q.readFile(name)
	if err != nil {
		return nil, err
	}
	b, ok := bytes.CutPrefix(b, orphanMagic)
	if !ok || len(b) < 4 || (len(b)-4)%orphanSize != 0 {
		return nil, errOrphans
	}
	keys, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if crc32.Update(crc32.Checksum(orphanMagic, castagnoli), castagnoli, keys) != sum {
		return nil, errOrphans
	}
	for ; len(keys) > 0; keys = keys[orphanSize:] {
		o := orphan{until: int64(binary.LittleEndian.Uint64(keys[len(store.Key{}):orphanSize]))}
		copy(o.key[:], keys)
		orphans = append(orphans, o)
	}
	return orphans, nil
}

// dropOrphans removes the files of keys whose windows have all ended.
func (q *Queue) dropOrphans(now time.Time) {
	q.orphaning.Lock()
	defer q.orphaning.Unlock()
	for name, last := range q.orphanFiles {
		if now.UnixNano() < last {
			continue
		}
		if err := q.o.FS.Remove(filepath.Join(q.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			q.zap.Warn("removing what was seen long ago", zap.Error(err))
			continue
		}
		delete(q.orphanFiles, name)
	}
}
