package store

import (
	"math"
	"sync"
	"time"
)

// maxMemorySet is how many events a set can hold, bounded by what its table can
// number.
const maxMemorySet = math.MaxInt32

// A memorySet is a set of delivered events in memory: a table of entries, and
// for each window a queue of them, oldest first. Time is counted from its
// start, on a clock that nobody sets.
type memorySet struct {
	now   func() time.Time
	start time.Time

	mu     sync.Mutex
	table  table[record]
	queues []memoryQueue
	queued int    // entries in all queues
	last   uint64 // the number of the event that was added last
}

// A record is what a set has of an event.
type record struct {
	number  uint64 // counts the events that were added
	expires uint32 // in seconds from the set's start
	next    uint32 // in its queue
}

// abandoned is when an entry expires that is in a queue still, and no longer in
// the table.
const abandoned = 0

// A memoryQueue is the entries of one window, in the order in which they were
// added, which is the order in which they expire. Zero is the end.
type memoryQueue struct {
	window     time.Duration
	head, tail uint32
}

// newMemorySet returns a set with room for so many events. It grows as needed.
func newMemorySet(now func() time.Time, room int) *memorySet {
	s := &memorySet{now: now, start: now(), table: newTable[record]()}
	s.table.reserve(room)
	return s
}

// seconds returns the whole seconds from the start until now, and until the
// window ends, rounded up.
func (s *memorySet) seconds(window time.Duration) (now, expires uint32) {
	since := s.now().Sub(s.start)
	up := (since + window + time.Second - 1) / time.Second
	return uint32(since / time.Second), uint32(max(1, min(up, math.MaxUint32)))
}

// find implements set.
func (s *memorySet) find(events []Key, states []State) error {
	now, _ := s.seconds(0)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range events {
		if ref := s.table.find(&events[i]); ref != 0 && now < s.table.entry(ref).value.expires {
			states[i] = Delivered
		}
	}
	return nil
}

const (
	// expiring is how many expired entries an added one takes with it, so that
	// more go than come and nobody waits for a long list to go.
	expiring = 4

	// turn is how many entries are evicted before somebody else has a turn:
	// under a bound that has been lowered, they are many.
	turn = 4096
)

// add puts events into the set, and forgets the oldest until no more than most
// are left. It returns how many it forgot before their time.
func (s *memorySet) add(events []Key, window time.Duration, most int) (evicted int) {
	now, expires := s.seconds(window)
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queue(window)
	for i := range events {
		s.put(q, &events[i], now, expires)
	}
	for i := 1; s.queued > most; i++ {
		oldest := s.oldestQueue()
		if now < s.table.entry(oldest.head).value.expires {
			evicted++
		}
		s.drop(oldest)
		if i%turn == 0 {
			s.mu.Unlock()
			s.mu.Lock()
		}
	}
	return evicted
}

// put puts an event into the set, as the last of its queue.
func (s *memorySet) put(q *memoryQueue, event *Key, now, expires uint32) {
	if ref := s.table.find(event); ref != 0 {
		if s.table.entry(ref).value.expires == expires {
			return
		}
		s.table.remove(ref)
		s.table.entry(ref).value.expires = abandoned // its place among the oldest is another one now
	}
	for i := range s.queues {
		for range expiring {
			head := s.queues[i].head
			if head == 0 || now < s.table.entry(head).value.expires {
				break
			}
			s.drop(&s.queues[i])
		}
	}
	s.last++
	ref := s.table.insert(event, record{number: s.last, expires: expires})
	if q.head == 0 {
		q.head = ref
	} else {
		s.table.entry(q.tail).value.next = ref
	}
	q.tail = ref
	s.queued++
}

// queue returns the queue of a window.
func (s *memorySet) queue(window time.Duration) *memoryQueue {
	for i := range s.queues {
		if s.queues[i].window == window {
			return &s.queues[i]
		}
	}
	s.queues = append(s.queues, memoryQueue{window: window})
	return &s.queues[len(s.queues)-1]
}

// oldestQueue returns the queue that the oldest entry is the head of.
func (s *memorySet) oldestQueue() (oldest *memoryQueue) {
	for i := range s.queues {
		q := &s.queues[i]
		if q.head != 0 && (oldest == nil || s.table.entry(q.head).value.number < s.table.entry(oldest.head).value.number) {
			oldest = q
		}
	}
	return oldest
}

// drop drops the head of a queue.
func (s *memorySet) drop(q *memoryQueue) {
	ref := q.head
	q.head = s.table.entry(ref).value.next
	if s.table.entry(ref).value.expires != abandoned {
		s.table.remove(ref)
	}
	s.table.reuse(ref)
	s.queued--
}

// size returns how many entries there are.
func (s *memorySet) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queued
}
