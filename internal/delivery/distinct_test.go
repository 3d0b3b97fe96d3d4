package delivery

import (
	"math/rand/v2"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// TestRepeatsAreFoundAmongAnyNumber repeats some events of notifications of
// many sizes, and tells them by a map.
func TestRepeatsAreFoundAmongAnyNumber(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 2, 3, 4, 5, 7, 8, 9, 100, 127, 128, 129, 1000, 4096} {
		_, different := updates(t, n)
		for _, from := range []int{1, max(1, n/2), n} { // choose among so many
			events := make([]event.Event, n)
			for i := range events {
				events[i] = different[random.IntN(from)]
			}
			seen := make(map[event.ID]bool)
			var wantFirst, wantRepeats []event.ID
			for i := range events {
				if id := events[i].ID(); seen[id] {
					wantRepeats = append(wantRepeats, id)
				} else {
					seen[id] = true
					wantFirst = append(wantFirst, id)
				}
			}
			first, repeats := distinct(events)
			wantIDs(t, n, "first", first, wantFirst)
			wantIDs(t, n, "repeats", repeats, wantRepeats)
		}
	}
}

func wantIDs(t *testing.T, n int, what string, events []event.Event, want []event.ID) {
	t.Helper()
	if len(events) != len(want) {
		t.Fatalf("%s of %d: got %d, want %d", what, n, len(events), len(want))
	}
	for i := range events {
		if got := events[i].ID(); got != want[i] {
			t.Fatalf("%s of %d, number %d: got %s, want %s", what, n, i, got, want[i])
		}
	}
}

// The samples of the Test button are the same each time, and none repeats
// another.
func TestSamplesAreNoRepeats(t *testing.T) {
	sample := `{"field":"messages","value":{"metadata":{"phone_number_id":"1"},"statuses":[{"id":"w","status":"read","timestamp":"1","recipient_id":"7"}]}}`
	events, err := event.Parse([]byte(`{"object":"whatsapp_business_account","entry":[{"id":"0","changes":[` + sample + `,` + sample + `]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if first, repeats := distinct(events); len(first) != 2 || len(repeats) != 0 {
		t.Errorf("got %d events and %d repeats, want 2 and none", len(first), len(repeats))
	}
}
