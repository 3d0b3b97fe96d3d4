package memory

import (
	"math"
	"sync"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/local"
)

// maxEvents is how many delivered events a set can hold: half as many as it can
// number, so that there is always room for claims.
const maxEvents = math.MaxInt32 / 2

// A set is events in memory, those that are claimed and those that were
// delivered: a table of entries, and for each window a queue of the delivered
// ones, oldest first. One search in the table tells what an event is, and what
// was claimed becomes delivered where it stands. Time is counted from the
// set's start, on a monotonic clock.
type set struct {
	now   func() time.Time
	start time.Time

	mu     sync.Mutex
	table  local.Table[record]
	queues []expiryQueue
	queued int    // entries in all queues
	last   uint64 // the number of the event that was added last
}

// A record is what a set has of a delivered event. A claim has the same room:
// see claimOf.
type record struct {
	number  uint64 // counts the events that were added
	expires uint32 // in seconds from the set's start
	next    uint32 // in its queue
}

// claimed is set in the next of a record that is a claim. References do not get
// as large.
const claimed = 1 << 31

// claimOf returns the record of a claim that holds until so long after the
// set's start.
func claimOf(token store.Token, until time.Duration) record {
	return record{uint64(token), uint32(until), uint32(until>>32) | claimed} //nolint:gosec // in two halves
}

func (r *record) isClaim() bool { return r.next&claimed != 0 }

// isOf reports whether the record is a claim of the token.
func (r *record) isOf(token store.Token) bool { return r.isClaim() && r.number == uint64(token) }

// until returns how long after the set's start a claim holds.
func (r *record) until() time.Duration {
	return time.Duration(r.next&^claimed)<<32 | time.Duration(r.expires)
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

// claim claims those events that were not delivered and that no one else
// holds, and sets the states.
func (s *set) claim(token store.Token, events []store.Key, states []store.State, lease time.Duration) {
	now := s.now().Sub(s.start)
	mine := claimOf(token, now+lease)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range events {
		states[i] = store.Claimed
		ref := s.table.Find(&events[i])
		if ref == 0 {
			s.table.Insert(&events[i], mine)
			continue
		}
		switch r := s.table.Value(ref); {
		case r.isOf(token) || r.isClaim() && now >= r.until():
			*r = mine
		case r.isClaim():
			states[i] = store.InFlight
		case now/time.Second < time.Duration(r.expires):
			states[i] = store.Delivered
		default:
			s.abandon(ref)
			s.table.Insert(&events[i], mine)
		}
	}
}

// release gives up the claims of the token on these events.
func (s *set) release(token store.Token, events []store.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range events {
		if ref := s.table.Find(&events[i]); ref != 0 && s.table.Value(ref).isOf(token) {
			s.table.Remove(ref)
			s.table.Reuse(ref)
		}
	}
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

// put puts a delivered event into the set, as the last of its queue. Whoever
// has claimed it does so no more.
func (s *set) put(q *expiryQueue, event *store.Key, now, expires uint32) {
	ref := s.table.Find(event)
	if ref != 0 && !s.table.Value(ref).isClaim() {
		if s.table.Value(ref).expires == expires {
			return
		}
		s.abandon(ref) // its place among the oldest is another one now
		ref = 0
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
	if delivered := (record{number: s.last, expires: expires}); ref == 0 {
		ref = s.table.Insert(event, delivered)
	} else {
		*s.table.Value(ref) = delivered
	}
	if q.head == 0 {
		q.head = ref
	} else {
		s.table.Value(q.tail).next = ref
	}
	q.tail = ref
	s.queued++
}

// abandon takes the entry of a delivered event out of the table. It stays in
// its queue.
func (s *set) abandon(ref uint32) {
	s.table.Remove(ref)
	s.table.Value(ref).expires = abandoned
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

// size returns how many entries of delivered events there are.
func (s *set) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queued
}
