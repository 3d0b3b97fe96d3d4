package delivery

import (
	"cmp"
	"slices"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// Running returns what delivers stored events in this process, by the names of
// the handlers.
func Running() []*Stored {
	var all []*Stored
	started.Range(func(_, value any) bool {
		if s := value.(*Stored); !s.ended.Load() {
			all = append(all, s)
		}
		return true
	})
	slices.SortFunc(all, func(a, b *Stored) int { return cmp.Compare(a.Name, b.Name) })
	return slices.CompactFunc(all, func(a, b *Stored) bool { return a.Name == b.Name }) // two during a reload
}

// isRunning reports whether anything delivers the stored events of a handler.
func isRunning(name string) bool {
	return slices.ContainsFunc(Running(), func(s *Stored) bool { return s.Name == name })
}

// Operate calls f with the queue.
func (s *Stored) Operate(f func(store.Operator) error) error {
	queue, err := s.Queue.Acquire()
	if err != nil {
		return err
	}
	defer func() {
		if err := s.Queue.Release(); err != nil {
			s.Observer.StoreFailed("close", err)
		}
	}()
	return f(queue)
}

// A Worker is how the delivery to a destination goes.
type Worker struct {
	Destination string
	Closure
	Delivered []int64 // events in each minute of the last hour
	Backlog   []int64 // events that waited at the end of each minute before this one, as far as is known
	Rate      float64 // events delivered in a second, lately
}

// A Closure is that a destination is down, and only probed.
type Closure struct {
	Closed bool
	Since  time.Time // it has been down
	Cause  string    // of the failure that has closed it
	Probe  time.Time // the next one
}

// Workers returns how the delivery to each destination goes.
func (s *Stored) Workers() []Worker {
	all := make([]Worker, len(s.workers))
	for i, w := range s.workers {
		all[i] = Worker{Destination: w.to.Name, Closure: w.gate.closure()}
		all[i].Delivered, all[i].Backlog, all[i].Rate = w.told.History()
	}
	return all
}
