package faults

import (
	"net/http"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/caddyproc"
)

// TestKilledAtAnyMoment kills Caddy under load, again and again, while each
// sender repeats a notification until it is answered 200. In the end nothing
// that was answered 200 is missing, and nothing is delivered again.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	kills := 50
	if testing.Short() {
		kills = 5
	}
	s := harness.NewSeed(t)
	random := s.Random("kills")
	l := harness.NewLedger(t)
	u := harness.NewApp(t, l, s.Random("app"), 4*time.Millisecond, 10)
	c := caddyproc.New(t)
	run := func() {
		mode := []string{"each", "batch"}[random.IntN(2)]
		c.Start(harness.Lines(harness.Hook("deliver "+mode, "store file"), "reverse_proxy "+u.Addr))
	}
	run()
	traffic := harness.NewTraffic(t, s, l, 6, c)
	for range kills {
		enough := l.Deliveries() + random.IntN(40)
		harness.Eventually(t, "traffic", func() bool { return l.Deliveries() >= enough })
		time.Sleep(time.Duration(random.Int64N(int64(20 * time.Millisecond))))
		c.Kill()
		harness.Eventually(t, "an end of what was on its way to the app", u.Idle)
		run()
	}
	traffic.Stop()

	answers := traffic.Answers()
	t.Logf("%d kills, answers %v, %d events, %d of them delivered twice", kills, answers, len(l.Events()), l.Repeated())
	for _, status := range []int{0, http.StatusOK, http.StatusBadGateway} {
		if answers[status] == 0 {
			t.Errorf("got no answer %d in the whole run, want some", status)
		}
	}
	c.Kill()
	run()
	l.WantNothingNew(s, c)
}
