package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// fits reports whether a filter finds a delivery.
func (d *modelDelivery) fits(f *store.Filter) bool {
	e := d.event
	return (f.Destination == "" || f.Destination == d.destination) &&
		(len(f.States) == 0 || slices.Contains(f.States, d.state)) &&
		(len(f.Keys) == 0 || slices.Contains(f.Keys, e.Key)) &&
		(f.Object == "" || f.Object == e.Info.Object) &&
		(f.Kind == "" || f.Kind == e.Info.Kind) &&
		(f.Conversation == "" || f.Conversation == e.Info.Conversation) &&
		(f.Text == "" || strings.Contains(e.Key.String(), f.Text) || strings.Contains(e.Info.Subject, f.Text)) &&
		(f.From.IsZero() || !e.received.Before(f.From)) &&
		(f.To.IsZero() || e.received.Before(f.To))
}

// fitting returns the deliveries that a filter finds.
func (m *model) fitting(f *store.Filter) (fitting []*modelDelivery) {
	for _, d := range m.deliveries {
		if d.fits(f) {
			fitting = append(fitting, d)
		}
	}
	return fitting
}

// listed returns an error if a list is not of what a filter finds.
func (m *model) listed(f *store.Filter, got []store.Summary) error {
	want := m.fitting(f)
	slices.Reverse(want)
	all := slices.Clone(want)
	last := store.Number(1<<64 - 1)
	for i := range got {
		s := &got[i]
		if s.Number >= last {
			return fmt.Errorf("got number %d after %d", s.Number, last)
		}
		last = s.Number
		at := slices.IndexFunc(want, func(d *modelDelivery) bool { return d.number == s.Number })
		looksLike := func(d *modelDelivery) bool {
			return d.number == 0 && d.event.Key == s.Key && d.destination == s.Destination && d.replay == s.Replay && d.event.Whole == s.Whole
		}
		if at < 0 {
			at = slices.IndexFunc(want, func(d *modelDelivery) bool { return d.state == s.State && looksLike(d) })
		}
		if at < 0 {
			at = slices.IndexFunc(want, looksLike)
		}
		if at < 0 {
			return fmt.Errorf("got %+v, want none such", *s)
		}
		d := want[at]
		want = slices.Delete(want, at, at+1)
		if m.forgets && d.isSettled() {
			continue // another one with its key may be gone
		}
		if err := m.learn(d, s.Number); err != nil {
			return err
		}
		if err := m.summed(d, s); err != nil {
			return fmt.Errorf("%v: %w", d, err)
		}
	}
	for _, d := range want {
		if !m.forgets || !d.isSettled() {
			return fmt.Errorf("got %d deliveries %v, want %d: %v", len(got), subjects(got), len(all), all)
		}
	}
	return nil
}

// summed returns an error if a summary is not a delivery's.
func (m *model) summed(d *modelDelivery, s *store.Summary) error {
	e := d.event
	var last store.Attempt
	if n := len(d.attempts); n > 0 {
		last = d.attempts[n-1]
		last.Answer = nil
	}
	switch {
	case s.State != d.state:
		return fmt.Errorf("got state %v", s.State)
	case s.Key != e.Key || s.Info != e.Info || s.Whole != e.Whole || s.Destination != d.destination || s.Replay != d.replay:
		return fmt.Errorf("got %+v", *s)
	case !s.Received.Equal(e.received) || s.Size != len(e.Body):
		return fmt.Errorf("got received %v and size %d, want %v and %d", s.Received, s.Size, e.received, len(e.Body))
	case s.Attempts != len(d.attempts) || !sameAttempt(s.Last, last):
		return fmt.Errorf("got %d attempts, the last %+v, want %d, %+v", s.Attempts, s.Last, len(d.attempts), last)
	}
	return m.dueIs(d, s.Due)
}

// dueIs returns an error unless this is when the next attempt may be made.
func (m *model) dueIs(d *modelDelivery, due time.Time) error {
	if d.state == store.Waiting && d.due > m.now && due.Sub(d.dueAt).Abs() > time.Second {
		return fmt.Errorf("got due %v, want %v", due, d.dueAt)
	}
	return nil
}

// told returns an error if stories are not the events'.
func (m *model) told(q *queueCheck, key store.Key, got []store.Story) error {
	var want []*modelEvent
	for _, e := range m.events {
		if e.Key == key {
			want = append([]*modelEvent{e}, want...)
		}
	}
	if m.forgets {
		return m.toldWhatIsLeft(q, want, got)
	}
	if len(got) != len(want) {
		return fmt.Errorf("got %d stories, want %d", len(got), len(want))
	}
	for i, e := range want {
		g := &got[i]
		if g.Key != e.Key || g.Info != e.Info || g.Whole != e.Whole || !g.Received.Equal(e.received) ||
			string(g.Origin) != string(e.origin) || string(g.Body) != string(e.Body) {
			return fmt.Errorf("got %+v, want %+v", g, e.Event)
		}
		stories := slices.DeleteFunc(slices.Clone(g.Deliveries), func(d store.DeliveryStory) bool { return d.State == store.Unmatched })
		if len(stories) != len(e.deliveries) {
			return fmt.Errorf("%q: got %d deliveries, want %v", e.Body, len(stories), e.deliveries)
		}
		for _, s := range stories {
			if err := m.toldOf(q, e, s); err != nil {
				return err
			}
		}
	}
	return nil
}

// toldWhatIsLeft returns an error if stories are not the events', or not of all
// that are not settled.
func (m *model) toldWhatIsLeft(q *queueCheck, want []*modelEvent, got []store.Story) error {
	told := make(map[store.Number]bool)
	for i := range got {
		err := fmt.Errorf("got a story of %q, want none such", short(got[i].Body))
		for _, e := range want {
			if string(e.Body) != string(got[i].Body) {
				continue
			}
			if err = m.toldAllOf(q, e, got[i].Deliveries, told); err == nil {
				break // or it is another one's with the same content
			}
		}
		if err != nil {
			return err
		}
	}
	for _, e := range want {
		for _, d := range e.deliveries {
			if !d.isSettled() && !told[d.number] {
				return fmt.Errorf("%v: got no story", d)
			}
		}
	}
	return nil
}

func (m *model) toldAllOf(q *queueCheck, e *modelEvent, stories []store.DeliveryStory, told map[store.Number]bool) error {
	for _, s := range stories {
		if s.State == store.Unmatched {
			continue
		}
		told[s.Number] = true
		if err := m.toldOf(q, e, s); err != nil {
			return err
		}
	}
	return nil
}

func (m *model) toldOf(q *queueCheck, e *modelEvent, s store.DeliveryStory) error {
	at := slices.IndexFunc(e.deliveries, func(d *modelDelivery) bool { return d.number == s.Number })
	if at < 0 {
		at = slices.IndexFunc(e.deliveries, func(d *modelDelivery) bool {
			return d.number == 0 && d.destination == s.Destination && d.replay == s.Replay
		})
	}
	if at < 0 {
		return fmt.Errorf("%q: got %+v, want none such", e.Body, s)
	}
	d := e.deliveries[at]
	want := store.DeliveryStory{
		Destination: d.destination, State: d.state, Since: d.since, Settled: d.settled, Replay: d.replay, Attempts: d.attempts,
	}
	if err := errors.Join(m.learn(d, s.Number), q.sameStory(s, want), m.dueIs(d, s.Due)); err != nil {
		return fmt.Errorf("%v: %w", d, err)
	}
	return nil
}

// replayed returns the replays that are to be made, in their order.
func (m *model) replayed(destination string, f *store.Filter) (replays []*modelDelivery) {
	var found []*modelEvent
	for _, d := range m.fitting(f) {
		e := d.event
		if slices.Contains(found, e) || slices.ContainsFunc(e.deliveries, func(d *modelDelivery) bool {
			return d.destination == destination && (d.state == store.Waiting || d.state == store.UnderWay)
		}) {
			continue
		}
		found = append(found, e)
		replay := &modelDelivery{event: e, destination: destination, replay: true}
		at := slices.IndexFunc(e.Targets, func(t store.Target) bool { return t.Destination == destination })
		switch {
		case len(e.Targets) > 0:
			replay.lanes = e.Targets[max(0, at)].Lanes
		case e.Info.Conversation != "":
			replay.lanes = []store.Lane{store.LaneOf(e.Info.Conversation)}
		}
		replays = append(replays, replay)
	}
	return replays
}

// discarded discards what a filter finds, and returns how many that were.
func (m *model) discarded(f *store.Filter, now time.Time, dry bool) (n int) {
	for _, d := range m.fitting(f) {
		if d.state == store.Waiting || d.state == store.DeliveryDead {
			n++
			if !dry {
				d.state, d.settled = store.Discarded, now
			}
		}
	}
	return n
}

// figures returns an error if the figures are not the queue's.
func (m *model) figures(got store.Stats, same func(time.Time, time.Time) bool) error {
	want := make(map[string]*store.DestinationStats)
	of := func(destination string) *store.DestinationStats {
		if want[destination] == nil {
			want[destination] = &store.DestinationStats{Destination: destination, Dead: make(map[string]int64)}
		}
		return want[destination]
	}
	for _, d := range m.deliveries {
		switch d.state {
		case store.Waiting:
			of(d.destination).Waiting++
		case store.UnderWay:
			of(d.destination).UnderWay++
		case store.DeliveryDead:
			of(d.destination).Dead[d.attempts[len(d.attempts)-1].Cause]++
		case store.DeliveryDone, store.Discarded, store.Unmatched:
		}
		if w := want[d.destination]; (d.state == store.Waiting || d.state == store.UnderWay) && (w.Oldest.IsZero() || d.since.Before(w.Oldest)) {
			w.Oldest = d.since
		}
	}
	for destination, paused := range m.paused {
		if paused {
			of(destination).Paused = true
		}
	}
	for i := range got.Destinations {
		g := &got.Destinations[i]
		w := of(g.Destination)
		delete(want, g.Destination)
		if g.Waiting != w.Waiting || g.UnderWay != w.UnderWay || !maps.Equal(g.Dead, w.Dead) || g.Paused != w.Paused || !same(g.Oldest, w.Oldest) {
			return fmt.Errorf("got %+v, want %+v", *g, *w)
		}
	}
	for _, w := range want {
		return fmt.Errorf("got nothing of %s, want %+v", w.Destination, *w)
	}
	if !slices.IsSortedFunc(got.Destinations, func(a, b store.DestinationStats) int { return cmp.Compare(a.Destination, b.Destination) }) {
		return errors.New("got destinations in another order than that of their names")
	}
	return nil
}
