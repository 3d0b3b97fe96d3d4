package delivery

import (
	"sync"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// sendEach sends events one by one: those of an entry in their order, those of
// several entries side by side.
func (d *delivery) sendEach(events []event.Event, l *Lease) []*Failure {
	failures := make([]*Failure, len(events))
	var (
		running sync.WaitGroup
		places  chan struct{}
		first   int
	)
	for entry := range event.Entries(events) {
		from, n := first, len(entry)
		first += n
		if n == len(events) {
			d.sendInOrder(events, 0, l, failures)
			break
		}
		if places == nil {
			places = make(chan struct{}, d.Options.Parallel)
		}
		places <- struct{}{}
		running.Go(func() {
			d.sendInOrder(entry, from, l, failures[from:])
			<-places
		})
	}
	running.Wait()
	return failures
}

// sendInOrder sends events one after another. They are those of the lease from
// the one at first; those that the lease has lost meanwhile are delivered
// elsewhere.
func (d *delivery) sendInOrder(events []event.Event, first int, l *Lease, failures []*Failure) {
	for i := range events {
		if !l.held(first + i) {
			continue
		}
		failures[i] = d.sendOne(events[i : i+1])
		d.note(l, first+i, events[i:i+1], failures[i])
	}
}
