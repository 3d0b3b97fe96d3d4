// Package budget bounds how many bytes of notifications are in memory at once.
package budget

import (
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
)

// The default of max_buffered: enough for 64 of the largest notifications, and
// in any case for a few.
const (
	defaultMax   = 256_000_000
	defaultTimes = 16 // max_size
)

// LeastTimes is how many times max_size max_buffered must be. Bodies get half
// of it, and a body that moves to a larger buffer is in two for a moment.
const LeastTimes = 4

// Most is the most that max_buffered can be.
const Most = 1 << 40

// DefaultMax returns the default of max_buffered.
func DefaultMax(maxSize int64) int64 { return max(defaultMax, defaultTimes*maxSize) }

// budgets holds the budget of each name. It lives on over reloads: a reload
// does not wait for requests, and those of the old and the new configuration
// add up.
var budgets = caddy.NewUsagePool()

// A Budget counts the bytes of notifications that are in memory under a name.
type Budget struct {
	name string
	held atomic.Int64
}

// Open returns the budget of a name. It needs a Close.
func Open(name string) *Budget {
	shared, _, _ := budgets.LoadOrNew(name, func() (caddy.Destructor, error) { return &Budget{name: name}, nil })
	return shared.(*Budget)
}

// Close ends the use of the budget.
func (b *Budget) Close() error {
	_, err := budgets.Delete(b.name)
	return err
}

// Destruct implements caddy.Destructor.
func (*Budget) Destruct() error { return nil }

// Held returns how many bytes are in memory.
func (b *Budget) Held() int64 { return b.held.Load() }

// A Share is what one request holds of a budget.
type Share struct {
	of  *Budget
	max int64 // that may be held of the budget
	n   int64
}

// Share returns a share that holds nothing yet, of a budget of max bytes. What
// it comes to hold is given back by Free.
func (b *Budget) Share(max int64) *Share { return &Share{of: b, max: max} }

// ForLargeBody returns how much of the budget may be in use for a request to get more. Bodies count
// from their first byte, before they are authenticated, so a sender who knows
// no secret can use up what bodies may have. Most notifications are small, and
// still come in when large bodies do not; and whatever has been authenticated
// finds the last quarter free of all that has not.
func (s *Share) ForLargeBody() int64 { return s.max / 2 }

// ForSmallBody returns the limit for bodies of less than 16 kB.
func (s *Share) ForSmallBody() int64 { return s.max / 4 * 3 }

// ForAuthentic returns the limit for what has been authenticated.
func (s *Share) ForAuthentic() int64 { return s.max }

// Take adds n bytes to the share, unless more than limit would then be in use,
// and reports whether it did.
func (s *Share) Take(n, limit int64) bool {
	for {
		held := s.of.held.Load()
		if n > limit-held {
			return false
		}
		if s.of.held.CompareAndSwap(held, held+n) {
			s.n += n
			return true
		}
	}
}

// Fits reports whether n bytes could be taken now.
func (s *Share) Fits(n, limit int64) bool { return n <= limit-s.of.held.Load() }

// Give gives n bytes back.
func (s *Share) Give(n int64) {
	s.of.held.Add(-n)
	s.n -= n
}

// Free gives everything back.
func (s *Share) Free() { s.Give(s.n) }

// Interface guard
var _ caddy.Destructor = (*Budget)(nil)
