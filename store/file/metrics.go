package file

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddyserver/caddy/v2"
)

// heldEvents is the number of events in files. The memory store shows its own
// under the same name, with another label.
type heldEvents struct{ desc *prometheus.Desc }

var held = heldEvents{prometheus.NewDesc("caddy_meta_webhook_dedup_events",
	"Delivered events that the store holds, with those whose window has ended and that have not been removed yet.",
	[]string{"name"}, prometheus.Labels{"store": "file"})}

// Describe implements prometheus.Collector.
func (h heldEvents) Describe(descs chan<- *prometheus.Desc) { descs <- h.desc }

// Collect implements prometheus.Collector.
func (h heldEvents) Collect(metrics chan<- prometheus.Metric) {
	sizes := make(map[string]int64) // a name may have two folders while it moves from one to the other
	// What the pool holds stays open for as long as it is ranged over.
	ledgers.Range(func(_, open any) bool {
		l := open.(sharedLedger)
		sizes[l.name] += l.Len()
		return true
	})
	for name, size := range sizes {
		metrics <- prometheus.MustNewConstMetric(h.desc, prometheus.GaugeValue, float64(size), name)
	}
}

// register has the metrics of this configuration show what the store counts.
func register(ctx caddy.Context) error {
	err := ctx.GetMetricsRegistry().Register(held)
	if _, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		return nil
	}
	return err
}

// Interface guard
var _ prometheus.Collector = heldEvents{}
