package observe

import (
	"sync"
	"time"
)

// A history is how many events were delivered to a destination in each of the
// last minutes, and how many waited. It lives on over reloads.
type history struct {
	mu        sync.Mutex
	last      int64 // the minute up to which it goes
	delivered [historyMinutes]int64
	waited    [historyMinutes]int64 // at the end of the minute, or lately
	since     int64                 // the first minute of waited, 0 without any
}

// historyMinutes is how far a history goes back.
const historyMinutes = 60

// deliver counts events that were delivered.
func (h *history) deliver(n int, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.goOn(now)
	h.delivered[h.last%historyMinutes] += int64(n)
}

// wait notes how many events wait.
func (h *history) wait(n int64, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.goOn(now)
	h.waited[h.last%historyMinutes] = n
	if h.since == 0 {
		h.since = h.last
	}
}

// goOn makes the current minute the last. Nothing was delivered in those that
// have passed, and as many waited as before.
func (h *history) goOn(now time.Time) {
	minute := now.Unix() / 60
	waited := h.waited[h.last%historyMinutes]
	for m := max(h.last+1, minute-historyMinutes+1); m <= minute; m++ {
		h.delivered[m%historyMinutes], h.waited[m%historyMinutes] = 0, waited
	}
	h.last = max(h.last, minute)
}

// hour returns what was delivered in each minute of the last hour, the current
// one last, and how many events waited in those before it that are known. The
// rate is events delivered in a second, over this minute and the last.
func (h *history) hour(now time.Time) (delivered, waited []int64, rate float64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.goOn(now)
	delivered = make([]int64, 0, historyMinutes)
	for m := h.last - historyMinutes + 1; m <= h.last; m++ {
		delivered = append(delivered, h.delivered[m%historyMinutes])
		if h.since != 0 && m >= h.since && m < h.last {
			waited = append(waited, h.waited[m%historyMinutes])
		}
	}
	lately := delivered[historyMinutes-2] + delivered[historyMinutes-1]
	return delivered, waited, float64(lately) / float64(60+now.Unix()%60)
}

// history returns the history of a destination.
func (s *State) history(destination string) *history {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, ok := s.histories[destination]
	if !ok {
		h = new(history)
		s.histories[destination] = h
	}
	return h
}
