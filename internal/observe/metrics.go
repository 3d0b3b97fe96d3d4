package observe

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

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
		"Events of authentic notifications, by object, kind, and outcome: delivered, duplicate of an earlier one, or failed; or stored, or unmatched by any destination.")),
		[]string{"name", "object", "kind", "outcome"})
	deliveryDuration = prometheus.NewHistogramVec(histogram("delivery_duration_seconds",
		"How long the next handler took for what it was handed.", prometheus.DefBuckets), []string{"name"})
	notificationSize = prometheus.NewHistogramVec(histogram("notification_size_bytes",
		"Size of the bodies of authentic notifications.", prometheus.ExponentialBuckets(256, 4, 8)), []string{"name"})
	storeErrors = prometheus.NewCounterVec(prometheus.CounterOpts(metric("store_errors_total",
		"Calls to the store of delivered events that failed, by operation.")), []string{"name", "operation"})
	dedupWait = prometheus.NewHistogramVec(histogram("dedup_wait_seconds",
		"How long duplicates waited for the outcome of a delivery.", prometheus.DefBuckets), []string{"name"})
)

// The collectors of stored delivery.
var (
	attemptsTotal = prometheus.NewCounterVec(prometheus.CounterOpts(metric("attempts_total",
		"Attempts to deliver stored events, by destination and outcome: delivered, or why it failed.")), []string{"name", "destination", "outcome"})
	deadTotal = prometheus.NewCounterVec(prometheus.CounterOpts(metric("dead_events_total",
		"Stored events that were given up, by destination and the cause of the last failure.")), []string{"name", "destination", "cause"})
	destinationClosed = prometheus.NewGaugeVec(prometheus.GaugeOpts(metric("destination_closed",
		"1 while a destination is down and only probed, else 0.")), []string{"name", "destination"})
	destinationGiveUp = prometheus.NewGaugeVec(prometheus.GaugeOpts(metric("destination_give_up_seconds",
		"How long an event is tried before it is dead.")), []string{"name", "destination"})
	storeWrite = prometheus.NewHistogramVec(histogram("store_write_seconds",
		"How long the store took to have the events of a notification safe, its sync to the disk included.",
		prometheus.ExponentialBuckets(0.0005, 2, 14)), []string{"name"})
)

// A countsOfNames is a collector that has what it counts by the handlers' names.
type countsOfNames interface {
	prometheus.Collector
	DeletePartialMatch(prometheus.Labels) int
}

var countsByName = []countsOfNames{
	verificationsTotal, notificationsTotal, eventsTotal, deliveryDuration, notificationSize, storeErrors, dedupWait,
	attemptsTotal, deadTotal, destinationClosed, destinationGiveUp, storeWrite,
}

func metric(name, help string) prometheus.Opts {
	return prometheus.Opts{Namespace: "caddy", Subsystem: "meta_webhook", Name: name, Help: help}
}

func histogram(name, help string, buckets []float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{Namespace: "caddy", Subsystem: "meta_webhook", Name: name, Help: help, Buckets: buckets}
}

// The outcomes of events.
const (
	outcomeDelivered = "delivered"
	outcomeDuplicate = "duplicate"
	outcomeFailed    = "failed"
	outcomeStored    = "stored"
	outcomeUnmatched = "unmatched"
)

// A meter counts for one handler.
type meter struct {
	verification             *prometheus.CounterVec
	notification             *prometheus.CounterVec
	errors                   *prometheus.CounterVec
	deliveries, sizes, waits prometheus.Observer

	taken  prometheus.Counter // notifications with the result ok
	events *prometheus.CounterVec

	mu    sync.RWMutex
	known map[eventLabels]prometheus.Counter // of events, those that were needed so far
}

// eventLabels are the labels of an event's counter, but for the name.
type eventLabels struct{ object, kind, outcome string }

// newMeter returns the meter of the handler of this name, and has the metrics
// of the configuration show what it counts.
func newMeter(ctx caddy.Context, name string) (*meter, error) {
	for _, c := range countsByName {
		if err := register(ctx, c); err != nil {
			return nil, err
		}
	}
	for _, c := range []prometheus.Collector{undelivered, queued} {
		if err := register(ctx, c); err != nil {
			return nil, err
		}
	}
	label := prometheus.Labels{"name": name}
	m := &meter{
		verification: verificationsTotal.MustCurryWith(label),
		notification: notificationsTotal.MustCurryWith(label),
		events:       eventsTotal.MustCurryWith(label),
		errors:       storeErrors.MustCurryWith(label),
		deliveries:   deliveryDuration.With(label),
		sizes:        notificationSize.With(label),
		waits:        dedupWait.With(label),
		known:        make(map[eventLabels]prometheus.Counter),
	}
	// what has not happened yet is shown as zero
	m.verification.WithLabelValues(ResultOK)
	m.taken = m.notification.WithLabelValues(ResultOK)
	return m, nil
}

// register has the metrics of a configuration show what c counts.
func register(ctx caddy.Context, c prometheus.Collector) error {
	err := ctx.GetMetricsRegistry().Register(c)
	if _, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		return nil
	}
	return err
}

// forgetCounts drops what was counted under a name.
func forgetCounts(name string) {
	for _, c := range countsByName {
		c.DeletePartialMatch(prometheus.Labels{"name": name})
	}
}

// counts returns what was counted under a name, summed up by a label.
func counts(of *prometheus.CounterVec, name, by string) map[string]uint64 {
	collected := make(chan prometheus.Metric)
	go func() {
		of.Collect(collected)
		close(collected)
	}()
	sums := make(map[string]uint64)
	for c := range collected {
		var m dto.Metric
		if err := c.Write(&m); err != nil {
			continue
		}
		labels := make(map[string]string)
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		if labels["name"] == name {
			sums[labels[by]] += uint64(m.GetCounter().GetValue())
		}
	}
	return sums
}

// An undeliveredCollector shows what is not delivered, as the states have it.
type undeliveredCollector struct{ inFlight, oldest *prometheus.Desc }

var undelivered = undeliveredCollector{
	inFlight: prometheus.NewDesc("caddy_meta_webhook_notifications_in_flight",
		"Authentic notifications that are not answered yet.", []string{"name"}, nil),
	oldest: prometheus.NewDesc("caddy_meta_webhook_oldest_undelivered_age_seconds",
		"How long ago the oldest event first came that is in flight, or failed and was not delivered since. 0 without any.",
		[]string{"name"}, nil),
}

// Describe implements prometheus.Collector.
func (u undeliveredCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- u.inFlight
	descs <- u.oldest
}

// Collect implements prometheus.Collector.
func (u undeliveredCollector) Collect(metrics chan<- prometheus.Metric) {
	now := time.Now()
	states.Range(func(_, value any) bool {
		s := value.(*State)
		inFlight, _, oldest := s.undelivered(now)
		age := 0.0
		if !oldest.IsZero() {
			age = max(0, now.Sub(oldest).Seconds())
		}
		metrics <- prometheus.MustNewConstMetric(u.inFlight, prometheus.GaugeValue, float64(inFlight), s.name)
		metrics <- prometheus.MustNewConstMetric(u.oldest, prometheus.GaugeValue, age, s.name)
		return true
	})
}

// answered counts a request by what it was answered with.
func (m *meter) answered(method, result string) {
	switch {
	case method == http.MethodGet:
		m.verification.WithLabelValues(result).Inc()
	case result == ResultOK:
		m.taken.Inc()
	default:
		m.notification.WithLabelValues(result).Inc()
	}
}

// count counts events with an outcome.
func (m *meter) count(events []event.Event, outcome string) {
	for len(events) > 0 {
		first, n := &events[0], 1
		for n < len(events) && events[n].SameKind(first) {
			n++
		}
		m.counter(eventLabels{label(knownObjects, first.Object()), label(knownKinds, first.Kind()), outcome}).Add(float64(n))
		events = events[n:]
	}
}

// counter returns the counter of events with these labels. Many times, it is
// one that was needed before, and found faster here than in the vector.
func (m *meter) counter(l eventLabels) prometheus.Counter {
	m.mu.RLock()
	c, ok := m.known[l]
	m.mu.RUnlock()
	if !ok {
		c = m.events.WithLabelValues(l.object, l.kind, l.outcome)
		m.mu.Lock()
		m.known[l] = c
		m.mu.Unlock()
	}
	return c
}

// since observes the seconds that have passed.
func since(o prometheus.Observer, start time.Time) { o.Observe(time.Since(start).Seconds()) }

// Interface guard
var _ prometheus.Collector = undeliveredCollector{}
