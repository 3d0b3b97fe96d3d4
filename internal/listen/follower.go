package listen

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/delivery"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

const (
	// settleTime is how long a delivery may take to appear in the store after
	// one with a higher number: what several instances accept at the same time
	// is not stored in the order of its numbers, but for that of a conversation.
	settleTime = 15 * time.Second

	// longAgo is how old a delivery is that nothing before it can be missing
	// from the store, whatever the clocks.
	longAgo = 2 * time.Minute

	// The numbers of deliveries that are looked at in a page: few at the end of
	// the queue, where mostly nothing is new.
	fewInPage, manyInPage = 16, 500
)

// errEnded means that the handler no longer delivers.
var errEnded = errors.New("the handler has ended")

// A follower reads for a listener what is accepted into a queue, in the order
// of the deliveries' numbers.
type follower struct {
	queue  func() queue // nil once the handler has ended
	filter Filter
	from   time.Time // deliveries of before are left out; zero for none
	at     position
	began  bool
	pace   *pace

	// The deliveries above the floor that were looked at, and when, in that
	// order.
	seen  map[store.Number]bool
	order []sight
}

// A sight is when a delivery was first seen.
type sight struct {
	number store.Number
	at     time.Time
}

// A queue is what a handler has stored for its destinations.
type queue interface {
	Operate(f func(store.Operator) error) error
	Copy(destination string, of *store.Story, replay bool) (*delivery.Copy, error)
}

// queueOf returns the queue of a handler, nil if it has no destination.
func queueOf(name string) queue {
	if s := stored(name); s != nil {
		return s
	}
	return nil
}

// stored returns what delivers the stored events of a handler, nil if it has no
// destination.
func stored(name string) *delivery.Stored {
	for _, s := range delivery.Running() {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// follow returns a follower that goes on from a position, or begins with what
// was received at a time or later, or else with what comes.
func follow(ctx context.Context, q func() queue, f Filter, last *position, from time.Time, p *pace) (*follower, error) {
	r := &follower{queue: q, filter: f, pace: p, at: position{epoch: inStore, at: time.Now()}, seen: make(map[store.Number]bool)}
	switch {
	case last != nil && last.epoch == inStore:
		r.at = *last
	case last != nil: // of a journal: the handler has got destinations since
		r.from = last.at.Add(-skew)
	case !from.IsZero():
		r.from = from
	default:
		latest, _, err := r.list(ctx, "", 1)
		if err != nil {
			return nil, err
		}
		if len(latest) > 0 {
			r.at.number, r.at.floor = uint64(latest[0].Number), uint64(latest[0].Number)
		}
	}
	return r, nil
}

// position implements reader.
func (r *follower) position() position { return r.at }

// list lists deliveries, the latest first. What that takes of the machine sets
// the pace.
func (r *follower) list(ctx context.Context, cursor string, limit int) (found []store.Summary, next string, err error) {
	s := r.queue()
	if s == nil {
		return nil, "", errEnded
	}
	defer r.pace.spent(time.Now())
	err = s.Operate(func(o store.Operator) error {
		found, next, err = o.List(ctx, store.Filter{}, cursor, limit)
		return err
	})
	return found, next, err
}

// A page is a part of the list of deliveries, which is read again from its
// cursor when its turn comes, unless it was kept.
type page struct {
	cursor string
	limit  int
	found  []store.Summary
}

// drain implements reader. It goes down the list as far as needed, remembering
// where its pages begin, and up again.
func (r *follower) drain(ctx context.Context, to sink) (more <-chan struct{}, err error) {
	pages, err := r.down(ctx, to)
	if err != nil {
		return nil, err
	}
	if err := r.checkStore(pages[0].found, to); err != nil {
		return nil, err
	}
	for _, p := range slices.Backward(pages) {
		if p.found == nil {
			if p.found, _, err = r.list(ctx, p.cursor, p.limit); err != nil {
				return nil, err
			}
		}
		for i := range slices.Backward(p.found) {
			if err := r.visit(ctx, &p.found[i], to); err != nil {
				return nil, err
			}
		}
	}
	r.settle(time.Now())
	r.began = true
	return r.pace.next(), nil
}

// down returns the pages of the deliveries that may be new. The first and the
// last are kept.
func (r *follower) down(ctx context.Context, to sink) (pages []page, err error) {
	p := page{limit: fewInPage}
	for {
		var next string
		if p.found, next, err = r.list(ctx, p.cursor, p.limit); err != nil {
			return nil, err
		}
		if len(pages) > 1 {
			pages[len(pages)-1].found = nil
		}
		if p.found == nil {
			p.found = []store.Summary{}
		}
		pages = append(pages, p)
		if next == "" || r.isBelow(p.found) {
			return pages, nil
		}
		p = page{cursor: next, limit: manyInPage}
		if err := to.idle(r.at); err != nil {
			return nil, err
		}
	}
}

// isBelow reports whether nothing behind a page is new.
func (r *follower) isBelow(found []store.Summary) bool {
	for i := range slices.Backward(found) {
		if uint64(found[i].Number) <= r.at.floor {
			return true
		}
		if !found[i].Replay { // whose event may be old
			return !r.from.IsZero() && found[i].Received.Before(r.from.Add(-longAgo))
		}
	}
	return false
}

// checkStore tells of a store whose numbers have nothing to do with the
// listener's position: it was made anew, or put back to an earlier state.
func (r *follower) checkStore(latest []store.Summary, to sink) error {
	if r.began || len(latest) == 0 || r.at.floor == 0 {
		return nil
	}
	l := &latest[0]
	if l.Replay || uint64(l.Number) >= r.at.number || l.Received.Before(r.at.at.Add(longAgo)) {
		return nil
	}
	r.from = r.at.at
	r.at.number, r.at.floor = 0, 0
	return to.gap(Gap{Reason: GapStore}, r.at)
}

// visit sends a delivery to the listener unless it is known, or not wanted.
func (r *follower) visit(ctx context.Context, s *store.Summary, to sink) error {
	if uint64(s.Number) <= r.at.floor || r.seen[s.Number] {
		return nil
	}
	var m *Message
	if r.wants(s) {
		var err error
		if m, err = r.message(ctx, s); err != nil {
			return err
		}
	}
	r.at.number, r.at.at = uint64(s.Number), s.Received
	if !s.Replay && time.Since(s.Received) > longAgo {
		r.at.floor = max(r.at.floor, uint64(s.Number))
	} else {
		r.seen[s.Number] = true
		r.order = append(r.order, sight{s.Number, time.Now()})
	}
	if m == nil {
		return to.idle(r.at)
	}
	return to.message(m, r.at)
}

// wants reports whether a delivery may be one for the listener.
func (r *follower) wants(s *store.Summary) bool {
	if s.Destination == "" || r.filter.Destination != "" && s.Destination != r.filter.Destination {
		return false
	}
	if !s.Replay && s.Received.Before(r.from) {
		return false
	}
	return s.Whole || r.filter.fits(&described{Object: s.Info.Object, Kind: s.Info.Kind, Conversation: s.Info.Conversation})
}

// message returns the message of a delivery, nil if it is not for the listener,
// or gone.
func (r *follower) message(ctx context.Context, of *store.Summary) (m *Message, err error) {
	s := r.queue()
	if s == nil {
		return nil, errEnded
	}
	err = s.Operate(func(o store.Operator) error {
		stories, err := o.Story(ctx, of.Key)
		if err != nil {
			return err
		}
		for i := range stories {
			if d, first := find(&stories[i], of.Number); d != nil {
				if r.filter.Destination == "" && !d.Replay && first != of.Number {
					return nil // it was copied as another destination gets it
				}
				m, err = newMessage(s, &stories[i], d.Number, d.Destination, d.Replay)
				return err
			}
		}
		return nil
	})
	if err != nil || m == nil || !m.describe(&r.filter) {
		return nil, err
	}
	return m, nil
}

// find returns a delivery of a story, and the first one that is no replay.
func find(s *store.Story, number store.Number) (d *store.DeliveryStory, first store.Number) {
	for i := range s.Deliveries {
		one := &s.Deliveries[i]
		if first == 0 && !one.Replay {
			first = one.Number
		}
		if one.Number == number {
			d = one
		}
	}
	return d, first
}

func newMessage(s queue, of *store.Story, number store.Number, destination string, replay bool) (*Message, error) {
	c, err := s.Copy(destination, of, replay)
	if err != nil {
		return nil, err
	}
	return &Message{
		Key: position{epoch: inStore}.key(uint64(number)), ID: of.Key.String(), Destination: destination,
		Received: of.Received.UTC(), URI: c.URI, Replay: replay, Header: passed(c.Header), Body: c.Body,
	}, nil
}

// settle raises the floor to what was seen long enough ago.
func (r *follower) settle(now time.Time) {
	old := 0
	for ; old < len(r.order) && now.Sub(r.order[old].at) > settleTime; old++ {
		r.at.floor = max(r.at.floor, uint64(r.order[old].number))
		delete(r.seen, r.order[old].number)
	}
	r.order = slices.Delete(r.order, 0, old)
}

// again returns what a destination gets of the event with an id, the one
// stored last, for a listener that asks for it.
func again(ctx context.Context, s queue, key store.Key, destination string) (m *Message, err error) {
	if s == nil {
		return nil, errEnded
	}
	err = s.Operate(func(o store.Operator) error {
		stories, err := o.Story(ctx, key)
		if err != nil || len(stories) == 0 {
			return err
		}
		of := &stories[0]
		var number store.Number
		for i := range of.Deliveries {
			if d := &of.Deliveries[i]; destination == "" || d.Destination == destination {
				number, destination = d.Number, d.Destination
				break
			}
		}
		m, err = newMessage(s, of, number, destination, false)
		return err
	})
	if m != nil {
		m.describe(new(Filter))
	}
	return m, err
}

// A pace keeps the followers of a name from taking more than a small part of
// the machine, however many they are and however much is stored.
type pace struct {
	mu    sync.Mutex
	until time.Time
}

const (
	// attention is how often a follower looks for what is new.
	attention = 250 * time.Millisecond

	// share is how much longer the followers rest than they work.
	share = 20

	// longestRest is how long they rest at most.
	longestRest = 5 * time.Second
)

// spent notes that a follower has worked since a time.
func (p *pace) spent(since time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.until.Before(now) {
		p.until = now
	}
	p.until = p.until.Add(share * now.Sub(since))
	if latest := now.Add(longestRest); p.until.After(latest) {
		p.until = latest
	}
}

// next returns what is closed when a follower may look again.
func (p *pace) next() <-chan struct{} {
	p.mu.Lock()
	wait := max(attention, time.Until(p.until))
	p.mu.Unlock()
	ready := make(chan struct{})
	time.AfterFunc(wait, func() { close(ready) })
	return ready
}
