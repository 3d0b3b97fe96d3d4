package telemetry

import (
	"bufio"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
)

// scrape returns the handler's metrics, as a running Caddy shows them.
func scrape(g *harness.Gateway) map[string]string {
	g.T.Helper()
	got := g.Do(g.Request("GET", "/metrics", nil))
	harness.WantStatus(g.T, got, 200)
	metrics := make(map[string]string)
	for lines := bufio.NewScanner(strings.NewReader(got.Body)); lines.Scan(); {
		metric, value, _ := strings.Cut(lines.Text(), "} ")
		if metric, ours := strings.CutPrefix(metric, "caddy_meta_webhook_"); ours && strings.Contains(metric, g.T.Name()) {
			metrics[strings.ReplaceAll(metric, `name="`+g.T.Name()+`"`, "")+"}"] = value
		}
	}
	return metrics
}

func TestMetricsAreScrapedBeforeAndAfterAReload(t *testing.T) {
	u := harness.NewUpstream(t, func(w http.ResponseWriter, r harness.Received) {
		if strings.Contains(r.Body, "poison") {
			w.WriteHeader(500)
		}
	})
	site := func(options ...string) string {
		return harness.Lines("metrics /metrics", harness.Hook(append(options, "name "+t.Name())...), "reverse_proxy "+u.Addr)
	}
	g := harness.Start(t, site())
	check := func(when string, want map[string]string) {
		t.Helper()
		got := scrape(g)
		for metric, value := range want {
			if got[metric] != value {
				t.Errorf("%s: got %s %q, want %s", when, metric, got[metric], value)
			}
		}
	}
	check("at the start", map[string]string{"verifications_total{,result=\"ok\"}": "0", "notifications_total{,result=\"ok\"}": "0"})
	g.Verify(harness.Token, "1")
	g.Verify("wrong", "1")
	g.Post(harness.Page([]string{"a", "b"}))
	g.Post(harness.Page([]string{"a", "b", "c"}))
	g.Post(harness.Page([]string{"poison"}))
	want := map[string]string{
		`verifications_total{,result="ok"}`:                            "1",
		`verifications_total{,result="verify_token_mismatch"}`:         "1",
		`notifications_total{,result="ok"}`:                            "2",
		`events_total{kind="feed",,object="page",outcome="delivered"}`: "3",
		`events_total{kind="feed",,object="page",outcome="duplicate"}`: "2",
		`notifications_total{,result="delivery_failed"}`:               "1",
		`events_total{kind="feed",,object="page",outcome="failed"}`:    "1",
		`dedup_events{,store="memory"}`:                                "3",
		`delivery_duration_seconds_count{}`:                            "4",
		`notification_size_bytes_count{}`:                              "3",
		`notifications_in_flight{}`:                                    "0",
	}
	age := func(when string) float64 {
		t.Helper()
		const metric = `oldest_undelivered_age_seconds{}`
		seconds, err := strconv.ParseFloat(scrape(g)[metric], 64)
		if err != nil {
			t.Errorf("%s: got %s %v, want a number", when, metric, err)
		}
		return seconds
	}
	check("before the reload", want)
	before := age("before the reload")
	g.Reload(site("parallel 2"))
	check("after the reload", want)
	if after := age("after the reload"); before <= 0 || after <= before {
		t.Errorf("got an oldest undelivered event of %v s, and then of %v s, want it to get older", before, after)
	}
	g.Post(harness.Page([]string{"c", "d"}))
	want[`notifications_total{,result="ok"}`] = "3"
	want[`events_total{kind="feed",,object="page",outcome="delivered"}`] = "4"
	want[`events_total{kind="feed",,object="page",outcome="duplicate"}`] = "3"
	want[`dedup_events{,store="memory"}`] = "4"
	want[`delivery_duration_seconds_count{}`] = "5"
	want[`notification_size_bytes_count{}`] = "4"
	check("after more traffic", want)

	g.MustLoad("metrics /metrics")
	harness.Eventually(t, "a configuration without the handler's metrics", func() bool { return len(scrape(g)) == 0 })
}
