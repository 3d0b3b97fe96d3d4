package harness

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/caddyproc"
)

// A Soak is a test that runs a process for a long time, and has what the process
// takes stay as it is.
type Soak struct {
	// For how long it runs.
	Lasts time.Duration

	t        *testing.T
	settles  time.Duration
	measures []Measure
	begin    time.Time
	samples  []soakSample
}

// SoakSamples is how often a soak looks at its process.
const SoakSamples = 180

const soakRows = 3 // samples of which the table has one

// A Measure is something that has to stay as it is.
type Measure struct {
	Name    string
	Metric  string // its name, or the name of what the test itself measures
	Label   string // that counts, such as state="dead", if not all do
	Unit    float64
	Slack   float64 // in that unit, beside a fifth
	Settles bool    // it takes some time to level off
}

// ofProcess is what every process takes.
var ofProcess = []Measure{
	{Name: "heap (MB)", Metric: "go_memstats_heap_alloc_bytes", Unit: 1e6, Slack: 0.5},
	{Name: "goroutines", Metric: "go_goroutines", Slack: 10},
	{Name: "open files", Metric: "process_open_fds", Slack: 10},
	{Name: "resident (MB)", Metric: "process_resident_memory_bytes", Unit: 1e6, Slack: 10, Settles: true},
}

// A soakSample is what a process takes at a time.
type soakSample struct {
	at     time.Duration
	events int // that were answered 200 until then

	// By measure. One that the system does not tell is missing.
	of map[string]float64
}

// NewSoak returns a soak that measures more than every process takes. Some of
// that may take a while to level off. The test is skipped unless
// META_WEBHOOK_SOAK says how long it is to take.
func NewSoak(t *testing.T, settles time.Duration, measures ...Measure) *Soak {
	t.Helper()
	given := os.Getenv("META_WEBHOOK_SOAK")
	if given == "" {
		t.Skip("SKIPPED: this test takes as long as META_WEBHOOK_SOAK says, such as 30m; it is no part of CI, and META_WEBHOOK_TEST_ALL does not run it")
	}
	lasts, err := time.ParseDuration(given)
	if err != nil || lasts < time.Minute {
		t.Fatalf("META_WEBHOOK_SOAK: got %q, want a minute at least", given)
	}
	if end, ok := t.Deadline(); ok && time.Until(end) < lasts+3*Patience {
		t.Fatalf("got %v until the tests time out, want a -timeout of %v or more", time.Until(end).Round(time.Second), lasts+4*Patience)
	}
	return &Soak{Lasts: lasts, t: t, settles: settles, measures: append(slices.Clone(ofProcess), measures...)}
}

// Begin notes that the process runs.
func (s *Soak) Begin() { s.begin = time.Now() }

// Wait waits until the next sample is due.
func (s *Soak) Wait() {
	time.Sleep(time.Until(s.begin.Add(s.Lasts * time.Duration(len(s.samples)+1) / SoakSamples)))
}

// Sample has the process collect its garbage, and looks at it. There are so many
// events that were answered 200, and what the test has measured itself.
func (s *Soak) Sample(p *caddyproc.Process, events int, measured map[string]float64) {
	s.t.Helper()
	sample := soakSample{at: time.Since(s.begin), events: events, of: make(map[string]float64)}
	AdminGet(s.t, p, "/debug/pprof/heap?gc=1")
	metrics := AdminGet(s.t, p, "/metrics")
	for _, m := range s.measures {
		value, ok := measured[m.Metric]
		if !ok {
			value, ok = MetricOf(metrics, m.Metric, m.Label)
		}
		if ok {
			sample.of[m.Name] = value / max(m.Unit, 1)
		}
	}
	s.samples = append(s.samples, sample)
}

// MetricOf returns the sum of a metric, of those of its series that have a
// label, and whether there are any.
func MetricOf(metrics, name, label string) (sum float64, ok bool) {
	for line := range strings.Lines(metrics) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if of, labels, _ := strings.Cut(series, "{"); of != name || !strings.Contains(labels, label) {
			continue
		}
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			sum, ok = sum+n, true
		}
	}
	return sum, ok
}

// SizeOf returns how many bytes the files take whose names match a pattern, of
// which there is one at least.
func SizeOf(t *testing.T, pattern string) (size float64) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: got no files and error %v, want some", pattern, err)
	}
	for _, file := range files {
		if info, err := os.Stat(file); err == nil { // files come and go
			size += float64(info.Size())
		}
	}
	return size
}

// AdminGet returns what the admin endpoint answers. A reload that replaces the
// endpoint may break the connection.
func AdminGet(t *testing.T, p *caddyproc.Process, target string) (body string) {
	t.Helper()
	client := http.Client{Timeout: Patience, Transport: &http.Transport{DisableKeepAlives: true}}
	Eventually(t, "an answer of the admin endpoint to "+target, func() bool {
		res, err := client.Get(p.AdminURL(target))
		if err != nil {
			return false
		}
		a, err := ReadAnswer(res)
		body = a.Body
		return err == nil && a.Status == http.StatusOK
	})
	return body
}

// table returns a table of the samples in Markdown.
func (s *Soak) table() string {
	var b strings.Builder
	b.WriteString("| minute | events |")
	for _, m := range s.measures {
		fmt.Fprintf(&b, " %s |", m.Name)
	}
	b.WriteString("\n|" + strings.Repeat("---:|", 2+len(s.measures)) + "\n")
	for i := soakRows - 1; i < len(s.samples); i += soakRows {
		fmt.Fprintf(&b, "| %.1f | %d |", s.samples[i].at.Minutes(), s.samples[i].events)
		for _, m := range s.measures {
			switch value, ok := s.samples[i].of[m.Name]; {
			case !ok:
				b.WriteString(" – |")
			case m.Unit > 1:
				fmt.Fprintf(&b, " %.1f |", value)
			default:
				fmt.Fprintf(&b, " %.0f |", value)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// WantLevel fails the test if something grows: if its median in the last third
// of the run is more than in the second. The first third is for warming up.
func (s *Soak) WantLevel() {
	s.t.Helper()
	s.t.Logf("what one process took:\n\n%s", s.table())
	for _, m := range s.measures {
		var values []float64
		for _, sample := range s.samples {
			if value, ok := sample.of[m.Name]; ok {
				values = append(values, value)
			}
		}
		if len(values) < len(s.samples) {
			s.t.Logf("NOT CHECKED: %s, which was in %d of %d samples", m.Name, len(values), len(s.samples))
			continue
		}
		if m.Settles && s.Lasts/3 < s.settles {
			s.t.Logf("NOT CHECKED: %s, as it takes more than %v to level off", m.Name, 3*s.settles)
			continue
		}
		second, last, grows := growth(values, m.Slack)
		s.t.Logf("%s: median %.1f in the second third, %.1f in the last", m.Name, second, last)
		if grows {
			s.t.Errorf("%s: got a median of %.1f in the last third, want at most a fifth and %v over the %.1f of the second", m.Name, last, m.Slack, second)
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
