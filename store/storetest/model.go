package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A model is what a queue has to hold. It follows the queue in what is left
// open, such as the numbers and how many deliveries Take takes, and objects to
// everything else.
//
// Time is in units, and in whole units that pass between the calls. Leases,
// windows and attempts end half a unit later, so that the little time that the
// calls take decides nothing.
type model struct {
	now        float64
	reach      int  // see QueueConfig
	forgets    bool // likewise
	events     []*modelEvent
	deliveries []*modelDelivery // in the order in which they were accepted
	seen       map[store.Key]float64
	paused     map[string]bool
	accepts    int
}

type modelEvent struct {
	store.Event
	Whole      bool
	received   time.Time
	origin     []byte
	deliveries []*modelDelivery
}

type modelDelivery struct {
	event       *modelEvent
	accept      int // the call that stored it
	number      store.Number
	destination string
	lanes       []store.Lane
	state       store.DeliveryState
	since       time.Time
	due         float64
	dueAt       time.Time // zero before the first attempt
	attempts    []store.Attempt
	settled     time.Time
	replay      bool
	token       store.Token
	until       float64 // of the lease
}

func newModel() *model {
	return &model{seen: make(map[store.Key]float64), paused: make(map[string]bool)}
}

// String names a delivery in errors.
func (d *modelDelivery) String() string {
	return fmt.Sprintf("%q (number %d, %s to %s, lanes %d, replay: %t)", short(d.event.Body), d.number, d.state, d.destination, d.lanes, d.replay)
}

// isSettled reports whether nothing becomes of a delivery any more, unless it
// is replayed.
func (d *modelDelivery) isSettled() bool {
	return d.state == store.DeliveryDone || d.state == store.Discarded || d.state == store.Unmatched
}

// short returns the end of a body, where bodies differ.
func short(body []byte) []byte { return body[max(0, len(body)-10):] }

// pass lets time pass.
func (m *model) pass(units float64) {
	m.now += units
	for _, d := range m.deliveries {
		if d.state == store.UnderWay && d.until < m.now {
			d.state = store.Waiting
		}
	}
}

// died ends the process: nothing is under way any more.
func (m *model) died() {
	for _, d := range m.deliveries {
		if d.state == store.UnderWay {
			d.state, d.until = store.Waiting, 0
		}
	}
}

// accept stores a notification, whose events' windows are given in units.
func (m *model) accept(n *store.Notification, windows []float64, now time.Time, got []bool) error {
	m.accepts++
	want := make([]bool, len(n.Events))
	whole := false
	for i := range n.Events {
		e := &n.Events[i]
		if until, ok := m.seen[e.Key]; ok && m.now < until && windows[i] > 0 {
			want[i] = true
			continue
		}
		whole = true
		if windows[i] > 0 {
			m.seen[e.Key] = m.now + windows[i]
		}
		m.store(*e, false, n, now)
	}
	if whole && len(n.Whole.Targets) > 0 {
		m.store(n.Whole, true, n, now)
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("got repeats %v, want %v", got, want)
	}
	return nil
}

func (m *model) store(e store.Event, whole bool, n *store.Notification, now time.Time) {
	event := &modelEvent{Event: e, Whole: whole, received: n.Received, origin: n.Origin}
	m.events = append(m.events, event)
	for _, target := range e.Targets {
		m.deliver(&modelDelivery{event: event, destination: target.Destination, lanes: target.Lanes, since: now})
	}
	if len(e.Targets) == 0 {
		m.deliveries = append(m.deliveries, &modelDelivery{event: event, accept: m.accepts, state: store.Unmatched})
	}
}

func (m *model) deliver(d *modelDelivery) {
	d.accept, d.state = m.accepts, store.Waiting
	d.event.deliveries = append(d.event.deliveries, d)
	m.deliveries = append(m.deliveries, d)
}

// learn gives a delivery the number that the queue has for it.
func (m *model) learn(d *modelDelivery, number store.Number) error {
	if d.number == number {
		return nil
	}
	if d.number != 0 || number == 0 {
		return fmt.Errorf("got number %d for %v", number, d)
	}
	d.number = number
	later := false
	for _, other := range m.deliveries {
		switch {
		case other == d:
			later = true
		case other.number == 0:
		case other.number == number:
			return fmt.Errorf("got one number for %v and %v", d, other)
		case other.accept != d.accept || other.destination == d.destination && d.state != store.Unmatched:
			if (other.number > number) != later {
				return fmt.Errorf("got number %d for %v, which contradicts the order, see %v", number, d, other)
			}
		}
	}
	return nil
}

// held reports whether a delivery that can be taken stands behind another one
// in a lane, other than those that are being taken with it.
func (m *model) held(d *modelDelivery, with []*modelDelivery) *modelDelivery {
	for _, other := range m.deliveries {
		if other == d {
			return nil
		}
		if other.destination == d.destination && (other.state == store.Waiting || other.state == store.UnderWay) &&
			slices.ContainsFunc(other.lanes, func(l store.Lane) bool { return slices.Contains(d.lanes, l) }) &&
			!slices.Contains(with, other) {
			return other
		}
	}
	return nil
}

// ready returns the deliveries that can be taken, and have to be if there is
// room.
func (m *model) ready(destination string) (ready []*modelDelivery) {
	if m.paused[destination] {
		return nil
	}
	open := 0
	for _, d := range m.deliveries {
		if d.destination != destination || d.state != store.Waiting && d.state != store.UnderWay {
			continue
		}
		if open++; m.reach > 0 && open > m.reach {
			break
		}
		if d.state == store.Waiting && d.due <= m.now && m.held(d, nil) == nil {
			ready = append(ready, d)
		}
	}
	return ready
}

// take takes what the queue took, if it may.
func (m *model) take(destination string, want store.Want, lease float64, got []store.Delivery, same func(time.Time, time.Time) bool) error {
	ready := m.ready(destination)
	if len(got) == 0 {
		if len(ready) > 0 {
			return fmt.Errorf("got nothing, want %v", ready[0])
		}
		return nil
	}
	if len(got) > want.Max {
		return fmt.Errorf("got %d deliveries, want up to %d", len(got), want.Max)
	}
	var taken []*modelDelivery
	var bytes int64
	for i := range got {
		g := &got[i]
		d := m.find(g, destination, taken, same)
		if d == nil {
			return fmt.Errorf("got %q, number %d of %s, which is not waiting", short(g.Body), g.Number, destination)
		}
		if slices.Contains(taken, d) {
			return fmt.Errorf("got %v twice", d)
		}
		if err := m.learn(d, g.Number); err != nil {
			return err
		}
		switch {
		case d.state != store.Waiting:
			return fmt.Errorf("got %v", d)
		case d.due > m.now:
			return fmt.Errorf("got %v before its next attempt", d)
		case m.paused[destination]:
			return fmt.Errorf("got %v, though its destination is paused", d)
		}
		with := taken
		if !want.Runs {
			with = nil
		}
		if before := m.held(d, with); before != nil {
			return fmt.Errorf("got %v before %v", d, before)
		}
		if err := d.same(g, same); err != nil {
			return fmt.Errorf("%v: %w", d, err)
		}
		taken = append(taken, d)
		bytes += int64(len(g.Body))
	}
	if bytes > want.Bytes && len(taken) > 1 {
		return fmt.Errorf("got %d bytes, want up to %d", bytes, want.Bytes)
	}
	for _, left := range ready {
		for _, d := range taken {
			if !slices.Contains(taken, left) && left.before(d) && (m.reach == 0 || left.replay == d.replay) && bytes+int64(len(left.event.Body)) <= want.Bytes {
				return fmt.Errorf("got %v, and left %v", d, left)
			}
		}
	}
	for i, d := range taken {
		if d.token == got[i].Token {
			return fmt.Errorf("got token %d for %v again", d.token, d)
		}
		d.state, d.token, d.until = store.UnderWay, got[i].Token, m.now+lease
	}
	return nil
}

// find returns the delivery that was taken: the one with the number, or else
// one without a number that looks like it.
func (m *model) find(g *store.Delivery, destination string, with []*modelDelivery, same func(time.Time, time.Time) bool) (found *modelDelivery) {
	for _, d := range m.deliveries {
		switch {
		case d.number == g.Number && d.number != 0:
			return d
		case d.number != 0 || d.destination != destination || d.event.Key != g.Key || d.state != store.Waiting || slices.Contains(with, d):
		case found == nil, found.same(g, same) != nil && d.same(g, same) == nil:
			found = d
		}
	}
	return found
}

// before reports whether a delivery goes before another one in any case: it is
// older, and has not become due later.
func (d *modelDelivery) before(other *modelDelivery) bool {
	if d.replay != other.replay {
		return !d.replay
	}
	return (d.accept < other.accept || d.accept == other.accept && d.number != 0 && d.number < other.number) && d.due <= other.due
}

// same returns an error if a delivery is not what was stored.
func (d *modelDelivery) same(g *store.Delivery, same func(time.Time, time.Time) bool) error {
	e := d.event
	switch {
	case g.Key != e.Key || g.Info != e.Info || g.Whole != e.Whole || g.Replay != d.replay:
		return fmt.Errorf("got event %v %+v (whole: %t, replay: %t), want %v %+v", g.Key, g.Info, g.Whole, g.Replay, e.Key, e.Info)
	case string(g.Body) != string(e.Body) || string(g.Origin) != string(e.origin):
		return fmt.Errorf("got %d bytes %q of %q, want %d bytes %q of %q", len(g.Body), short(g.Body), g.Origin, len(e.Body), short(e.Body), e.origin)
	case !slices.Equal(g.Lanes, d.lanes):
		return fmt.Errorf("got lanes %d, want %d", g.Lanes, d.lanes)
	case !g.Received.Equal(e.received) || !same(g.Since, d.since):
		return fmt.Errorf("got received %v, since %v, want %v, %v", g.Received, g.Since, e.received, d.since)
	case g.Attempt != len(d.attempts)+1:
		return fmt.Errorf("got attempt %d, want %d", g.Attempt, len(d.attempts)+1)
	}
	return nil
}

// mine reports whether a delivery is its holder's.
func (m *model) mine(d *modelDelivery, token store.Token) bool {
	return d.state == store.UnderWay && d.token == token
}

// settle records an outcome, whose attempt may be repeated after so long.
func (m *model) settle(d *modelDelivery, o store.Outcome, after float64, now time.Time) {
	mine := m.mine(d, o.Token)
	switch {
	case o.Result == store.Done && d.state != store.DeliveryDone && d.state != store.Discarded:
		d.state = store.DeliveryDone
	case !mine:
		return
	case o.Result == store.Returned:
		d.state = store.Waiting
		return
	case o.Result == store.Again:
		d.state, d.due, d.dueAt = store.Waiting, m.now+after, o.At
	case o.Result == store.Dead:
		d.state = store.DeliveryDead
	}
	d.attempts = append(d.attempts, o.Attempt)
	if d.state != store.Waiting {
		d.settled = now
	}
}
