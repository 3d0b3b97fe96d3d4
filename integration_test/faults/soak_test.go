package faults

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/caddyproc"
)

const (
	soakSenders  = 6
	soakInterval = 150 * time.Millisecond // between a sender's notifications
	soakWindow   = time.Minute
	soakReloads  = 3 // samples between two
)

// TestSoak runs one process for a long time, with repeats, forged requests, an
// app that fails in all ways, and reloads, and has what the process takes stay
// as it is. Nothing is killed, which would hide what leaks. META_WEBHOOK_SOAK
// is for how long:
//
//	META_WEBHOOK_SOAK=30m go test ./integration_test/faults -run '^TestSoak$' -timeout 1h -v
func TestSoak(t *testing.T) {
	const lists = time.Minute // by which the store forgets
	const files = "size of the files"
	soak := harness.NewSoak(t, soakWindow+lists,
		harness.Measure{Name: "events in store", Metric: "caddy_meta_webhook_dedup_events", Slack: 100, Settles: true},
		harness.Measure{Name: "files (MB)", Metric: files, Unit: 1e6, Slack: 10, Settles: true}, // a few segments
	)
	s := harness.NewSeed(t)
	random := s.Random("soak")
	l := harness.NewLedger(t)
	app := newFaultyApp(t, l, s.Random("app"))
	p := caddyproc.New(t)
	p.Global = "metrics"
	p.Start(soakSite(p, app, random))
	soak.Begin()
	traffic := newSoakTraffic(t, s, l, p)

	for n := 1; n <= harness.SoakSamples; n++ {
		app.mood.Store(appHealthy)
		if n%2 == 0 {
			app.mood.Store(moods[random.IntN(len(moods))])
		}
		if n%soakReloads == 0 {
			if err := p.Load(soakSite(p, app, random)); err != nil {
				t.Errorf("reload: got error %v, want none", err)
			}
		}
		soak.Wait()
		app.Forget()
		soak.Sample(p, len(l.Events()), map[string]float64{files: harness.SizeOf(t, p.Path("stored/delivered-*/*"))})
	}
	app.mood.Store(appHealthy)
	traffic.Stop()

	t.Logf("%d events, %d of them delivered twice or more, %d reloads; answers %v",
		len(l.Events()), l.Repeated(), harness.SoakSamples/soakReloads, traffic.Answers())
	l.WantAllAnswered()
	for _, status := range []int{http.StatusOK, http.StatusUnauthorized, http.StatusBadGateway} {
		if traffic.Answers()[status] == 0 {
			t.Errorf("got no answer %d in the whole run, want some", status)
		}
	}
	soak.WantLevel()
}

// soakSite returns the directives of the site, with some options that a reload
// changes.
func soakSite(p *caddyproc.Process, app *faultyApp, random *rand.Rand) string {
	deliver := "deliver batch"
	if random.IntN(2) == 0 {
		deliver = fmt.Sprintf("deliver each\nparallel %d", 1+random.IntN(16))
	}
	return harness.Lines(
		harness.Hook(
			deliver,
			fmt.Sprintf("max_buffered %dMB", 64+random.IntN(64)),
			fmt.Sprintf("body_timeout %ds", 5+random.IntN(25)),
			harness.Lines("store file {", "path "+p.Path("stored"), "}", "dedup {", "window "+soakWindow.String(),
				"on_error "+[]string{"reject", "deliver"}[random.IntN(2)], "}"),
		),
		"reverse_proxy "+app.Addr+" {\ntransport http {", "response_header_timeout 500ms", "read_timeout 500ms", "}\n}",
	)
}

// newSoakTraffic has several senders send at a pace that leaves the machine to
// others, until they are stopped. Two of them always share events.
func newSoakTraffic(t *testing.T, s harness.Seed, l *harness.Ledger, to *caddyproc.Process) *harness.Traffic {
	begin := time.Now()
	return harness.TrafficOf(t, s, l, soakSenders, func(i int, m *harness.Meta, done <-chan struct{}) {
		m.Client.Timeout = time.Second + time.Duration(m.Random.Int64N(int64(time.Second)))
		keepPace(m, to, begin, i, done)
	})
}

// keepPace sends notifications at a steady pace, and those that were not
// answered 200 again, until it is done and all were. Now and then it sends a
// forged one. What is shared and repeated depends on the time, so that nothing
// comes again after its window.
func keepPace(m *harness.Meta, to *caddyproc.Process, begin time.Time, sender int, done <-chan struct{}) {
	const most, chapter, longest = 8, 10, 5 * time.Second
	ticks := time.NewTicker(soakInterval)
	defer ticks.Stop()
	var (
		backlog []*backlogged
		end     time.Time // of the patience, once done
	)
	for end.IsZero() || len(backlog) > 0 {
		select {
		case <-done:
			done, end = nil, time.Now().Add(2*harness.Patience)
		case <-ticks.C:
		}
		if !end.IsZero() && time.Now().After(end) {
			m.T.Errorf("got no 200 for %d notifications in %v, %s among them", len(backlog), 2*harness.Patience, harness.Brief(backlog[0].posts))
			return
		}
		if end.IsZero() && len(backlog) < most {
			n := int(time.Since(begin) / soakInterval)
			events := harness.Some(m.Random, fmt.Sprintf("%d.%d", sender/2, n/chapter), n%chapter)
			events = append(events, harness.Posts(fmt.Sprintf("only-%d.%d", sender, n), 2)...)
			backlog = append(backlog, &backlogged{posts: events, pause: soakInterval / 2})
		}
		backlog = slices.DeleteFunc(backlog, func(b *backlogged) bool {
			if time.Now().Before(b.due) {
				return false
			}
			switch m.Random.IntN(20) {
			case 0:
				forge(m, to, b.posts)
			case 1:
				invent(m, to)
			}
			if m.Once(to, b.posts) == http.StatusOK {
				return true
			}
			b.pause = min(2*b.pause, longest)
			b.due = time.Now().Add(b.pause)
			return false
		})
	}
}

// invent sends an event that Meta never has.
func invent(m *harness.Meta, to *caddyproc.Process) {
	body := harness.PageOf([]string{fmt.Sprintf("invented-%d", m.Random.Uint64())})
	status := m.TrySigned(to, body, harness.Sign("another-secret", body))
	m.Answers[status]++
	if status != http.StatusUnauthorized && status != 0 {
		m.T.Errorf("got answer %d to an invented notification, want 401", status)
	}
}
