// The metrics of a handler over its life.

package metawebhook

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/delivery"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/observe"
)

// A scrape is the values of the metrics of one name, by metric and labels.
type scrape map[string]float64

func scraped(t *testing.T, ctx caddy.Context, name string) scrape {
	t.Helper()
	families, err := ctx.GetMetricsRegistry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	s := make(scrape)
	for _, family := range families {
		metric, ours := strings.CutPrefix(family.GetName(), "caddy_meta_webhook_")
		for _, m := range family.GetMetric() {
			key, mine := metric, false
			for _, label := range m.GetLabel() {
				if label.GetName() == "name" {
					mine = label.GetValue() == name
				} else {
					key += " " + label.GetValue()
				}
			}
			if ours && mine {
				s[key] = value(m)
			}
		}
	}
	return s
}

func value(m *dto.Metric) float64 {
	switch {
	case m.Counter != nil:
		return m.Counter.GetValue()
	case m.Gauge != nil:
		return m.Gauge.GetValue()
	}
	return float64(m.Histogram.GetSampleCount())
}

func TestMetricsCountOverReloads(t *testing.T) {
	name := t.Name()
	ctx := newContext(t)
	load := func(ctx caddy.Context) *Handler {
		h := &Handler{Name: name, VerifyToken: []string{testToken}, AppSecret: []string{testSecret}}
		if err := provision(t, ctx, h); err != nil {
			t.Fatal(err)
		}
		return h
	}
	h := load(ctx)
	get := func(query string) {
		serve(h, newRequest(http.MethodGet, "https://example.com/?"+query, ""), new(app))
	}
	get("hub.mode=subscribe&hub.challenge=1&hub.verify_token=correct+horse")
	get("hub.mode=subscribe&hub.challenge=1&hub.verify_token=wrong")
	get("")
	serve(h, newRequest(http.MethodPut, "https://example.com/", ""), new(app))
	serve(h, newRequest(http.MethodPost, "https://example.com/", testBody), new(app))
	wantAnswer(t, h, testBody, &app{answer: failing(`"n":2`)}, 502, observe.DeliveryFailed)
	inFlight := 0.0
	wantAnswer(t, h, testBody, &app{answer: func(http.ResponseWriter, *http.Request, string) error {
		inFlight = scraped(t, ctx, name)["notifications_in_flight"]
		return nil
	}}, 200, "")
	if inFlight != 1 {
		t.Errorf("got %v notifications in flight while one was, want 1", inFlight)
	}
	wantAnswer(t, h, testBody, new(app), 200, "")
	store := watch(t, h)
	store.fail = func(call string) error { return errors.New(call) }
	wantAnswer(t, h, `{"object":"`+name+`","entry":{"id":"1","changed_fields":["a"]}}`, new(app), 200, "")

	reloaded := newContext(t)
	load(reloaded)
	for _, ctx := range []caddy.Context{ctx, reloaded} {
		got := scraped(t, ctx, name)
		for metric, want := range (scrape{
			"verifications_total ok": 1, "verifications_total verify_token_mismatch": 1, "verifications_total verification_malformed": 1,
			"notifications_total ok": 3, "notifications_total method_not_allowed": 1,
			"notifications_total signature_missing": 1, "notifications_total delivery_failed": 1,
			"events_total feed page delivered": 2, "events_total feed page failed": 1, "events_total feed page duplicate": 3,
			"events_total mention page delivered": 1, "events_total mention page duplicate": 2, "events_total other other delivered": 1,
			"delivery_duration_seconds": 5, "notification_size_bytes": 4, "notifications_in_flight": 0,
			"oldest_undelivered_age_seconds": 0, "store_errors_total claim": 1, "dedup_wait_seconds": 0, "dedup_events memory": 3,
			"dedup_evicted_events_total": 0,
		}) {
			if got[metric] != want {
				t.Errorf("got %s %v, want %v", metric, got[metric], want)
			}
			delete(got, metric)
		}
		for metric, value := range got {
			t.Errorf("got %s %v, want no such metric", metric, value)
		}
	}
}

func TestMetricsAreWellNamed(t *testing.T) {
	ctx := newContext(t)
	h := &Handler{Name: t.Name(), VerifyToken: []string{testToken}, AppSecret: []string{testSecret}}
	if err := provision(t, ctx, h); err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, h, testBody, new(app), 200, "")
	families, err := ctx.GetMetricsRegistry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	var ours []*dto.MetricFamily
	for _, family := range families {
		if strings.HasPrefix(family.GetName(), "caddy_meta_webhook_") {
			ours = append(ours, family)
		}
	}
	problems, err := promlint.NewWithMetricFamilies(ours).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("got error %v and %v, want no problems", err, problems)
	}
}

// TestSendersDoNotMakeLabels has ten thousand objects and fields that nobody
// knows.
func TestSendersDoNotMakeLabels(t *testing.T) {
	ctx := newContext(t)
	h := &Handler{Name: t.Name(), VerifyToken: []string{testToken}, AppSecret: []string{testSecret}}
	h.Deliver = delivery.Batch
	if err := provision(t, ctx, h); err != nil {
		t.Fatal(err)
	}
	before := len(scraped(t, ctx, h.Name))
	for round := range 10 {
		var body strings.Builder
		io.WriteString(&body, "[")
		for i := range 1000 {
			if i > 0 {
				body.WriteByte(',')
			}
			n := 1000*round + i
			fmt.Fprintf(&body, `{"object":"o%d","entry":{"id":"%d","changes":[{"field":"f%d","value":1}]}}`, n, n, n)
		}
		io.WriteString(&body, "]")
		wantAnswer(t, h, body.String(), new(app), 200, "")
	}
	after := scraped(t, ctx, h.Name)
	if len(after) != before+1 || after["events_total other other delivered"] != 10_000 {
		t.Errorf("got %d series and %v, before %d, want one more, for all events", len(after), after, before)
	}
}

// TestMetricsGoWithTheirHandler takes a handler out of the configuration.
func TestMetricsGoWithTheirHandler(t *testing.T) {
	ctx := newContext(t)
	h := &Handler{Name: t.Name(), VerifyToken: []string{testToken}, AppSecret: []string{testSecret}}
	if err := h.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, h, testBody, new(app), 200, "")
	if got := scraped(t, ctx, h.Name); len(got) == 0 {
		t.Fatal("got no metrics of a handler, want some")
	}
	if err := h.Cleanup(); err != nil {
		t.Fatal(err)
	}
	if got := scraped(t, ctx, h.Name); len(got) > 0 {
		t.Errorf("got %v of a handler that is gone, want nothing", got)
	}
}
