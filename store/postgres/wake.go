package postgres

import (
	"slices"
	"sync"
	"time"
)

// wakes tells the calls to Take in this process that deliveries may be due.
// Those in other processes poll.
type wakes struct {
	mu sync.Mutex
	of map[destinationKey]*wake
}

type destinationKey struct{ queue, destination string }

// A wake is for the calls to Take of one destination.
type wake struct {
	turn chan struct{} // full while a call looks at the database

	mu     sync.Mutex
	signal chan struct{} // closed when deliveries may be due
	empty  chan struct{} // the signal for which nothing was found
	looked time.Time
}

// get returns the wake of a destination.
func (w *wakes) get(queue, destination string) *wake {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := destinationKey{queue, destination}
	if w.of[key] == nil {
		if w.of == nil {
			w.of = make(map[destinationKey]*wake)
		}
		w.of[key] = &wake{turn: make(chan struct{}, 1), signal: make(chan struct{})}
	}
	return w.of[key]
}

// wake has calls to Take look at the database.
func (w *wakes) wake(queue string, destinations ...string) {
	for _, d := range slices.Compact(destinations) {
		w := w.get(queue, d)
		w.mu.Lock()
		close(w.signal)
		w.signal = make(chan struct{})
		w.mu.Unlock()
	}
}

// ask returns the signal to wait for if nothing is found, and whether to look.
func (w *wake) ask(every time.Duration) (signal chan struct{}, look bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.signal, w.signal != w.empty || time.Since(w.looked) >= every
}

// foundNothing notes that nothing was due after a signal.
func (w *wake) foundNothing(signal chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.empty, w.looked = signal, time.Now()
}
