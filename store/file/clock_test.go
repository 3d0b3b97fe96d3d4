package file_test

import (
	"slices"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/ledgertest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// TestFileAndTheClock sets the clock forward and back by a day. Events are
// forgotten earlier or remembered longer by as much, and no event is taken for
// delivered that was not.
func TestFileAndTheClock(t *testing.T) {
	const day, window = 24 * time.Hour, 36 * time.Hour
	for _, test := range []struct {
		name       string
		jump       time.Duration
		remembered time.Duration // since then
	}{
		{"forward", day, window - day},
		{"back", -day, window + day},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := new(ledgertest.Clock)
			s := ledgertest.Open(t, newFile(t, c), "default")
			before, after := []store.Key{{1}}, []store.Key{{2}}
			want := func(when string, events []store.Key, want store.State) {
				t.Helper()
				states, err := s.Claim(t.Context(), 1, events, time.Second)
				if err != nil || !slices.Equal(states, []store.State{want}) {
					t.Errorf("%s: got %v and error %v, want %v", when, states, err, want)
				}
				if err := s.Release(t.Context(), 1, events); err != nil {
					t.Errorf("Release: got error %v, want none", err)
				}
			}
			record := func(events []store.Key) {
				t.Helper()
				if err := s.Commit(t.Context(), 1, events, window); err != nil {
					t.Errorf("Commit: got error %v, want none", err)
				}
			}
			record(before)
			c.Advance(test.jump)
			want("delivered before the jump", before, store.Delivered)
			want("not delivered", after, store.Claimed)
			record(after)
			want("delivered after the jump", after, store.Delivered)
			c.Advance(test.remembered - time.Second)
			want("a second before its end", before, store.Delivered)
			c.Advance(2 * time.Second)
			want("a second after its end", before, store.Claimed)
			c.Advance(window)
			want("long after all ends", after, store.Claimed)
		})
	}
}
