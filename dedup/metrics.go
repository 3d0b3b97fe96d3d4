package dedup

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

// register has the metrics of this configuration show what the stores count.
func register(ctx caddy.Context) error {
	err := ctx.GetMetricsRegistry().Register(evictedEvents)
	if _, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		return nil
	}
	return err
}
