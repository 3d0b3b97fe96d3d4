package command

import (
	"slices"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/admin"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/observe"
)

func TestProblems(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	before := func(d time.Duration) time.Time { return now.Add(-d) }
	shop := func(d admin.Destination) []admin.Status {
		d.Handler, d.Destination = "shop", "crm"
		return []admin.Status{{Status: observe.Status{Name: "shop"}, Store: new(admin.Store), Destinations: []admin.Destination{d}}}
	}
	for _, test := range []struct {
		name string
		all  []admin.Status
		want []string
	}{
		{"nothing runs", nil, []string{"no meta_webhook handler is running"}},
		{"all is well", shop(admin.Destination{State: admin.StateOpen, Waiting: 9, Oldest: before(time.Hour)}), nil},
		{"down for a moment", shop(admin.Destination{State: admin.StateProbing, Since: before(9 * time.Minute), Cause: "connect"}), nil},
		{"down", shop(admin.Destination{State: admin.StateProbing, Since: before(11 * time.Minute), Cause: "connect"}), []string{"shop: destination crm is down: connect"}},
		{"waiting", shop(admin.Destination{State: admin.StatePaused, Oldest: before(61 * time.Minute)}), []string{"shop: an event for destination crm has waited for an hour"}},
		{"dead", shop(admin.Destination{State: admin.StateOpen, Dead: 3}), []string{"shop: dead events for destination crm: 3"}},
		{"removed", shop(admin.Destination{State: admin.StateUnconfigured, Waiting: 2}), []string{"shop: events that wait for destination crm, which is in no configuration: 2"}},
		{"removed, and empty", shop(admin.Destination{State: admin.StateUnconfigured}), nil},
		{"inline", []admin.Status{
			{Status: observe.Status{Name: "a", FailingSince: before(11 * time.Minute), OldestUndelivered: before(2 * time.Hour)}},
			{Status: observe.Status{Name: "b", FailingSince: before(time.Minute)}},
		}, []string{"a: every notification fails", "a: an event that failed has not been delivered for an hour"}},
		{"the store", []admin.Status{
			{Status: observe.Status{Name: "a"}, StoreError: "busy"},
			{Status: observe.Status{Name: "b"}, Store: &admin.Store{Damaged: 2}},
		}, []string{"a: the store fails: busy", "b: damaged batches of stored events: 2"}},
	} {
		if got := problems(test.all, now); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}
