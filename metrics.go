package metawebhook

import (
	"errors"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// The collectors count over reloads, though every configuration has a registry
// of its own. Their labels are the names of handlers and words of a fixed set:
// nothing that a sender chooses becomes one.
var (
	verificationsTotal = prometheus.NewCounterVec(prometheus.CounterOpts(metric("verifications_total",
		"Verification requests, by result: ok, or the reason why they were refused.")), []string{"name", "result"})
	notificationsTotal = prometheus.NewCounterVec(prometheus.CounterOpts(metric("notifications_total",
		"Notifications, by result: ok, or the reason why they were refused or have to come again.")), []string{"name", "result"})
	eventsTotal = prometheus.NewCounterVec(prometheus.CounterOpts(metric("events_total",
		"Events of authentic notifications, by object and outcome: delivered, duplicate of a delivered one, or failed.")),
		[]string{"name", "object", "outcome"})
	deliveryDuration = prometheus.NewHistogramVec(histogram("delivery_duration_seconds",
		"How long the next handler took for what it was handed.", prometheus.DefBuckets), []string{"name"})
	notificationSize = prometheus.NewHistogramVec(histogram("notification_size_bytes",
		"Size of the bodies of authentic notifications.", prometheus.ExponentialBuckets(256, 4, 8)), []string{"name"})
	notificationsInFlight = prometheus.NewGaugeVec(prometheus.GaugeOpts(metric("notifications_in_flight",
		"Authentic notifications that are not answered yet.")), []string{"name"})
	dedupErrors = prometheus.NewCounterVec(prometheus.CounterOpts(metric("dedup_errors_total",
		"Calls to the store of delivered events that failed, by operation.")), []string{"name", "operation"})
	dedupWait = prometheus.NewHistogramVec(histogram("dedup_wait_seconds",
		"How long duplicates waited for the outcome of a delivery.", prometheus.DefBuckets), []string{"name"})
)

func metric(name, help string) prometheus.Opts {
	return prometheus.Opts{Namespace: "caddy", Subsystem: "meta_webhook", Name: name, Help: help}
}

func histogram(name, help string, buckets []float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{Namespace: "caddy", Subsystem: "meta_webhook", Name: name, Help: help, Buckets: buckets}
}

// resultOK is the result of a request that was not refused.
const resultOK = "ok"

// The outcomes of events.
const (
	outcomeDelivered = "delivered"
	outcomeDuplicate = "duplicate"
	outcomeFailed    = "failed"
)

// knownObjects are those that Meta documents. The metrics call others other.
var knownObjects = map[string]bool{
	"ad_account": true, "application": true, "certificate_transparency": true, "group": true, "instagram": true,
	"page": true, "payments": true, "permissions": true, "threads": true, "unknown": true, "user": true,
	"whatsapp_business_account": true, "workplace_security": true,
}

// A meter counts for one handler.
type meter struct {
	name                     string
	verification             *prometheus.CounterVec
	notification             *prometheus.CounterVec
	events                   *prometheus.CounterVec
	errors                   *prometheus.CounterVec
	deliveries, sizes, waits prometheus.Observer
	inFlight                 prometheus.Gauge
}

// newMeter returns the meter of the handler of this name, and has the metrics
// of the configuration show what it counts.
func newMeter(ctx caddy.Context, name string) (*meter, error) {
	registry := ctx.GetMetricsRegistry()
	for _, collector := range []prometheus.Collector{
		verificationsTotal, notificationsTotal, eventsTotal, deliveryDuration,
		notificationSize, notificationsInFlight, dedupErrors, dedupWait,
	} {
		err := registry.Register(collector)
		if _, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); err != nil && !ok {
			return nil, err
		}
	}
	label := prometheus.Labels{"name": name}
	m := &meter{
		name:         name,
		verification: verificationsTotal.MustCurryWith(label),
		notification: notificationsTotal.MustCurryWith(label),
		events:       eventsTotal.MustCurryWith(label),
		errors:       dedupErrors.MustCurryWith(label),
		deliveries:   deliveryDuration.With(label),
		sizes:        notificationSize.With(label),
		waits:        dedupWait.With(label),
		inFlight:     notificationsInFlight.With(label),
	}
	// what has not happened yet is shown as zero
	m.verification.WithLabelValues(resultOK)
	m.notification.WithLabelValues(resultOK)
	return m, nil
}

// answered counts a request by what it was answered with, for the access log,
// too.
func (m *meter) answered(r *http.Request, result string) {
	if r.Method == http.MethodGet {
		m.verification.WithLabelValues(result).Inc()
	} else {
		m.notification.WithLabelValues(result).Inc()
	}
	accessLog(r, zap.String("meta_webhook.result", result))
}

// count counts events with an outcome.
func (m *meter) count(events []event.Event, outcome string) {
	for len(events) > 0 {
		object, n := events[0].Object(), 1
		for n < len(events) && events[n].Object() == object {
			n++
		}
		if !knownObjects[object] {
			object = "other"
		}
		m.events.WithLabelValues(object, outcome).Add(float64(n))
		events = events[n:]
	}
}

// since observes the seconds that have passed.
func since(o prometheus.Observer, start time.Time) { o.Observe(time.Since(start).Seconds()) }
