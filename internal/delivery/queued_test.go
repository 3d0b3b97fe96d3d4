package delivery

import (
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// TestBatchTellsOfAnyEvent has batches of events that were tried more or less
// often, of which one or none is a replay, at any place.
func TestBatchTellsOfAnyEvent(t *testing.T) {
	w := &worker{to: &Destination{Options: Options{Deliver: Batch}}}
	plain, replayed := store.Delivery{Attempt: 1}, store.Delivery{Attempt: 4, Replay: true}
	for _, test := range []struct {
		deliveries []store.Delivery
		attempt    int
		replay     bool
	}{
		{[]store.Delivery{plain, plain}, 1, false},
		{[]store.Delivery{replayed, plain}, 4, true},
		{[]store.Delivery{plain, replayed}, 4, true},
	} {
		if m := w.message(test.deliveries); m.Attempt != test.attempt || m.Replay != test.replay {
			t.Errorf("got attempt %d and replay %t, want %d and %t", m.Attempt, m.Replay, test.attempt, test.replay)
		}
	}
}
