package metawebhook

import (
	"cmp"
	"slices"
	"time"
)

// A status is what has become of what came for the handler of one name in this
// process, since its configuration was first loaded. A time is absent when
// there is none.
type status struct {
	Name  string    `json:"name"`
	Since time.Time `json:"since"` // is counted

	LastNotification time.Time `json:"last_notification,omitzero"` // that was authentic
	LastSuccess      time.Time `json:"last_success,omitzero"`      // was answered 200
	FailingSince     time.Time `json:"failing_since,omitzero"`     // every notification has failed

	InFlight          int       `json:"in_flight"`                   // notifications that are not answered yet
	Undelivered       int       `json:"undelivered"`                 // events that failed, up to mostOwed
	OldestUndelivered time.Time `json:"oldest_undelivered,omitzero"` // event came, in flight or failed

	Verifications map[string]uint64 `json:"verifications"` // by result
	Notifications map[string]uint64 `json:"notifications"` // by result
	Events        map[string]uint64 `json:"events"`        // by outcome
	DedupErrors   map[string]uint64 `json:"dedup_errors"`  // by operation
}

// statuses returns the status of each name, in their order.
func statuses() []status {
	all := make([]status, 0)
	records.Range(func(_, value any) bool {
		all = append(all, value.(*record).status())
		return true
	})
	slices.SortFunc(all, func(a, b status) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

func (r *record) status() status {
	s := status{
		Name:          r.name,
		Since:         r.since,
		Verifications: counts(verificationsTotal, r.name, "result"),
		Notifications: counts(notificationsTotal, r.name, "result"),
		Events:        counts(eventsTotal, r.name, "outcome"),
		DedupErrors:   counts(dedupErrors, r.name, "operation"),
	}
	s.InFlight, s.Undelivered, s.OldestUndelivered = r.undelivered(time.Now())
	r.mu.Lock()
	defer r.mu.Unlock()
	s.LastNotification, s.LastSuccess, s.FailingSince = r.lastNotification, r.lastSuccess, r.failingSince
	return s
}
