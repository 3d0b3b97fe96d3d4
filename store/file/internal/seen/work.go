package seen

import (
	"iter"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

const (
	together  = 4       // so many files of a size are merged into one
	mostMerge = 1 << 24 // entries: what is larger would not expire for too long
)

// work writes what is full, merges what has become many and removes what has
// expired, until the index is closed.
func (x *Index) work() {
	warned := false
	for {
		select {
		case <-x.closing:
			return
		case <-x.wake:
		}
		for {
			more, err := x.step()
			if err != nil {
				if !warned {
					x.log.Warn("no file of the index could be written; it grows in memory", zap.Error(err))
				}
				warned = true
				select {
				case <-x.closing:
					return
				case <-time.After(x.o.Retry):
				}
				continue
			}
			warned = false
			if !more {
				break
			}
			select {
			case <-x.closing:
				return
			default:
			}
		}
	}
}

// step does one thing, and reports whether there may be more to do.
func (x *Index) step() (more bool, err error) {
	x.working.Lock()
	defer x.working.Unlock()
	if more, err := x.flush(x.o.Table); more || err != nil {
		return more, err
	}
	if more, err := x.expire(); more || err != nil {
		return more, err
	}
	return x.merge()
}

// Flush writes what is in memory to a file, after which From is behind all that
// was settled. A segment of the log can be removed then without anything of it
// missing after a crash.
func (x *Index) Flush() error {
	x.working.Lock()
	defer x.working.Unlock()
	for range 2 { // what is frozen already, and what is not
		if _, err := x.flush(0); err != nil {
			return err
		}
	}
	return nil
}

// flush writes the table to a file if it has so many entries.
func (x *Index) flush(entries int) (more bool, err error) {
	to := x.o.Settled() // before the table is frozen, so that nothing before it is missing there
	var moved map[wal.Position]wal.Position
	if x.o.Moved != nil {
		moved = x.o.Moved()
	}
	x.mu.Lock()
	if x.frozen == nil {
		if x.table.added < entries || to <= x.from {
			x.mu.Unlock()
			return false, nil
		}
		x.table.move(moved)
		// A file has the whole of its range and nothing else, so that it can
		// be made again.
		x.frozen, x.table = x.table, x.table.since(to)
		x.frozenTo = to
	}
	t, s := x.frozen, span{x.from, x.frozenTo}
	x.mu.Unlock()
	f, err := writeFile(x.o.FS, x.dir, s, t.len(), each(t.sorted(s.to)))
	if err != nil {
		return false, err
	}
	x.mu.Lock()
	x.files = append(x.files, f)
	x.frozen, x.from = nil, s.to
	x.mu.Unlock()
	if x.o.Flushed != nil {
		x.o.Flushed(s.to)
	}
	return true, nil
}

func each(entries []entry) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		for i := range entries {
			if !yield(entries[i], nil) {
				return
			}
		}
	}
}

// expire removes the oldest file if nothing in it counts any more. That those
// behind it stay keeps the ranges of the files without a gap.
func (x *Index) expire() (more bool, err error) {
	x.mu.Lock()
	if len(x.files) < 2 || x.files[0].latest > x.now || x.files[0].last.Segment() >= x.oldest {
		x.mu.Unlock()
		return false, nil
	}
	f := x.files[0]
	x.files = slices.Clone(x.files[1:])
	x.mu.Unlock()
	return true, x.remove(f)
}

// dead reports whether an entry counts no more.
func (e *entry) dead(now, oldest uint32) bool {
	return e.until <= now && e.position.Segment() < oldest
}

// merge merges files that are next to each other into one.
func (x *Index) merge() (more bool, err error) {
	x.mu.RLock()
	files := x.candidates()
	now, oldest := x.now, x.oldest
	x.mu.RUnlock()
	if len(files) == 0 {
		return false, nil
	}
	most := 0
	for _, f := range files {
		most += f.count
	}
	s := span{files[0].from, files[len(files)-1].to}
	merged, err := writeFile(x.o.FS, x.dir, s, most, x.merged(files, now, oldest))
	if err != nil {
		return false, err
	}
	x.mu.Lock()
	i := slices.Index(x.files, files[0])
	x.files = slices.Replace(slices.Clone(x.files), i, i+len(files), merged)
	x.mu.Unlock()
	for _, f := range files {
		if err := x.remove(f); err != nil {
			x.log.Warn("removing a file that was merged", zap.Error(err))
		}
	}
	return true, nil
}

// candidates returns the files to be merged, if any: the smallest that there are
// enough of next to each other.
func (x *Index) candidates() []*file {
	for size := 2 * x.o.Table; size < together*mostMerge; size *= together {
		var run []*file
		sum := 0
		for _, f := range x.files {
			if f.count > size || f.bad.Load() {
				run, sum = nil, 0
				continue
			}
			if sum += f.count; sum > mostMerge {
				run, sum = nil, f.count
			}
			if run = append(run, f); len(run) == together {
				return run
			}
		}
	}
	return nil
}

// merged returns the entries of files in their order, each once, without those
// that count no more.
func (x *Index) merged(files []*file, now, oldest uint32) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		readers := make([]*reader, 0, len(files))
		for _, f := range files {
			readers = append(readers, &reader{file: f, buf: make([]byte, readAhead*page)})
		}
		var last entry
		have := false
		for {
			var first *reader
			for _, r := range readers {
				if err := r.fill(); err != nil {
					if r.file.bad.CompareAndSwap(false, true) {
						x.setAside(r.file.path, err)
					}
					yield(entry{}, err)
					return
				}
				if len(r.entries) > 0 && (first == nil || compare(r.head, first.head) < 0) {
					first = r
				}
			}
			if have && (first == nil || compare(first.head, last) != 0) {
				if !last.dead(now, oldest) && !yield(last, nil) {
					return
				}
			}
			if first == nil {
				return
			}
			until := first.head.until
			if have && compare(first.head, last) == 0 {
				until = max(until, last.until)
			}
			last, have = first.head, true
			last.until = until
			first.entries = first.entries[entrySize:]
		}
	}
}

const readAhead = 16 // blocks

// A reader reads the entries of a file in their order.
type reader struct {
	file    *file
	next    int    // the block that comes next
	buf     []byte // several blocks
	blocks  []byte // what is left of them
	entries []byte // what is left of the first
	head    entry
}

// fill reads on, unless there is a head or nothing is left.
func (r *reader) fill() error {
	for len(r.entries) == 0 {
		if r.next == len(r.file.fences) {
			return nil
		}
		if len(r.blocks) == 0 {
			n := min(readAhead, len(r.file.fences)-r.next)
			r.blocks = r.buf[:n*page]
			if err := r.file.readAt(r.blocks, int64(page)*int64(1+r.next)); err != nil {
				return err
			}
		}
		var err error
		if r.entries, err = r.file.check(r.next, r.blocks[:page]); err != nil {
			return err
		}
		r.blocks = r.blocks[page:]
		r.next++
	}
	r.head = parseEntry(r.entries)
	return nil
}
