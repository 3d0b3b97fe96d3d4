package delivery

import (
	"errors"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/observe"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// TestOutcomeAfterTheClockWasSet sets the clock while an event is tried. It is
// dead only after a third attempt that failed when give_up was over by that clock,
// and otherwise tried again after its pause, in the time of that clock.
func TestOutcomeAfterTheClockWasSet(t *testing.T) {
	const day = 24 * time.Hour
	since := time.Date(2026, 1, 10, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name    string
		giveUp  time.Duration
		set     time.Duration
		attempt int
		failed  bool
		want    store.Result
	}{
		{"not at all", 72 * time.Hour, 0, 1, true, store.Again},
		{"forward, a success", time.Hour, day, 1, false, store.Done},
		{"forward, with time left", 72 * time.Hour, day, 1, true, store.Again},
		{"forward, beyond give_up", 12 * time.Hour, day, 1, true, store.Again},
		{"forward, beyond give_up, for the third time", 12 * time.Hour, day, 3, true, store.Dead},
		{"back, a success", time.Hour, -day, 1, false, store.Done},
		{"back", time.Hour, -day, 1, true, store.Again},
		{"back by a year", time.Hour, -365 * day, 1, true, store.Again},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := &worker{gate: newGate(1, nil), to: &Destination{
				RetryPause: caddy.Duration(10 * time.Second), MaxRetryPause: caddy.Duration(time.Hour), GiveUp: caddy.Duration(test.giveUp),
			}}
			var f *Failure
			if test.failed {
				f = &Failure{Failure: observe.Failure{Err: errors.New("not 2xx")}, Cause: "http_500"}
			}
			now := since.Add(test.set)
			got := w.outcome(&store.Delivery{Since: since, Attempt: test.attempt}, store.Attempt{}, f, now)
			if got.Result != test.want {
				t.Errorf("got result %d, want %d", got.Result, test.want)
			}
			if pause := got.At.Sub(now); got.Result == store.Again && (pause < 8*time.Second || pause > 12*time.Second) {
				t.Errorf("got the next attempt after %v, want about 10s", pause)
			}
		})
	}
}
