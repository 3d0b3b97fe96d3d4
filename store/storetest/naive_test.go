package storetest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A naive queue is the shortest that keeps the promises, and none that lasts.
// It has faults, if a test gives it some.
type naive struct {
	fault string

	mu      sync.Mutex
	changed chan struct{} // closed with each change
	offset  time.Duration
	names   map[string]*naiveName
	last    store.Number
}

type naiveName struct {
	*naive
	seen   map[store.Key]time.Time
	events []*naiveEvent
	all    []*naiveDelivery
	paused map[string]bool
}

type naiveEvent struct {
	store.Event
	whole    bool
	origin   []byte
	received time.Time
	all      []*naiveDelivery
}

type naiveDelivery struct {
	store.DeliveryStory
	event *naiveEvent
	lanes []store.Lane
	token store.Token
	until time.Time
	owner *naiveQueue
}

type naiveQueue struct {
	*naiveName
	closed chan struct{}
}

func newNaive(fault string) *naive {
	return &naive{fault: fault, changed: make(chan struct{}), names: make(map[string]*naiveName)}
}

func (n *naive) subject() QueueSubject {
	return QueueSubject{Open: n.open, Now: n.now, Advance: n.advance, Crash: func() {
		for _, name := range n.names {
			for _, d := range name.all {
				d.returned(nil)
			}
		}
	}}
}

func (n *naive) now() time.Time { return received.Add(24*time.Hour + n.offset) }

func (n *naive) advance(d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.offset += d
	n.change()
}

func (n *naive) change() {
	close(n.changed)
	n.changed = make(chan struct{})
}

func (n *naive) open(name string) (store.Queue, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.names[name] == nil {
		n.names[name] = &naiveName{naive: n, seen: make(map[store.Key]time.Time), paused: make(map[string]bool)}
	}
	return &naiveQueue{n.names[name], make(chan struct{})}, nil
}

func (n *naiveName) Accept(_ context.Context, of *store.Notification) (repeats []bool, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	defer n.change()
	whole := false
	for _, e := range of.Events {
		repeat := e.Window > 0 && n.now().Before(n.seen[e.Key])
		repeats = append(repeats, repeat && n.fault != "repeats are stored")
		if repeat && n.fault != "repeats are stored" {
			if n.fault == "repeats prolong the window" {
				n.seen[e.Key] = n.now().Add(e.Window)
			}
			continue
		}
		whole = true
		n.seen[e.Key] = n.now().Add(e.Window)
		n.add(of, e, false)
	}
	if whole && len(of.Whole.Targets) > 0 {
		n.add(of, of.Whole, true)
	}
	return repeats, nil
}

func (n *naiveName) add(of *store.Notification, e store.Event, whole bool) {
	e.Body = slices.Clone(e.Body)
	targets := e.Targets
	e.Targets = nil
	event := &naiveEvent{Event: e, whole: whole, origin: slices.Clone(of.Origin), received: of.Received}
	n.events = append(n.events, event)
	for _, t := range targets {
		event.Targets = append(event.Targets, store.Target{Destination: t.Destination, Lanes: slices.Clone(t.Lanes)})
		n.deliver(event, t.Destination, slices.Clone(t.Lanes), false)
	}
	if len(targets) == 0 {
		n.deliver(event, "", nil, false).State = store.Unmatched
	}
}

func (n *naiveName) deliver(e *naiveEvent, destination string, lanes []store.Lane, replay bool) *naiveDelivery {
	n.last++
	d := &naiveDelivery{event: e, lanes: lanes, DeliveryStory: store.DeliveryStory{
		Number: n.last, Destination: destination, State: store.Waiting, Since: n.now(), Replay: replay,
	}}
	n.all, e.all = append(n.all, d), append(e.all, d)
	return d
}

func (d *naiveDelivery) returned(owner *naiveQueue) {
	if d.State == store.UnderWay && (owner == nil || d.owner == owner) {
		d.State = store.Waiting
	}
}

// expire ends leases.
func (n *naiveName) expire() {
	for _, d := range n.all {
		if d.State == store.UnderWay && !n.now().Before(d.until) && n.fault != "leases do not end" {
			d.State = store.Waiting
		}
	}
}

func (q *naiveQueue) Take(ctx context.Context, destination string, want store.Want) ([]store.Delivery, error) {
	var collecting time.Time
	for {
		q.mu.Lock()
		q.expire()
		taken := q.due(destination, want)
		if len(taken) > 0 && collecting.IsZero() {
			collecting = q.now().Add(want.Collect)
		}
		if len(taken) > 0 && (len(taken) == want.Max || !q.now().Before(collecting)) {
			deliveries := q.takeAll(taken, want)
			q.mu.Unlock()
			return deliveries, nil
		}
		changed := q.changed
		q.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-q.closed:
			return nil, errors.New("closed")
		}
	}
}

func (q *naiveQueue) due(destination string, want store.Want) (taken []*naiveDelivery) {
	if q.paused[destination] && q.fault != "a pause pauses nothing" {
		return nil
	}
	var bytes int64
	for _, replay := range []bool{false, true} {
		for again := true; again; { // a later one may make room for an earlier replay's lane
			again = false
			for _, d := range q.all {
				if d.Destination != destination || d.State != store.Waiting || d.Replay != replay || slices.Contains(taken, d) ||
					q.now().Before(d.Due) && q.fault != "the time of an attempt is lost" || q.held(d, taken, want.Runs) {
					continue
				}
				if len(taken) == want.Max || len(taken) > 0 && bytes+int64(len(d.event.Body)) > want.Bytes {
					return taken
				}
				taken, bytes, again = append(taken, d), bytes+int64(len(d.event.Body)), want.Runs
			}
		}
	}
	return taken
}

func (q *naiveQueue) held(d *naiveDelivery, with []*naiveDelivery, runs bool) bool {
	if q.fault == "lanes hold nothing" {
		return false
	}
	for _, other := range q.all {
		if other == d {
			return false
		}
		shared := d.lanes
		if q.fault == "only the first lane holds" {
			shared = shared[:min(1, len(shared))]
		}
		if other.Destination == d.Destination && (other.State == store.Waiting || other.State == store.UnderWay) &&
			slices.ContainsFunc(other.lanes, func(l store.Lane) bool { return slices.Contains(shared, l) }) &&
			(!runs || !slices.Contains(with, other)) &&
			(q.fault != "an attempt that waits lets others pass" || !q.now().Before(other.Due)) {
			return true
		}
	}
	return false
}

func (q *naiveQueue) takeAll(taken []*naiveDelivery, want store.Want) (deliveries []store.Delivery) {
	for _, d := range taken {
		d.State, d.token, d.until, d.owner = store.UnderWay, d.token+1, q.now().Add(want.Lease), q
		e := d.event
		deliveries = append(deliveries, store.Delivery{
			Held: store.Held{Number: d.Number, Token: d.token}, Key: e.Key, Info: e.Info, Whole: e.whole,
			Body: slices.Clone(e.Body), Origin: slices.Clone(e.origin), Lanes: slices.Clone(d.lanes), Received: e.received, Since: d.Since,
			Attempt: len(d.Attempts) + 1, Replay: d.Replay,
		})
	}
	return deliveries
}

func (n *naiveName) find(h store.Held) (d *naiveDelivery, mine bool) {
	n.expire()
	for _, d := range n.all {
		if d.Number == h.Number {
			return d, d.State == store.UnderWay && (d.token == h.Token || n.fault == "tokens are ignored")
		}
	}
	return nil, false
}

func (n *naiveName) Renew(_ context.Context, _ string, lease time.Duration, held []store.Held) (lost []store.Number, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, h := range held {
		if d, mine := n.find(h); mine {
			d.until = n.now().Add(lease)
		} else {
			lost = append(lost, h.Number)
		}
	}
	return lost, nil
}

func (n *naiveName) Settle(_ context.Context, _ string, outcomes []store.Outcome) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	defer n.change()
	for _, o := range outcomes {
		d, mine := n.find(o.Held)
		late := d != nil && o.Result == store.Done && d.State != store.DeliveryDone && d.State != store.Discarded && n.fault != "a late success is lost"
		if !mine && !late {
			continue
		}
		d.State = map[store.Result]store.DeliveryState{
			store.Returned: store.Waiting, store.Again: store.Waiting, store.Done: store.DeliveryDone, store.Dead: store.DeliveryDead,
		}[o.Result]
		if o.Result == store.Returned {
			continue
		}
		d.Attempts = append(d.Attempts, o.Attempt)
		if d.Due, d.Settled = o.At, n.now(); o.Result == store.Again {
			d.Settled = time.Time{}
		}
	}
	return nil
}

func (n *naiveName) Stats(context.Context) (stats store.Stats, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.expire()
	of := make(map[string]*store.DestinationStats)
	get := func(destination string) *store.DestinationStats {
		if of[destination] == nil {
			of[destination] = &store.DestinationStats{Destination: destination, Dead: make(map[string]int64), Paused: n.paused[destination]}
		}
		return of[destination]
	}
	for _, d := range n.all {
		switch s := get(d.Destination); d.State {
		case store.Waiting:
			s.Waiting++
		case store.UnderWay:
			s.UnderWay++
		case store.DeliveryDead:
			s.Dead[d.Attempts[len(d.Attempts)-1].Cause]++
		case store.DeliveryDone, store.Discarded, store.Unmatched:
		}
		if s := get(d.Destination); s.Oldest.IsZero() && (d.State == store.Waiting || d.State == store.UnderWay) {
			s.Oldest = d.Since
		}
	}
	for destination := range n.paused {
		get(destination)
	}
	delete(of, "")
	for _, destination := range slices.Sorted(maps.Keys(of)) {
		stats.Destinations = append(stats.Destinations, *of[destination])
	}
	stats.Bytes = 1
	return stats, nil
}

func (n *naiveName) fits(f *store.Filter, d *naiveDelivery) bool {
	return (&modelDelivery{
		event: &modelEvent{Event: d.event.Event, received: d.event.received}, destination: d.Destination, state: d.State,
	}).fits(f)
}

// page returns the deliveries of a page, and the cursor of the next.
func (n *naiveName) page(f *store.Filter, cursor string, limit int, latest bool) (found []*naiveDelivery, next string, err error) {
	n.expire()
	at := 0
	if cursor != "" {
		if at, err = strconv.Atoi(cursor); err != nil {
			return nil, "", store.ErrCursor
		}
	}
	for ; at < len(n.all); at++ {
		d := n.all[at]
		if latest {
			d = n.all[len(n.all)-1-at]
		}
		if n.fits(f, d) {
			if len(found) == limit {
				return found, strconv.Itoa(at), nil
			}
			found = append(found, d)
		}
	}
	return found, "", nil
}

func (n *naiveName) List(_ context.Context, f store.Filter, cursor string, limit int) (all []store.Summary, next string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	found, next, err := n.page(&f, cursor, limit, true)
	for _, d := range found {
		s := store.Summary{
			Number: d.Number, Key: d.event.Key, Info: d.event.Info, Whole: d.event.whole, Destination: d.Destination, State: d.State,
			Received: d.event.received, Attempts: len(d.Attempts), Due: d.Due, Replay: d.Replay, Size: len(d.event.Body),
		}
		if len(d.Attempts) > 0 {
			s.Last = d.Attempts[len(d.Attempts)-1]
			s.Last.Answer = nil
		}
		all = append(all, s)
	}
	return all, next, err
}

func (n *naiveName) Story(_ context.Context, key store.Key) (stories []store.Story, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.expire()
	for _, e := range slices.Backward(n.events) {
		if e.Key == key {
			s := store.Story{Key: key, Info: e.Info, Whole: e.whole, Received: e.received, Origin: e.origin, Body: e.Body}
			for _, d := range e.all {
				s.Deliveries = append(s.Deliveries, d.DeliveryStory)
			}
			stories = append(stories, s)
		}
	}
	return stories, nil
}

func (n *naiveName) Replay(_ context.Context, to string, f store.Filter, cursor string, limit int, dry bool) (made int, next string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	defer n.change()
	n.expire()
	at, end := 0, len(n.all)
	if cursor != "" {
		if at, err = strconv.Atoi(cursor); err != nil {
			return 0, "", store.ErrCursor
		}
		end, at = at%1_000_000, at/1_000_000
	}
	for ; at < end; at++ {
		d := n.all[at]
		if !n.fits(&f, d) {
			continue
		}
		e := d.event
		if slices.ContainsFunc(e.all, func(other *naiveDelivery) bool {
			return other.Number < d.Number && n.fits(&f, other) ||
				other.Destination == to && (other.State == store.Waiting || other.State == store.UnderWay)
		}) {
			continue
		}
		if made == limit {
			return made, strconv.Itoa(at*1_000_000 + end), nil
		}
		if made++; dry {
			continue
		}
		var lanes []store.Lane
		switch i := slices.IndexFunc(e.Targets, func(t store.Target) bool { return t.Destination == to }); {
		case len(e.Targets) > 0:
			lanes = e.Targets[max(0, i)].Lanes
		case e.Info.Conversation != "":
			lanes = []store.Lane{store.LaneOf(e.Info.Conversation)}
		}
		n.deliver(e, to, lanes, n.fault != "replays are live")
	}
	return made, "", nil
}

func (n *naiveName) Discard(_ context.Context, f store.Filter, cursor string, limit int, dry bool) (made int, next string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	defer n.change()
	n.expire()
	at := 0
	if cursor != "" {
		if at, err = strconv.Atoi(cursor); err != nil {
			return 0, "", store.ErrCursor
		}
	}
	for ; at < len(n.all); at++ {
		d := n.all[at]
		if !n.fits(&f, d) || d.State != store.Waiting && d.State != store.DeliveryDead {
			continue
		}
		if made == limit {
			return made, strconv.Itoa(at), nil
		}
		if made++; !dry {
			d.State, d.Settled = store.Discarded, n.now()
		}
	}
	return made, "", nil
}

func (n *naiveName) Pause(_ context.Context, destination string, paused bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.paused[destination] = paused
	n.change()
	return nil
}

func (q *naiveQueue) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, d := range q.all {
		d.returned(q)
	}
	close(q.closed)
	q.change()
	return nil
}

// Interface guard
var _ store.Queue = (*naiveQueue)(nil)
