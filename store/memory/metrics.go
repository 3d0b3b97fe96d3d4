package memory

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddyserver/caddy/v2"
)

// evictedEvents counts over reloads, though every configuration has a
// registry of its own.
var evictedEvents = prometheus.NewCounterVec(prometheus.CounterOpts{
	Namespace: "caddy",
	Subsystem: "meta_webhook",
	Name:      "dedup_evicted_events_total",
	Help:      "Delivered events that were forgotten before their window ended, because max_events was reached.",
}, []string{"name"})

// heldEvents is the number of events in memory. The file store shows its own
// under the same name, with another label.
type heldEvents struct{ desc *prometheus.Desc }

var held = heldEvents{prometheus.NewDesc("caddy_meta_webhook_dedup_events",
	"Delivered events that the store holds, with those whose window has ended and that have not been removed yet.",
	[]string{"name"}, prometheus.Labels{"store": "memory"})}

// Describe implements prometheus.Collector.
func (h heldEvents) Describe(descs chan<- *prometheus.Desc) { descs <- h.desc }

// Collect implements prometheus.Collector.
func (h heldEvents) Collect(metrics chan<- prometheus.Metric) {
	memories.Range(func(name, shared any) bool {
		size := float64(shared.(memory).set.size())
		metrics <- prometheus.MustNewConstMetric(h.desc, prometheus.GaugeValue, size, name.(string))
		return true
	})
}

// register has the metrics of this configuration show what the store counts.
func register(ctx caddy.Context) error {
	for _, collector := range []prometheus.Collector{evictedEvents, held} {
		err := ctx.GetMetricsRegistry().Register(collector)
		if _, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); err != nil && !ok {
			return err
		}
	}
	return nil
}

// Interface guard
var _ prometheus.Collector = heldEvents{}
