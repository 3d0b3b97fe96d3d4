package memory

import (
	"math"
	"sync"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/local"
)

// maxEvents is how many events a set can hold, bounded by what its table can
// number.
const maxEvents = math.MaxInt32

// A set is delivered events in memory: a table of entries, and
// for each window a queue of them, oldest first. Time is counted from its
// start, on a monotonic clock.
type set struct {
	now   func() time.Time
	start time.Time

	mu     sync.Mutex
	table  local.Table[record]
	queues []expiryQueue
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

// An expiryQueue is the entries of one window, in the order in which they were
// added, which is the order in which they expire. Zero is the end.
type expiryQueue struct {
	window     time.Duration
	head, tail uint32
}

// newSet returns a set with room for so many events. It grows as needed.
func newSet(now func() time.Time, room int) *set {
	s := &set{now: now, start: now(), table: local.NewTable[record]()}
	s.table.Reserve(room)
	return s
}

// seconds returns the whole seconds from the start until now, and until the
// window ends, rounded up.
func (s *set) seconds(window time.Duration) (now, expires uint32) {
	since := s.now().Sub(s.start)
	up := (since + window + time.Second - 1) / time.Second
	return uint32(since / time.Second), uint32(max(1, min(up, math.MaxUint32)))
}

// Find implements local.Set.
func (s *set) Find(events []store.Key, states []store.State) error {
	now, _ := s.seconds(0)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range events {
		if ref := s.table.Find(&events[i]); ref != 0 && now < s.table.Value(ref).expires {
			states[i] = store.Delivered
		}
	}
	return nil
}

const (
	// expiring is how many expired entries an added one takes with it, so that
	// more go than come and no caller waits for a long list to go.
	expiring = 4

	// turn is how many entries are evicted before another caller has a turn:
	// under a bound that has been lowered, they are many.
	turn = 4096
)

// add puts events into the set, and forgets the oldest until no more than most
// are left. It returns how many it forgot before their time.
func (s *set) add(events []store.Key, window time.Duration, most int) (evicted int) {
	now, expires := s.seconds(window)
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queue(window)
	for i := range events {
		s.put(q, &events[i], now, expires)
	}
	for i := 1; s.queued > most; i++ {
		oldest := s.oldestQueue()
		if now < s.table.Value(oldest.head).expires {
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
func (s *set) put(q *expiryQueue, event *store.Key, now, expires uint32) {
	if ref := s.table.Find(event); ref != 0 {
		if s.table.Value(ref).expires == expires {
			return
		}
		s.table.Remove(ref)
		s.table.Value(ref).expires = abandoned // its place among the oldest is another one now
	}
	for i := range s.queues {
		for range expiring {
			head := s.queues[i].head
			if head == 0 || now < s.table.Value(head).expires {
				break
			}
			s.drop(&s.queues[i])
		}
	}
	s.last++
	ref := s.table.Insert(event, record{number: s.last, expires: expires})
	if q.head == 0 {
		q.head = ref
	} else {
		s.table.Value(q.tail).next = ref
	}
	q.tail = ref
	s.queued++
}

// queue returns the queue of a window.
func (s *set) queue(window time.Duration) *expiryQueue {
	for i := range s.queues {
		if s.queues[i].window == window {
			return &s.queues[i]
		}
	}
	s.queues = append(s.queues, expiryQueue{window: window})
	return &s.queues[len(s.queues)-1]
}

// oldestQueue returns the queue that the oldest entry is the head of.
func (s *set) oldestQueue() (oldest *expiryQueue) {
	for i := range s.queues {
		q := &s.queues[i]
		if q.head != 0 && (oldest == nil || s.table.Value(q.head).number < s.table.Value(oldest.head).number) {
			oldest = q
		}
	}
	return oldest
}

// drop drops the head of a queue.
func (s *set) drop(q *expiryQueue) {
	ref := q.head
	q.head = s.table.Value(ref).next
	if s.table.Value(ref).expires != abandoned {
		s.table.Remove(ref)
	}
	s.table.Reuse(ref)
	s.queued--
}

// size returns how many entries there are.
func (s *set) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queued
}
