package delivery

import (
	"cmp"
	"slices"

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
	Closed      bool    // it is down, and only probed
	Delivered   []int64 // events in each minute of the last hour
}

// Workers returns how the delivery to each destination goes.
func (s *Stored) Workers() []Worker {
	all := make([]Worker, len(s.workers))
	for i, w := range s.workers {
		all[i] = Worker{Destination: w.to.Name, Closed: w.gate.isClosed(), Delivered: w.told.Delivered()}
	}
	return all
}
