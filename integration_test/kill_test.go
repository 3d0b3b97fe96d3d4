package integration_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/caddyproc"
)

// TestKilledAtAnyMoment kills Caddy under load, again and again. Whoever sends
// does so until there is a 200. Of what was answered 200 nothing is missing
// then, and nothing is delivered again.
func TestKilledAtAnyMoment(t *testing.T) {
	kills := 50
	if testing.Short() {
		kills = 5
	}
	s := newSeed(t)
	random := s.random("kills")
	l := newLedger(t)
	u := newApp(t, l, s.random("app"), 4*time.Millisecond, 10)
	c := caddyproc.New(t)
	run := func() {
		mode := []string{"each", "batch"}[random.IntN(2)]
		c.Start(lines(hook("deliver "+mode, "store file"), "reverse_proxy "+u.addr))
	}
	run()
	traffic := newTraffic(t, s, l, 6, c)
	for range kills {
		enough := l.deliveries() + random.IntN(40)
		eventually(t, "traffic", func() bool { return l.deliveries() >= enough })
		time.Sleep(time.Duration(random.Int64N(int64(20 * time.Millisecond))))
		c.Kill()
		eventually(t, "an end of what was on its way to the app", u.idle)
		run()
	}
	traffic.stop()

	answers := traffic.answers()
	t.Logf("%d kills, answers %v, %d events, %d of them delivered twice", kills, answers, len(l.events()), l.repeated())
	for _, status := range []int{0, http.StatusOK, http.StatusBadGateway} {
		if answers[status] == 0 {
			t.Errorf("got no answer %d in the whole run, want some", status)
		}
	}
	c.Kill()
	run()
	l.wantNothingNew(s, c)
}
