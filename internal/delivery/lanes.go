package delivery

import (
	"sync"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// sendEach sends events one by one: those of one conversation in their order,
// whatever entries Meta put them into, and conversations side by side.
func (d *delivery) sendEach(events []event.Event, l *Lease) []*Failure {
	failures := make([]*Failure, len(events))
	lanes := lanesOf(events)
	if len(lanes) == 1 {
		d.sendInOrder(events, lanes[0], l, failures)
		return failures
	}
	var running sync.WaitGroup
	places := make(chan struct{}, d.Options.Parallel)
	for _, lane := range lanes {
		places <- struct{}{}
		running.Go(func() {
			d.sendInOrder(events, lane, l, failures)
			<-places
		})
	}
	running.Wait()
	return failures
}

// lanesOf returns the indexes of the events of each conversation.
func lanesOf(events []event.Event) [][]int {
	if len(events) == 1 {
		return [][]int{{0}}
	}
	var (
		lanes  [][]int
		places = make(map[store.Lane]int, len(events))
		room   = make([]int, len(events)) // of lanes that stay with one event
		text   []byte
	)
	for i := range events {
		text = events[i].AppendConversation(text[:0])
		lane := store.LaneOf(text)
		if at, ok := places[lane]; ok {
			lanes[at] = append(lanes[at], i)
			continue
		}
		places[lane] = len(lanes)
		room[i] = i
		lanes = append(lanes, room[i:i+1:i+1])
	}
	return lanes
}

// sendInOrder sends the events of a lane one after another. Those that the
// lease has lost meanwhile are delivered elsewhere.
func (d *delivery) sendInOrder(events []event.Event, lane []int, l *Lease, failures []*Failure) {
	for _, i := range lane {
		if !l.held(i) {
			continue
		}
		failures[i] = d.sendOne(events[i : i+1])
		d.note(l, i, events[i:i+1], failures[i])
	}
}
