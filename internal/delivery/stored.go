package delivery

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/observe"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// Stored answers Meta once the events of a notification are stored, and
// delivers them to destinations afterwards:
//
//	accept: events → targets → one durable write
//	each destination: see worker
type Stored struct {
	Name         string // of the handler
	Observer     *observe.Observer
	Policy       Policy // nil without deduplication
	Queue        *Shared[store.Queue]
	Destinations []*Destination

	// How many bytes of bodies may be read ahead of the attempts, of all
	// destinations together.
	ReadAhead int64

	stop    context.CancelFunc // no new attempt
	abort   context.CancelFunc // nor the rest of those under way
	running sync.WaitGroup     // the workers
	left    chan struct{}      // closed when the queue is no longer used by them
	workers []*worker
	ended   atomic.Bool
}

// The errors of a notification that could not be stored.
var (
	ErrStoreFull = errors.New("the store is full")
	ErrStoreBusy = errors.New("the store is busy")
	ErrMatcher   = errors.New("a destination's matcher failed")
)

// Start begins to deliver.
func (s *Stored) Start() error {
	queue, err := s.Queue.Acquire()
	if err != nil {
		return err
	}
	var taking, sending context.Context
	taking, s.stop = context.WithCancel(context.Background())
	sending, s.abort = context.WithCancel(context.Background())
	for _, d := range s.Destinations {
		w := s.worker(d, queue, sending)
		s.workers = append(s.workers, w)
		s.running.Go(func() { w.run(taking) })
	}
	s.running.Go(func() { s.lookEveryMinute(taking, queue) })
	unwatch := s.Observer.WatchQueue(statsOf(queue))
	s.running.Go(func() { s.tellUnattended(taking, queue, s.Destinations) })
	s.left = make(chan struct{})
	go func() {
		defer close(s.left)
		s.running.Wait()
		s.abort()
		unwatch()
		if !caddy.Exiting() && !isRunning(s.Name) {
			s.tellUnattended(context.Background(), queue, nil)
		}
		if err := s.Queue.Release(); err != nil {
			s.Observer.StoreFailed("close", err)
		}
	}()
	return nil
}

// tellUnattended has the observer tell of events that wait for a destination
// which is not configured. They wait until it is, or until they are replayed to
// another one or discarded.
func (s *Stored) tellUnattended(ctx context.Context, queue store.Queue, configured []*Destination) {
	ctx, cancel := within(ctx, storeTimeout)
	defer cancel()
	stats, err := queue.Stats(ctx)
	if err != nil {
		return // as do accepting and taking, which tell of it
	}
	for _, d := range stats.Destinations {
		n := d.Waiting + d.UnderWay
		if n > 0 && !slices.ContainsFunc(configured, func(c *Destination) bool { return c.Name == d.Destination }) {
			s.Observer.Unattended(d.Destination, n)
		}
	}
}

// told returns what a change of a destination is told to, which what is left
// of an earlier configuration does not change any more.
func (s *Stored) told(change func(closed bool, cause string)) func(closed bool, cause string) {
	return func(closed bool, cause string) {
		if !s.ended.Load() {
			change(closed, cause)
		}
	}
}

// lookEveryMinute has the history know how much waits, until the context ends.
func (s *Stored) lookEveryMinute(ctx context.Context, queue store.Queue) {
	ticker := time.NewTicker(time.Minute)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		stats, err := queue.Stats(ctx)
		if err != nil {
			continue // the metrics and the admin API tell
		}
		waiting := make(map[string]int64)
		for i := range stats.Destinations {
			d := &stats.Destinations[i]
			waiting[d.Destination] = d.Waiting + d.UnderWay
		}
		for _, w := range s.workers {
			w.told.Waiting(waiting[w.to.Name])
		}
	}
}

// statsOf returns how to ask a queue for what it holds.
func statsOf(queue store.Queue) func(context.Context) (observe.QueueStats, error) {
	return func(ctx context.Context) (shown observe.QueueStats, err error) {
		stats, err := queue.Stats(ctx)
		if err != nil {
			return shown, err
		}
		shown.Bytes, shown.Capacity, shown.Free, shown.Damaged = stats.Bytes, stats.Capacity, stats.Free, stats.Damaged
		for _, d := range stats.Destinations {
			dead := int64(0)
			for _, n := range d.Dead {
				dead += n
			}
			shown.Destinations = append(shown.Destinations, observe.QueuedStats{
				Destination: d.Destination, Waiting: d.Waiting, UnderWay: d.UnderWay, Dead: dead, Oldest: d.Oldest, Paused: d.Paused,
			})
		}
		return shown, nil
	}
}

func (s *Stored) worker(d *Destination, queue store.Queue, sending context.Context) *worker {
	told := s.Observer.Destination(d.Name, time.Duration(d.GiveUp))
	w := &worker{
		to: d, queue: queue, told: told, sending: sending,
		sender:  Sender{Keys: d.keys, Observer: s.Observer, Timeout: time.Duration(d.Timeout), Keep: keptAnswer},
		gate:    newGate(d.Parallel, s.told(told.Closed)),
		replays: newReplayPace(d.ReplayRate),
		bytes:   max(1, s.ReadAhead/int64(len(s.Destinations))),
	}
	if d.Rate > 0 {
		w.pace = rate.NewLimiter(rate.Limit(d.Rate), max(1, int(d.Rate)))
	}
	return w
}

// started holds what delivers from the queue of a name, by configuration and
// name: a handler that is served in two places delivers once.
var started = caddy.NewUsagePool()

// StartOnce starts to deliver, unless another with this key has. It needs an
// End with the key.
func (s *Stored) StartOnce(key any) error {
	_, _, err := started.LoadOrNew(key, func() (caddy.Destructor, error) { return s, s.Start() })
	return err
}

// End ends what StartOnce began.
func End(key any) error {
	_, err := started.Delete(key)
	return err
}

// Destruct implements caddy.Destructor. A new configuration goes on at once,
// while the attempts under the old one come to their end; a process that exits
// waits for them.
func (s *Stored) Destruct() error {
	s.Stop()
	if caddy.Exiting() {
		s.Finish(gracePeriod())
	}
	return nil
}

// gracePeriod returns how long the servers of this process have to finish, 0
// without a limit.
func gracePeriod() time.Duration {
	app, err := caddy.ActiveContext().AppIfConfigured("http")
	if err != nil {
		return 0
	}
	return time.Duration(app.(*caddyhttp.App).GracePeriod)
}

// Stop begins no new attempt. Those under way come to their end, and the queue
// is released then.
func (s *Stored) Stop() {
	if s.stop != nil {
		s.ended.Store(true)
		s.stop()
	}
}

// Finish waits until the attempts under way have come to their end, or the
// grace period has; those that are left are cancelled then, and made again by
// whatever delivers next. A grace period of 0 has no end. The queue is released
// by then, so that a process that exits has closed it.
func (s *Stored) Finish(grace time.Duration) {
	if s.stop == nil {
		return
	}
	if grace > 0 {
		timer := time.AfterFunc(grace, s.abort)
		defer timer.Stop()
	}
	<-s.left
}

// Deliver stores the events of a notification. It returns nil once they are
// stored, now or before; else ErrStoreFull, ErrStoreBusy, ErrStore or ErrMatcher.
func (s *Stored) Deliver(n *Notification) error {
	queue, err := s.Queue.Acquire()
	if err != nil {
		return s.failed("open", n, err)
	}
	defer func() {
		if err := s.Queue.Release(); err != nil {
			s.Observer.StoreFailed("close", err)
		}
	}()
	stored, err := s.notification(n)
	if err != nil {
		n.Told.Rejected(n.Events)
		return err
	}
	// a sender that hangs up sends the notification again, which costs more
	ctx, cancel := within(context.WithoutCancel(n.Request.Context()), storeTimeout)
	defer cancel()
	start := time.Now()
	repeats, err := queue.Accept(ctx, stored)
	if err != nil {
		return s.failed("accept", n, err)
	}
	s.Observer.Written(start)
	for i := range n.Events {
		one := n.Events[i : i+1]
		switch {
		case repeats != nil && repeats[i]:
			n.Told.Repeated(one)
		case len(stored.Events[i].Targets) == 0 && len(stored.Whole.Targets) == 0:
			n.Told.Unmatched(one)
		default:
			n.Told.Stored(one)
		}
	}
	return nil
}

// failed returns the error of a notification that was not stored.
func (s *Stored) failed(operation string, n *Notification, err error) error {
	s.Observer.StoreFailed(operation, err)
	n.Told.Rejected(n.Events)
	switch {
	case errors.Is(err, store.ErrFull):
		return ErrStoreFull
	case errors.Is(err, store.ErrBusy):
		return ErrStoreBusy
	}
	return ErrStore
}

// notification returns what is stored of a notification. A matcher that fails
// says neither that a destination gets an event nor that it does not, so that
// nothing is stored.
func (s *Stored) notification(n *Notification) (*store.Notification, error) {
	origin := OriginOf(n.Request)
	origin.Trace = s.Observer.Trace(n.Request.Context())
	stored := &store.Notification{
		Received: n.Told.Start(),
		Origin:   origin.encode(n.Request.Header[signatureHeader]),
		Events:   make([]store.Event, len(n.Events)),
	}
	bodies := make([]byte, 0, StoredRoom(n.Events)) // all in one piece
	for i := range n.Events {
		e, from := &n.Events[i], len(bodies)
		bodies = e.AppendJSON(bodies)
		stored.Events[i] = store.Event{Key: store.Key(e.ID()), Window: s.window(e), Info: infoOf(e), Body: bodies[from:len(bodies):len(bodies)]}
	}
	for _, d := range s.Destinations {
		whole := false
		for i := range n.Events {
			one := n.Events[i : i+1]
			wanted, err := d.wants(n, origin, one)
			if err != nil {
				s.Observer.MatcherFailed(d.Name, shortened(err))
				return nil, ErrMatcher
			}
			whole = whole || wanted
			if wanted && d.Deliver != Original {
				stored.Events[i].Targets = append(stored.Events[i].Targets, d.target(one))
			}
		}
		if whole && d.Deliver == Original {
			s.addressWhole(d, n, stored)
		}
	}
	return stored, nil
}

// StoredRoom returns how many bytes the bodies that are stored of events take
// at most.
func StoredRoom(events []event.Event) (room int64) {
	for i := range events {
		room += int64(events[i].JSONRoom())
	}
	return room
}

// window returns how long an event that comes again is a repeat.
func (s *Stored) window(e *event.Event) time.Duration {
	if s.Policy == nil {
		return 0
	}
	return window(s.Policy, e)
}

// addressWhole addresses the notification itself to a destination.
func (s *Stored) addressWhole(d *Destination, n *Notification, stored *store.Notification) {
	if stored.Whole.Targets == nil {
		stored.Whole.Key = store.Key(event.Digest(n.Events))
		stored.Whole.Body = n.Body
		stored.Whole.Info = sharedInfo(stored.Events)
	}
	stored.Whole.Targets = append(stored.Whole.Targets, d.target(n.Events))
}

// wants reports whether a destination gets an event.
func (d *Destination) wants(n *Notification, origin *Origin, one []event.Event) (bool, error) {
	if d.matchers == nil {
		return true, nil
	}
	m := newMessage(one[0].ID(), one)
	to := d.chain
	to.Before = n.Request
	r := new(Sender).request(n.Request.Context(), &to, origin, &m, &answer{header: make(http.Header)})
	return d.matchers.AnyMatchWithError(r)
}

// target returns the target of events at a destination.
func (d *Destination) target(events []event.Event) store.Target {
	t := store.Target{Destination: d.Name}
	for i := range events {
		var order string
		switch d.Order {
		case orderConversation:
			order = events[i].Conversation()
		case orderEntry:
			order = events[i].Object() + "\n" + events[i].Entry()
		default:
			return t
		}
		if lane := store.LaneOf(order); !slices.Contains(t.Lanes, lane) {
			t.Lanes = append(t.Lanes, lane)
		}
	}
	return t
}

// Interface guards
var (
	_ caddyhttp.Handler = untaken
	_ caddy.Validator   = (*Destination)(nil)
)
