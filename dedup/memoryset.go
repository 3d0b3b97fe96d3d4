package dedup

import (
	"hash/maphash"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// shardBits is how many bits of an event's hash choose its shard.
	shardBits = 6

	// maxMemorySet is how many events a set can hold, bounded by what one
	// shard can number.
	maxMemorySet = math.MaxInt32
)

// A memorySet is a set of delivered events in memory. Time is counted from its
// start, on a clock that nobody sets.
type memorySet struct {
	now    func() time.Time
	start  time.Time
	seed   maphash.Seed
	size   atomic.Int64
	last   atomic.Uint64 // the number of the event that was added last
	shards [1 << shardBits]memoryShard
}

func newMemorySet(now func() time.Time) *memorySet {
	return &memorySet{now: now, start: now(), seed: maphash.MakeSeed()}
}

// seconds returns the whole seconds from the start until now, and until the
// window ends, rounded up.
func (s *memorySet) seconds(window time.Duration) (now, expires uint32) {
	since := s.now().Sub(s.start)
	up := (since + window + time.Second - 1) / time.Second
	return uint32(since / time.Second), uint32(max(1, min(up, math.MaxUint32)))
}

func (s *memorySet) shard(event *Key) (*memoryShard, uint64) {
	hash := maphash.Bytes(s.seed, event[:])
	return &s.shards[hash>>(64-shardBits)], hash
}

// find implements set.
func (s *memorySet) find(events []Key, states []State) error {
	now, _ := s.seconds(0)
	for i := range events {
		shard, hash := s.shard(&events[i])
		if shard.has(&events[i], hash, now) {
			states[i] = Delivered
		}
	}
	return nil
}

// add puts events into the set.
func (s *memorySet) add(events []Key, window time.Duration) {
	now, expires := s.seconds(window)
	for i := range events {
		shard, hash := s.shard(&events[i])
		s.size.Add(shard.add(memoryEntry{key: events[i], number: s.last.Add(1), expires: expires}, hash, window, now, s.seed))
	}
}

// evict forgets the oldest events until no more than most are left. It returns
// how many it forgot before their time.
func (s *memorySet) evict(most int) (evicted int) {
	now, _ := s.seconds(0)
	for {
		size := s.size.Load()
		if size <= int64(most) {
			return evicted
		}
		if !s.size.CompareAndSwap(size, size-1) { // first, so that two do not evict for one too many
			continue
		}
		var oldest *memoryShard
		number := uint64(math.MaxUint64)
		for i := range s.shards {
			if n := s.shards[i].oldest.Load(); n != 0 && n < number {
				oldest, number = &s.shards[i], n
			}
		}
		if oldest == nil { // others have been faster
			s.size.Add(1)
			return evicted
		}
		dropped, early := oldest.dropOldest(now, s.seed)
		s.size.Add(1 - int64(dropped))
		evicted += early
	}
}

// A memoryShard is a part of a memorySet: a table of entries, and for each
// window a queue of them, oldest first.
type memoryShard struct {
	oldest atomic.Uint64 // number of the oldest entry, 0 without any

	mu     sync.Mutex
	table  memoryTable
	queues []memoryQueue
}

// A memoryQueue is the entries of one window, in the order in which they were
// added, which is the order in which they expire. Zero is the end.
type memoryQueue struct {
	window     time.Duration
	head, tail uint32
}

func (s *memoryShard) has(event *Key, hash uint64, now uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	ref := s.table.find(event, hash)
	return ref != 0 && now < s.table.entry(ref).expires
}

// expiring is how many expired entries an added one takes with it, so that
// more go than come and nobody waits for a long list to go.
const expiring = 4

// add puts an entry into the shard, and returns by how many it has grown.
func (s *memoryShard) add(e memoryEntry, hash uint64, window time.Duration, now uint32, seed maphash.Seed) (grown int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.noteOldest()
	if ref := s.table.find(&e.key, hash); ref != 0 {
		if s.table.entry(ref).expires == e.expires {
			return 0
		}
		s.table.abandon(ref, seed) // its place among the oldest is another one now
	}
	for i := range s.queues {
		for range expiring {
			head := s.queues[i].head
			if head == 0 || now < s.table.entry(head).expires {
				break
			}
			s.drop(&s.queues[i], seed)
			grown--
		}
	}
	ref := s.table.insert(e, hash, seed)
	q := s.queue(window)
	if q.head == 0 {
		q.head = ref
	} else {
		s.table.entry(q.tail).next = ref
	}
	q.tail = ref
	return grown + 1
}

// queue returns the queue of a window.
func (s *memoryShard) queue(window time.Duration) *memoryQueue {
	for i := range s.queues {
		if s.queues[i].window == window {
			return &s.queues[i]
		}
	}
	s.queues = append(s.queues, memoryQueue{window: window})
	return &s.queues[len(s.queues)-1]
}

// dropOldest drops the oldest entry, and tells whether it was early.
func (s *memoryShard) dropOldest(now uint32, seed maphash.Seed) (dropped, early int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.noteOldest()
	q := s.oldestQueue()
	if q == nil {
		return 0, 0
	}
	if now < s.table.entry(q.head).expires {
		early = 1
	}
	s.drop(q, seed)
	return 1, early
}

// oldestQueue returns the queue that the oldest entry is the head of.
func (s *memoryShard) oldestQueue() (oldest *memoryQueue) {
	for i := range s.queues {
		q := &s.queues[i]
		if q.head != 0 && (oldest == nil || s.table.entry(q.head).number < s.table.entry(oldest.head).number) {
			oldest = q
		}
	}
	return oldest
}

// noteOldest lets others see which entry is the oldest.
func (s *memoryShard) noteOldest() {
	var number uint64
	if q := s.oldestQueue(); q != nil {
		number = s.table.entry(q.head).number
	}
	s.oldest.Store(number)
}

// drop drops the head of a queue.
func (s *memoryShard) drop(q *memoryQueue, seed maphash.Seed) {
	ref := q.head
	q.head = s.table.entry(ref).next
	if s.table.entry(ref).expires != abandoned {
		s.table.abandon(ref, seed)
	}
	s.table.reuse(ref)
}
