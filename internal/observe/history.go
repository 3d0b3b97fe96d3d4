package observe

import (
	"sync"
	"time"
)

// A History is how many events were delivered in each of the last minutes. It
// lives on over reloads.
type History struct {
	mu     sync.Mutex
	last   int64 // the minute of the last count
	counts [historyMinutes]int64
}

// historyMinutes is how far a History goes back.
const historyMinutes = 60

// add counts events that were delivered.
func (h *History) add(n int, now time.Time) {
	minute := now.Unix() / 60
	h.mu.Lock()
	defer h.mu.Unlock()
	h.forget(minute)
	h.counts[minute%historyMinutes] += int64(n)
}

// forget clears the minutes since the last count.
func (h *History) forget(minute int64) {
	for m := max(h.last+1, minute-historyMinutes+1); m <= minute; m++ {
		h.counts[m%historyMinutes] = 0
	}
	h.last = max(h.last, minute)
}

// Minutes returns the counts of the last hour, the current minute last.
func (h *History) Minutes(now time.Time) []int64 {
	minute := now.Unix() / 60
	h.mu.Lock()
	defer h.mu.Unlock()
	h.forget(minute)
	all := make([]int64, historyMinutes)
	for i := range all {
		all[i] = h.counts[(minute+1+int64(i))%historyMinutes]
	}
	return all
}

// history returns the history of a destination.
func (s *State) history(destination string) *History {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, ok := s.histories[destination]
	if !ok {
		h = new(History)
		s.histories[destination] = h
	}
	return h
}
