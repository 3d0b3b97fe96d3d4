package queue

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/schedule"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// Story implements store.Operator.
func (q *Queue) Story(_ context.Context, key store.Key) ([]store.Story, error) {
	all, err := q.histories(key)
	if err != nil {
		return nil, err
	}
	stories := make([]store.Story, 0, len(all))
	for _, h := range slices.Backward(all) {
		stories = append(stories, h.story())
	}
	return stories, nil
}

// List implements store.Operator.
func (q *Queue) List(ctx context.Context, f store.Filter, cursor string, limit int) (found []store.Summary, next string, err error) {
	from, err := parseCursor(cursor, ^store.Number(0))
	if err != nil || limit <= 0 {
		return nil, "", err
	}
	l := listing{q: q, f: &f, w: q.newWalk(onlyLive(f.States)), known: make(map[store.Key][]*history)}
	visit := func(c *candidate) bool {
		if !c.fits(&f) {
			return ctx.Err() == nil
		}
		var s store.Summary
		var fits bool
		if s, fits, err = l.summary(c); fits {
			found = append(found, s)
		}
		return err == nil && ctx.Err() == nil && len(found) < limit
	}
	var end bool
	var at store.Number
	if len(f.Keys) > 0 {
		at, end, err = q.eachOf(f.Keys, from, visit)
	} else {
		at, end, err = l.w.down(from, visit)
	}
	switch {
	case err != nil:
		return nil, "", err
	case ctx.Err() != nil:
		return nil, "", ctx.Err()
	case end:
		return found, "", nil
	}
	return found, strconv.FormatUint(uint64(at), 10), nil
}

// onlyLive reports whether a filter finds nothing that is settled.
func onlyLive(states []store.DeliveryState) bool {
	return len(states) > 0 && !slices.ContainsFunc(states, func(s store.DeliveryState) bool {
		return s == store.DeliveryDone || s == store.Discarded || s == store.Unmatched
	})
}

// parseCursor returns the number of a cursor, or the one to start from.
func parseCursor(cursor string, start store.Number) (store.Number, error) {
	if cursor == "" {
		return start, nil
	}
	n, err := strconv.ParseUint(cursor, 10, 64)
	if err != nil {
		return 0, store.ErrCursor
	}
	return store.Number(n), nil
}

// eachOf visits the deliveries of the events with some keys below a place, the
// latest first.
func (q *Queue) eachOf(keys []store.Key, from store.Number, visit func(c *candidate) (more bool)) (next store.Number, end bool, err error) {
	var found []candidate
	done := make(map[store.Key]bool)
	for _, key := range keys {
		if done[key] {
			continue
		}
		done[key] = true
		all, err := q.histories(key)
		if err != nil {
			return from, false, err
		}
		for _, h := range all {
			found = append(found, h.candidates()...)
		}
	}
	slices.SortFunc(found, func(a, b candidate) int { return compare(b.number, a.number) })
	for i := range found {
		if c := &found[i]; c.number < from {
			if from = c.number; !visit(c) {
				return from, false, nil
			}
		}
	}
	return from, true, nil
}

// candidates returns the deliveries of the event, or the event itself.
func (h *history) candidates() (found []candidate) {
	for _, d := range h.deliveries {
		found = append(found, candidate{
			number: d.Number, position: d.position, origin: &h.origin, event: &h.event, destination: []byte(d.Destination),
			lanes: d.Lanes, since: d.Since, replay: d.Replay,
		})
	}
	if h.event.Unmatched() {
		found = append(found, candidate{number: h.id, origin: &h.origin, event: &h.event, unmatched: true})
	}
	return found
}

// A listing finds out what has become of deliveries.
type listing struct {
	q     *Queue
	f     *store.Filter
	w     *walk
	known map[store.Key][]*history // of the events that were looked at
}

// history returns the history of an event, nil if it is not known.
func (l *listing) history(c *candidate) (*history, error) {
	all, ok := l.known[c.event.Key]
	if !ok {
		var err error
		if all, err = l.q.histories(c.event.Key); err != nil {
			return nil, err
		}
		l.known[c.event.Key] = all
	}
	for _, h := range all {
		if h.id == c.event.ID {
			return h, nil
		}
	}
	return nil, nil
}

// open returns what is known in memory of a delivery, if it is not settled.
func (l *listing) open(c *candidate) (o open, ok bool) {
	return l.w.open(c)
}

// state returns the state of a delivery, and its history where that is needed
// to tell.
func (l *listing) state(c *candidate) (state store.DeliveryState, d *past, err error) {
	if c.unmatched {
		return store.Unmatched, nil, nil
	}
	o, isOpen := l.open(c)
	switch {
	case isOpen && o.view.Attempts == 0:
		return o.view.State, nil, nil
	case !isOpen && onlyLive(l.f.States):
		return store.DeliveryDone, nil, nil // or discarded, which is not wanted either
	}
	h, err := l.history(c)
	if err != nil {
		return 0, nil, err
	}
	if h != nil {
		d = h.delivery(c.number)
	}
	switch {
	case isOpen:
		return o.view.State, d, nil
	case d == nil && l.gone(c):
		return 0, nil, nil
	case d == nil:
		return store.DeliveryDone, nil, nil // its outcome cannot be read
	}
	return d.State, d, nil
}

// gone reports whether the record of a delivery was removed since it was read.
func (l *listing) gone(c *candidate) bool {
	_, err := l.q.log.Read(c.position, nil)
	return errors.Is(err, wal.ErrNotFound)
}

// summary returns what a list shows of a delivery, if its state fits.
func (l *listing) summary(c *candidate) (s store.Summary, fits bool, err error) {
	state, d, err := l.state(c)
	if err != nil || state == 0 || len(l.f.States) > 0 && !slices.Contains(l.f.States, state) {
		return s, false, err
	}
	s = store.Summary{
		Number: c.number, Key: c.event.Key, Info: c.event.Text(), Whole: c.event.Whole, Destination: string(c.destination), State: state,
		Received: c.origin.Received, Replay: c.replay, Size: len(c.event.Body),
	}
	if d != nil {
		s.Attempts = d.Attempts
		if n := len(d.DeliveryStory.Attempts); n > 0 {
			s.Last = d.DeliveryStory.Attempts[n-1]
			s.Last.Answer = nil
		}
		if state == store.Waiting {
			s.Due = d.Due
		}
	}
	if state == store.DeliveryDead && s.Last.Cause == "" { // the record of its attempts is damaged
		if o, ok := l.open(c); ok {
			s.Attempts, s.Last.Cause = o.view.Attempts, o.view.Cause
		}
	}
	return s, true, nil
}

// An open delivery is one that is not settled.
type open struct {
	d    *destination
	view schedule.View
}

// lookChunks is how many chunks of a schedule are looked at before others may
// go on.
const lookChunks = 16

// open returns what is known in memory of a delivery, if it is not settled.
func (w *walk) open(c *candidate) (o open, ok bool) {
	for {
		segment := c.position.Segment()
		known := w.status[segment]
		if known == nil {
			known = w.q.openIn(segment)
			w.status[segment] = known
		}
		if o, ok = known.open[c.number]; ok {
			return o, true
		}
		w.q.mu.Lock()
		d := w.q.destinations[string(c.destination)]
		if d != nil && d.isBeyond(c.number) {
			o = open{d: d, view: schedule.View{State: store.Waiting}}
			o.view.Attempts = d.beyond.tried[c.number].attempts
			w.q.mu.Unlock()
			return o, true
		}
		current := known.reads == w.q.reads
		at, moved := findMoved(w.q.moved, c.number)
		if moved = moved && w.q.moved[at].position != c.position; moved {
			c.position = w.q.moved[at].position
		}
		w.q.mu.Unlock()
		if current && !moved {
			return o, false
		}
		if !current { // it may have got an entry since
			delete(w.status, segment)
		}
	}
}

// A status is what is known of the deliveries in a segment.
type status struct {
	open  map[store.Number]open
	reads int // see Queue
}

// openIn returns the deliveries in a segment that are not settled, and not
// beyond a schedule.
func (q *Queue) openIn(segment uint32) *status {
	from, to := uint64(segment)<<32, uint64(segment+1)<<32
	q.mu.Lock()
	defer q.mu.Unlock()
	known := &status{make(map[store.Number]open), q.reads}
	for _, d := range q.named() {
		d.schedule.Pass(q.now())
		for n := 0; n < d.schedule.Chunks(); n++ {
			d.schedule.Look(n, from, to, func(v schedule.View) { known.open[v.Number] = open{d, v} })
			if n%lookChunks == lookChunks-1 {
				q.mu.Unlock()
				q.mu.Lock()
			}
		}
	}
	return known
}

// named returns the destinations in the order of their names. The lock mu is
// held.
func (q *Queue) named() []*destination {
	list := make([]*destination, 0, len(q.destinations))
	for _, d := range q.destinations {
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b *destination) int { return strings.Compare(a.name, b.name) })
	return list
}

// Stats implements store.Operator.
func (q *Queue) Stats(context.Context) (store.Stats, error) {
	log := q.log.Stats()
	q.mu.Lock()
	stats := store.Stats{Bytes: log.Size, Capacity: q.o.Capacity, Free: q.o.Free(), Damaged: int64(len(log.Damage)) + q.damaged}
	named := q.named()
	oldest := make([]func() time.Time, 0, len(named))
	for _, d := range named {
		d.schedule.Pass(q.now())
		s := store.DestinationStats{
			Destination: d.name, Waiting: int64(d.schedule.Waiting()), UnderWay: int64(d.schedule.UnderWay()), Dead: d.schedule.Dead(), Paused: d.paused,
		}
		since := func() time.Time { return time.Time{} }
		if v, ok := d.schedule.Oldest(); ok {
			since = func() time.Time { return q.sinceOldest(d, v) }
		}
		if b := d.beyond; b != nil {
			if s.Waiting += int64(b.count); d.schedule.Open() == 0 && b.count > 0 {
				from := b.from
				since = func() time.Time { return q.sinceBeyond(d, from) }
			}
		}
		stats.Destinations, oldest = append(stats.Destinations, s), append(oldest, since)
	}
	q.mu.Unlock()
	for i, since := range oldest {
		stats.Destinations[i].Oldest = since()
	}
	return stats, nil
}

// sinceOldest returns since when the oldest delivery in a schedule has been
// waiting. It may leave meanwhile, or move.
func (q *Queue) sinceOldest(d *destination, v schedule.View) (since time.Time) {
	for ok := true; ok; {
		if since = q.since(wal.Position(v.Position), v.Number); !since.IsZero() {
			break
		}
		before := v
		q.mu.Lock()
		v, ok = d.schedule.Oldest()
		q.mu.Unlock()
		ok = ok && (v.Number != before.Number || v.Position != before.Position)
	}
	return since
}

// since returns since when a delivery has been waiting, zero if it is gone.
func (q *Queue) since(p wal.Position, number store.Number) (since time.Time) {
	r, err := q.log.Read(p, nil)
	if err == nil {
		_ = eachDelivery(r, number, func(c *candidate) bool {
			if c.number == number {
				since = c.since
			}
			return c.number < number
		})
	}
	return since
}

// sinceBeyond returns since when the first delivery beyond a schedule has been
// waiting.
func (q *Queue) sinceBeyond(d *destination, from wal.Position) (since time.Time) {
	var number store.Number
	_ = q.log.Scan(from, func(_ wal.Position, r []byte) error {
		_ = eachDelivery(r, 0, func(c *candidate) bool {
			if string(c.destination) == d.name {
				q.mu.Lock()
				defer q.mu.Unlock()
				if d.isBeyond(c.number) {
					since, number = c.since, c.number
				}
			}
			return since.IsZero()
		})
		if since.IsZero() {
			return nil
		}
		return errEnough
	})
	q.mu.Lock()
	v, ok := d.schedule.Oldest() // it may have got an entry meanwhile
	q.mu.Unlock()
	if ok && (v.Number < number || since.IsZero()) {
		return q.sinceOldest(d, v)
	}
	return since
}
