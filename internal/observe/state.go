package observe

import (
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// states holds the state of each name. It lives on over reloads.
var states = caddy.NewUsagePool()

// A State is what is going on under one name, beside what is counted.
type State struct {
	name  string
	since time.Time // the name is in use
	lines lineLimit // of the log
	queue queueWatch

	changes  atomic.Uint64 // of what people see
	refusals recent[refusalKey, Refusal]
	repeats  recent[event.ID, Repeat]

	mu               sync.Mutex
	lastNotification time.Time
	lastSuccess      time.Time
	failingSince     time.Time
	active           map[*Notification]struct{}
	owed             map[event.ID]owedEvent
	owing            atomic.Bool // there are some
	histories        map[string]*history

	tracing atomic.Pointer[trace.TracerProvider] // of the last notification that is traced
}

// An owedEvent is one that was not delivered, and that Meta sends again.
type owedEvent struct {
	since time.Time
	until time.Time // when Meta gives up
}

// MostOwed bounds how many events that were not delivered are known by their
// ids. What comes when there are so many is younger than those.
const MostOwed = 10_000

// openState returns the state of a name. It needs a close.
func openState(name string) *State {
	shared, _, _ := states.LoadOrNew(name, func() (caddy.Destructor, error) {
		return &State{
			name:   name,
			since:  time.Now(),
			active: make(map[*Notification]struct{}),
			owed:   make(map[event.ID]owedEvent),

			histories: make(map[string]*history),
		}, nil
	})
	return shared.(*State)
}

// close ends the use of the state.
func (s *State) close() error {
	_, err := states.Delete(s.name)
	return err
}

// Destruct implements caddy.Destructor. What was counted under a name that is
// in no configuration any more goes with the state.
func (s *State) Destruct() error {
	forgetCounts(s.name)
	return nil
}

// begin notes that an authentic notification has come.
func (s *State) begin(n *Notification) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active[n] = struct{}{}
	s.lastNotification = n.start
}

// end notes how a notification was answered.
func (s *State) end(n *Notification, result string) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.active, n)
	s.changes.Add(1)
	switch {
	case result == ResultOK:
		s.lastSuccess = now
		s.failingSince = time.Time{}
	case result == DeliveryFailed, n.rejected:
		if s.failingSince.IsZero() {
			s.failingSince = now
		}
	}
}

// delivered notes that events were delivered.
func (s *State) delivered(events []event.Event) {
	if !s.owing.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range events {
		delete(s.owed, events[i].ID())
	}
	s.owing.Store(len(s.owed) > 0)
}

// owe notes that events of a notification that came at start were not
// delivered.
func (s *State) owe(start time.Time, events []event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range events {
		id := events[i].ID()
		if _, known := s.owed[id]; !known && len(s.owed) < MostOwed {
			s.owed[id] = owedEvent{since: start, until: start.Add(retries(&events[i]))}
		}
	}
	s.owing.Store(len(s.owed) > 0)
}

// retries returns for how long Meta sends an event again.
func retries(e *event.Event) time.Duration {
	if e.Object() == "whatsapp_business_account" {
		return 7 * 24 * time.Hour
	}
	return 36 * time.Hour
}

// undelivered returns how many notifications are not answered yet and how many
// events are owed, and since when the oldest of all of them is there.
func (s *State) undelivered(now time.Time) (inFlight, owed int, oldest time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	note := func(since time.Time) {
		if oldest.IsZero() || since.Before(oldest) {
			oldest = since
		}
	}
	for n := range s.active {
		note(n.start)
	}
	for id, e := range s.owed {
		if now.After(e.until) {
			delete(s.owed, id)
			continue
		}
		note(e.since)
	}
	s.owing.Store(len(s.owed) > 0)
	return len(s.active), len(s.owed), oldest
}
