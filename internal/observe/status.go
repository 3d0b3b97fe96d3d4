package observe

import (
	"cmp"
	"slices"
	"time"
)

// A Status is what has become of what came for the handler of one name in this
// process, since its configuration was first loaded. A time is absent when
// there is none.
type Status struct {
	Name  string    `json:"name"`
	Since time.Time `json:"since"` // is counted

	LastNotification time.Time `json:"last_notification,omitzero"` // that was authentic
	LastSuccess      time.Time `json:"last_success,omitzero"`      // was answered 200
	FailingSince     time.Time `json:"failing_since,omitzero"`     // every notification has failed

	InFlight          int       `json:"in_flight"`                   // notifications that are not answered yet
	Undelivered       int       `json:"undelivered"`                 // events that failed, up to MostOwed
	OldestUndelivered time.Time `json:"oldest_undelivered,omitzero"` // event came, in flight or failed

	Verifications map[string]uint64 `json:"verifications"` // by result
	Notifications map[string]uint64 `json:"notifications"` // by result
	Events        map[string]uint64 `json:"events"`        // by outcome
	StoreErrors   map[string]uint64 `json:"store_errors"`  // by operation
}

// Statuses returns the status of each name, in their order.
func Statuses() []Status {
	all := make([]Status, 0)
	states.Range(func(_, value any) bool {
		all = append(all, value.(*State).status())
		return true
	})
	slices.SortFunc(all, func(a, b Status) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

func (s *State) status() Status {
	shown := Status{
		Name:          s.name,
		Since:         s.since,
		Verifications: counts(verificationsTotal, s.name, "result"),
		Notifications: counts(notificationsTotal, s.name, "result"),
		Events:        counts(eventsTotal, s.name, "outcome"),
		StoreErrors:   counts(storeErrors, s.name, "operation"),
	}
	shown.InFlight, shown.Undelivered, shown.OldestUndelivered = s.undelivered(time.Now())
	s.mu.Lock()
	defer s.mu.Unlock()
	shown.LastNotification, shown.LastSuccess, shown.FailingSince = s.lastNotification, s.lastSuccess, s.failingSince
	return shown
}
