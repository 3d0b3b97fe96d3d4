package metawebhook

import (
	"sync/atomic"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// The default of max_buffered: enough for 64 of the largest notifications, and
// in any case for a few.
const (
	defaultMaxBuffered = 256_000_000
	buffersOfMaxSize   = 16
)

// leastBuffersOfMaxSize is how many times max_size max_buffered must be. Bodies
// get half of it, and while one moves to a larger buffer it is in two.
const leastBuffersOfMaxSize = 4

// A buffer counts the bytes of notifications that are in memory under a name. A
// reload does not wait for requests: those of the old and the new configuration
// add up.
type buffer struct{ held atomic.Int64 }

// A share is what one request holds of a buffer.
type share struct {
	of  *buffer
	max int64 // max_buffered
	n   int64
}

// share returns the share of a new request, which holds nothing yet. What it
// comes to hold has to be given back by free.
func (h *Handler) share() *share { return &share{of: &h.record.buffer, max: h.MaxBuffered} }

// How much of max_buffered may be in use for a request to get more. Bodies of
// strangers count from their first byte, so somebody who knows no secret can
// use up what bodies may have. Most notifications are small, and still come in
// when large bodies do not; and whatever has been authenticated finds the last
// quarter free of all that has not.
func (s *share) forLargeBody() int64 { return s.max / 2 }
func (s *share) forSmallBody() int64 { return s.max / 4 * 3 }
func (s *share) forAuthentic() int64 { return s.max }

// take adds n bytes to the share, unless more than most would then be in use.
func (s *share) take(n, most int64) bool {
	for {
		held := s.of.held.Load()
		if n > most-held {
			return false
		}
		if s.of.held.CompareAndSwap(held, held+n) {
			s.n += n
			return true
		}
	}
}

// fits reports whether n bytes could be taken now.
func (s *share) fits(n, most int64) bool { return n <= most-s.of.held.Load() }

// give gives n bytes back.
func (s *share) give(n int64) {
	s.of.held.Add(-n)
	s.n -= n
}

// free gives everything back.
func (s *share) free() { s.give(s.n) }

// encodingRoom returns how many bytes the bodies that are made of the events
// take at most at any time.
func (h *Handler) encodingRoom(events []event.Event) int64 {
	if h.Deliver == deliverOriginal {
		return 0
	}
	var largest, all int64
	for i := range events {
		n := int64(events[i].JSONRoom())
		largest = max(largest, n)
		all += n
	}
	if h.Deliver == deliverBatch {
		return all + int64(len(events)+len("[]"))
	}
	return min(all, int64(min(h.Parallel, len(events)))*largest)
}
