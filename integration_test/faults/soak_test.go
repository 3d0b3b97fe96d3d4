package faults

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/caddyproc"
)

const (
	soakSenders  = 6
	soakInterval = 150 * time.Millisecond // between a sender's notifications
	soakWindow   = time.Minute
	soakSamples  = 180
	soakReloads  = 3 // samples between two
	soakRows     = 6 // samples of which the table has one
)

// TestSoak runs one process for a long time, with repeats, forged requests, an
// app that fails in all ways, and reloads, and has what the process takes stay
// as it is. Nothing is killed, which would hide what leaks. META_WEBHOOK_SOAK
// is for how long:
//
//	META_WEBHOOK_SOAK=30m go test ./integration_test/faults -run '^TestSoak$' -timeout 1h -v
func TestSoak(t *testing.T) {
	given := os.Getenv("META_WEBHOOK_SOAK")
	if given == "" {
		t.Skip("SKIPPED: this test takes as long as META_WEBHOOK_SOAK says, such as 30m; it is no part of CI, and META_WEBHOOK_TEST_ALL does not run it")
	}
	lasts, err := time.ParseDuration(given)
	if err != nil || lasts < time.Minute {
		t.Fatalf("META_WEBHOOK_SOAK: got %q, want a minute at least", given)
	}
	if end, ok := t.Deadline(); ok && time.Until(end) < lasts+3*harness.Patience {
		t.Fatalf("got %v until the tests time out, want a -timeout of %v or more", time.Until(end).Round(time.Second), lasts+4*harness.Patience)
	}

	s := harness.NewSeed(t)
	random := s.Random("soak")
	l := harness.NewLedger(t)
	app := newFaultyApp(t, l, s.Random("app"))
	p := caddyproc.New(t)
	p.Global = "metrics"
	p.Start(soakSite(p, app, random))
	begin := time.Now()
	traffic := newSoakTraffic(t, s, l, p)

	var samples []soakSample
	for n := 1; n <= soakSamples; n++ {
		app.mood.Store(appHealthy)
		if n%2 == 0 {
			app.mood.Store(moods[random.IntN(len(moods))])
		}
		if n%soakReloads == 0 {
			if err := p.Load(soakSite(p, app, random)); err != nil {
				t.Errorf("reload: got error %v, want none", err)
			}
		}
		time.Sleep(time.Until(begin.Add(lasts * time.Duration(n) / soakSamples)))
		app.Forget()
		samples = append(samples, takeSoakSample(t, l, p, time.Since(begin)))
	}
	app.mood.Store(appHealthy)
	traffic.Stop()

	t.Logf("%d events, %d of them delivered twice or more, %d reloads; answers %v",
		len(l.Events()), l.Repeated(), soakSamples/soakReloads, traffic.Answers())
	t.Logf("what one process took:\n\n%s", soakTable(samples))
	l.WantAllAnswered()
	for _, status := range []int{http.StatusOK, http.StatusUnauthorized, http.StatusBadGateway} {
		if traffic.Answers()[status] == 0 {
			t.Errorf("got no answer %d in the whole run, want some", status)
		}
	}
	wantFlat(t, samples, lasts)
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

// A soakSample is what a process takes at a time.
type soakSample struct {
	at     time.Duration
	events int // that were answered 200 until then

	// By measure. One that the system does not tell is missing.
	of map[string]float64
}

// A soakMeasure is something that has to stay as it is.
type soakMeasure struct {
	name, metric string
	unit         float64
	slack        float64 // in that unit, beside a fifth
	stored       bool    // it takes windows to level off
}

const fileSize = "size of the files" // in place of a metric

var soakMeasures = []soakMeasure{
	{name: "heap (MB)", metric: "go_memstats_heap_alloc_bytes", unit: 1e6, slack: 0.5},
	{name: "goroutines", metric: "go_goroutines", unit: 1, slack: 10},
	{name: "open files", metric: "process_open_fds", unit: 1, slack: 10},
	{name: "resident (MB)", metric: "process_resident_memory_bytes", unit: 1e6, slack: 10, stored: true},
	{name: "events in store", metric: "caddy_meta_webhook_dedup_events", unit: 1, slack: 100, stored: true},
	{name: "files (MB)", metric: fileSize, unit: 1e6, slack: 10, stored: true}, // a few segments
}

// takeSoakSample has the process collect its garbage, and looks at it.
func takeSoakSample(t *testing.T, l *harness.Ledger, p *caddyproc.Process, at time.Duration) soakSample {
	t.Helper()
	sample := soakSample{at: at, events: len(l.Events()), of: make(map[string]float64)}
	adminGet(t, p, "/debug/pprof/heap?gc=1")
	metrics := make(map[string]float64)
	for line := range strings.Lines(adminGet(t, p, "/metrics")) {
		metric, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		name, _, _ := strings.Cut(metric, "{")
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			metrics[name] += n
		}
	}
	for _, file := range glob(t, p.Path("stored/delivered-*/*")) {
		if info, err := os.Stat(file); err == nil { // files come and go
			metrics[fileSize] += float64(info.Size())
		}
	}
	for _, m := range soakMeasures {
		if value, ok := metrics[m.metric]; ok {
			sample.of[m.name] = value / m.unit
		}
	}
	return sample
}

// glob returns the files that match a pattern, of which there is one at least.
func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: got no files and error %v, want some", pattern, err)
	}
	return files
}

// adminGet returns what the admin endpoint answers. A reload that replaces the
// endpoint may break the connection.
func adminGet(t *testing.T, p *caddyproc.Process, target string) (body string) {
	t.Helper()
	client := http.Client{Timeout: harness.Patience, Transport: &http.Transport{DisableKeepAlives: true}}
	harness.Eventually(t, "an answer of the admin endpoint to "+target, func() bool {
		res, err := client.Get(p.AdminURL(target))
		if err != nil {
			return false
		}
		a, err := harness.ReadAnswer(res)
		body = a.Body
		return err == nil && a.Status == http.StatusOK
	})
	return body
}

// soakTable returns a table of samples in Markdown.
func soakTable(samples []soakSample) string {
	var b strings.Builder
	b.WriteString("| minute | events |")
	for _, m := range soakMeasures {
		fmt.Fprintf(&b, " %s |", m.name)
	}
	b.WriteString("\n|" + strings.Repeat("---:|", 2+len(soakMeasures)) + "\n")
	for i := soakRows - 1; i < len(samples); i += soakRows {
		fmt.Fprintf(&b, "| %.1f | %d |", samples[i].at.Minutes(), samples[i].events)
		for _, m := range soakMeasures {
			switch value, ok := samples[i].of[m.name]; {
			case !ok:
				b.WriteString(" – |")
			case m.unit > 1:
				fmt.Fprintf(&b, " %.1f |", value)
			default:
				fmt.Fprintf(&b, " %.0f |", value)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// wantFlat fails the test if something grows: if its median in the last third
// of the run is more than in the second. The first third is for warming up.
func wantFlat(t *testing.T, samples []soakSample, lasts time.Duration) {
	t.Helper()
	const lists = time.Minute // by which the store forgets
	for _, m := range soakMeasures {
		var values []float64
		for _, s := range samples {
			if value, ok := s.of[m.name]; ok {
				values = append(values, value)
			}
		}
		if len(values) < len(samples) {
			t.Logf("NOT CHECKED: %s, which was in %d of %d samples", m.name, len(values), len(samples))
			continue
		}
		if m.stored && lasts/3 < soakWindow+lists {
			t.Logf("NOT CHECKED: %s, as it takes more than %v to level off", m.name, 3*(soakWindow+lists))
			continue
		}
		second, last, grows := growth(values, m.slack)
		t.Logf("%s: median %.1f in the second third, %.1f in the last", m.name, second, last)
		if grows {
			t.Errorf("%s: got a median of %.1f in the last third, want at most a fifth and %v over the %.1f of the second", m.name, last, m.slack, second)
		}
	}
}

// growth returns the medians of the second and the last third of values, and
// whether that is growth by more than a fifth and the slack.
func growth(values []float64, slack float64) (second, last float64, grows bool) {
	third := len(values) / 3
	second, last = median(values[third:2*third]), median(values[2*third:])
	return second, last, last > 1.2*second+slack
}

func median(values []float64) float64 { return slices.Sorted(slices.Values(values))[len(values)/2] }

func TestGrowthIsSeen(t *testing.T) {
	for name, c := range map[string]struct {
		values []float64
		want   bool
	}{
		"flat":                   {[]float64{10, 10, 10, 10, 10, 10, 10, 10, 10}, false},
		"a steady leak":          {[]float64{10, 20, 30, 40, 50, 60, 70, 80, 90}, true},
		"a warm-up":              {[]float64{1, 50, 90, 100, 100, 100, 100, 100, 100}, false},
		"peaks":                  {[]float64{10, 10, 10, 10, 10, 10, 10, 99, 10}, false},
		"within a fifth":         {[]float64{10, 10, 10, 100, 100, 100, 119, 119, 119}, false},
		"small, within slack":    {[]float64{1, 1, 1, 1, 1, 1, 3, 3, 3}, false},
		"over a fifth and slack": {[]float64{10, 10, 10, 100, 100, 100, 123, 123, 123}, true},
	} {
		if _, _, got := growth(c.values, 2); got != c.want {
			t.Errorf("%s: got growth: %v, want %v", name, got, c.want)
		}
	}
}
