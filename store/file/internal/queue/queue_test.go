package queue

import (
	"encoding/hex"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal/waltest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/storetest"
)

// A clock shows the time that a test sets, and ends timers when it is set.
type clock struct {
	mu     sync.Mutex
	now    time.Time
	timers map[*timer]bool
}

type timer struct {
	at time.Time
	do func()
}

func newClock() *clock {
	return &clock{now: time.Date(2026, 1, 1, 0, 0, 0, 600_000_000, time.UTC), timers: make(map[*timer]bool)}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) AfterFunc(d time.Duration, do func()) (stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &timer{c.now.Add(d), do}
	c.timers[t] = true
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.timers, t)
	}
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	var due []*timer
	for t := range c.timers {
		if !t.at.After(c.now) {
			due = append(due, t)
			delete(c.timers, t)
		}
	}
	c.mu.Unlock()
	slices.SortFunc(due, func(a, b *timer) int { return a.at.Compare(b.at) })
	for _, t := range due {
		t.do()
	}
}

// A processFS is the file system of one process. Nothing that the process does
// after its end has an effect. Without it, what a queue creates while it is
// being ended would be a file of the next process.
type processFS struct {
	wal.FS
	mu    sync.RWMutex // held for reading during what must not span the end
	ended bool
}

// during calls f unless the process has ended.
func (p *processFS) during(f func() error) error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.ended {
		return waltest.ErrStopped
	}
	return f()
}

// end ends the process.
func (p *processFS) end(how func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	how()
}

func (p *processFS) Create(name string) (file wal.File, err error) {
	err = p.during(func() error { file, err = p.FS.Create(name); return err })
	return file, err
}

func (p *processFS) Open(name string) (file wal.File, err error) {
	err = p.during(func() error { file, err = p.FS.Open(name); return err })
	return file, err
}

func (p *processFS) Remove(name string) error {
	return p.during(func() error { return p.FS.Remove(name) })
}

func (p *processFS) Rename(from, to string) error {
	return p.during(func() error { return p.FS.Rename(from, to) })
}

func (p *processFS) SyncDir(dir string) error {
	return p.during(func() error { return p.FS.SyncDir(dir) })
}

// A process has the queues of a disk.
type process struct {
	testing.TB
	disk   *waltest.Disk
	o      Options
	fs     *processFS
	queues map[string]*Queue
	uses   map[string]int
}

func newProcess(t testing.TB, o Options, seed uint64) *process {
	p := &process{TB: t, disk: waltest.NewDisk(seed), o: o}
	p.start()
	return p
}

func (p *process) start() {
	p.fs = &processFS{FS: p.disk}
	p.queues, p.uses = make(map[string]*Queue), make(map[string]int)
}

func (p *process) open(name string) (store.Queue, error) {
	q := p.queues[name]
	if q == nil {
		o := p.o
		o.FS = p.fs
		var err error
		if q, err = Open(folder(name), o); err != nil {
			return nil, err
		}
		p.queues[name] = q
	}
	p.uses[name]++
	queues, uses := p.queues, p.uses
	return q.Handle(func() error {
		if uses[name]--; uses[name] > 0 {
			return nil
		}
		delete(queues, name)
		return q.Close()
	}), nil
}

func folder(name string) string { return "/" + hex.EncodeToString([]byte(name)) }

// kill ends the process.
func (p *process) kill() { p.end(p.disk.Kill) }

// powerCut ends the machine.
func (p *process) powerCut() { p.end(p.disk.PowerCut) }

func (p *process) end(how func()) {
	p.fs.end(how)
	for _, q := range p.queues {
		_ = q.Close() // which ends its goroutines, and has no effect
	}
	p.start()
}

func TestQueueKeepsThePromises(t *testing.T) {
	storetest.TestQueue(t, storetest.QueueConfig{
		New: func(t testing.TB) storetest.QueueSubject {
			c := newClock()
			p := newProcess(t, Options{Keep: 24 * time.Hour, SegmentSize: 4 << 20, Clock: c}, 1)
			return storetest.QueueSubject{Open: p.open, Now: c.Now, Advance: c.advance, Crash: p.kill}
		},
		Patience: 5 * time.Millisecond,
	})
}

// TestQueueIsItsModel runs the model against queues in which everything that is
// done for large ones happens early: deliveries without an entry in memory,
// segments that are full, snapshots.
func TestQueueIsItsModel(t *testing.T) {
	for _, test := range []struct {
		name    string
		indexed int
		steps   int
	}{
		{"few entries", 4, 80},
		{"several segments", 10, 500},
	} {
		t.Run(test.name, func(t *testing.T) {
			storetest.TestModel(t, storetest.QueueConfig{
				New: func(t testing.TB) storetest.QueueSubject {
					c := newClock()
					p := newProcess(t, Options{Keep: 24 * time.Hour, SegmentSize: 64 << 10, Indexed: test.indexed, Clock: c}, 1)
					return storetest.QueueSubject{Open: p.open, Now: c.Now, Advance: c.advance, Crash: p.kill}
				},
				Patience: 5 * time.Millisecond,
				Reach:    test.indexed / 2,
				Runs:     8,
				Steps:    test.steps,
			})
		})
	}
}

// TestQueueIsItsModelWhileItForgets has everything that is settled removed, and
// what is not moved out of its way, all the time.
func TestQueueIsItsModelWhileItForgets(t *testing.T) {
	for _, indexed := range []int{1000, 4} {
		storetest.TestModel(t, storetest.QueueConfig{
			New: func(t testing.TB) storetest.QueueSubject {
				c := newClock()
				p := newProcess(t, Options{SegmentSize: 64 << 10, Indexed: indexed, Clock: c}, 1)
				tidy := func() {
					for _, q := range p.queues {
						if err := errors.Join(q.log.Seal(t.Context()), q.remove(t.Context(), false)); err != nil {
							t.Errorf("got error %v, want none", err)
						}
						wantLive(t, q)
					}
				}
				return storetest.QueueSubject{
					Open: p.open, Now: c.Now,
					Advance: func(d time.Duration) { c.advance(d); tidy() },
					Crash:   func() { tidy(); p.kill() },
				}
			},
			Patience: 5 * time.Millisecond,
			Forgets:  true,
			Reach:    indexed / 2,
			Runs:     20,
		})
	}
}
