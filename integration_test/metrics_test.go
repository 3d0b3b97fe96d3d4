package integration_test

import (
	"bufio"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// scrape returns the handler's metrics, as a running Caddy shows them.
func (g *gateway) scrape() map[string]string {
	g.t.Helper()
	got := g.do(g.request("GET", "/metrics", nil))
	wantStatus(g.t, got, 200)
	metrics := make(map[string]string)
	for lines := bufio.NewScanner(strings.NewReader(got.body)); lines.Scan(); {
		metric, value, _ := strings.Cut(lines.Text(), "} ")
		if metric, ours := strings.CutPrefix(metric, "caddy_meta_webhook_"); ours && strings.Contains(metric, g.t.Name()) {
			metrics[strings.ReplaceAll(metric, `name="`+g.t.Name()+`"`, "")+"}"] = value
		}
	}
	return metrics
}

func TestMetricsAreScrapedBeforeAndAfterAReload(t *testing.T) {
	u := newUpstream(t, func(w http.ResponseWriter, r received) {
		if strings.Contains(r.body, "poison") {
			w.WriteHeader(500)
		}
	})
	site := func(options ...string) string {
		return lines("metrics /metrics", hook(append(options, "name "+t.Name())...), "reverse_proxy "+u.addr)
	}
	g := start(t, site())
	check := func(when string, want map[string]string) {
		t.Helper()
		got := g.scrape()
		for metric, value := range want {
			if got[metric] != value {
				t.Errorf("%s: got %s %q, want %s", when, metric, got[metric], value)
			}
		}
	}
	check("at the start", map[string]string{"verifications_total{,result=\"ok\"}": "0", "notifications_total{,result=\"ok\"}": "0"})
	g.verify(token, "1")
	g.verify("wrong", "1")
	g.post(page([]string{"a", "b"}))
	g.post(page([]string{"a", "b", "c"}))
	g.post(page([]string{"poison"}))
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
		seconds, err := strconv.ParseFloat(g.scrape()[metric], 64)
		if err != nil {
			t.Errorf("%s: got %s %v, want a number", when, metric, err)
		}
		return seconds
	}
	check("before the reload", want)
	before := age("before the reload")
	g.reload(site("parallel 2"))
	check("after the reload", want)
	if after := age("after the reload"); before <= 0 || after <= before {
		t.Errorf("got an oldest undelivered event of %v s, and then of %v s, want it to get older", before, after)
	}
	g.post(page([]string{"c", "d"}))
	want[`notifications_total{,result="ok"}`] = "3"
	want[`events_total{kind="feed",,object="page",outcome="delivered"}`] = "4"
	want[`events_total{kind="feed",,object="page",outcome="duplicate"}`] = "3"
	want[`dedup_events{,store="memory"}`] = "4"
	want[`delivery_duration_seconds_count{}`] = "5"
	want[`notification_size_bytes_count{}`] = "4"
	check("after more traffic", want)

	g.mustLoad("metrics /metrics")
	eventually(t, "a configuration without the handler's metrics", func() bool { return len(g.scrape()) == 0 })
}
