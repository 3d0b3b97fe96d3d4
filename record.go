package metawebhook

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// records holds the record of each name. It lives on over reloads.
var records = caddy.NewUsagePool()

// A record is what is going on under one name, beside what is counted.
type record struct {
	name   string
	since  time.Time // when it was begun
	lines  lineLimit // of the log
	buffer buffer    // of notifications

	mu               sync.Mutex
	lastNotification time.Time
	lastSuccess      time.Time
	failingSince     time.Time
	active           map[*delivery]struct{}
	owed             map[event.ID]owedEvent
	owing            atomic.Bool // there are some
}

// An owedEvent is one that was not delivered, and that Meta sends again.
type owedEvent struct {
	since time.Time
	until time.Time // when Meta gives up
}

// mostOwed bounds how many events that were not delivered are known by their
// ids. What comes when there are so many is younger than those.
const mostOwed = 10_000

// openRecord returns the record of a name. It needs a close.
func openRecord(name string) *record {
	shared, _, _ := records.LoadOrNew(name, func() (caddy.Destructor, error) {
		return &record{
			name:   name,
			since:  time.Now(),
			active: make(map[*delivery]struct{}),
			owed:   make(map[event.ID]owedEvent),
		}, nil
	})
	return shared.(*record)
}

// close gives the record up.
func (r *record) close() error {
	_, err := records.Delete(r.name)
	return err
}

// Destruct implements caddy.Destructor. What was counted under a name that is
// in no configuration any more goes with the record.
func (r *record) Destruct() error {
	forgetCounts(r.name)
	return nil
}

// begin notes that an authentic notification has come.
func (r *record) begin(d *delivery) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.active[d] = struct{}{}
	r.lastNotification = d.start
}

// end notes how a notification was answered.
func (r *record) end(d *delivery, result string) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.active, d)
	switch result {
	case resultOK:
		r.lastSuccess = now
		r.failingSince = time.Time{}
	case deliveryFailed, errDedup.reason:
		if r.failingSince.IsZero() {
			r.failingSince = now
		}
	}
}

// underWay returns the deliveries that have begun and not ended.
func (r *record) underWay() []*delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.active))
}

// settle notes that events were delivered.
func (r *record) settle(events []event.Event) {
	if !r.owing.Load() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range events {
		delete(r.owed, events[i].ID())
	}
	r.owing.Store(len(r.owed) > 0)
}

// owe notes that events of a notification were not delivered.
func (r *record) owe(d *delivery, events []event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range events {
		id := events[i].ID()
		if _, known := r.owed[id]; !known && len(r.owed) < mostOwed {
			r.owed[id] = owedEvent{since: d.start, until: d.start.Add(retries(&events[i]))}
		}
	}
	r.owing.Store(len(r.owed) > 0)
}

// retries returns for how long Meta sends an event again.
func retries(e *event.Event) time.Duration {
	if e.Object() == whatsApp {
		return time.Duration(whatsAppWindow)
	}
	return time.Duration(defaultWindow)
}

// undelivered returns how many notifications are not answered yet and how many
// events are owed, and since when the oldest of all of them is there.
func (r *record) undelivered(now time.Time) (inFlight, owed int, oldest time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	note := func(since time.Time) {
		if oldest.IsZero() || since.Before(oldest) {
			oldest = since
		}
	}
	for d := range r.active {
		note(d.start)
	}
	for id, e := range r.owed {
		if now.After(e.until) {
			delete(r.owed, id)
			continue
		}
		note(e.since)
	}
	r.owing.Store(len(r.owed) > 0)
	return len(r.active), len(r.owed), oldest
}
