package store

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

// rememberedEvents tells how many events there are in memory and in files. A
// database would have to count them.
type rememberedEvents struct{ desc *prometheus.Desc }

var remembered = rememberedEvents{prometheus.NewDesc("caddy_meta_webhook_dedup_events",
	"Delivered events that the store holds, with those whose window has ended and whose place nothing has taken yet.", []string{"name", "store"}, nil)}

// Describe implements prometheus.Collector.
func (r rememberedEvents) Describe(descs chan<- *prometheus.Desc) { descs <- r.desc }

// Collect implements prometheus.Collector.
func (r rememberedEvents) Collect(metrics chan<- prometheus.Metric) {
	type series struct{ name, store string }
	sizes := make(map[series]int64) // a name may have two files while it moves from one to the other
	memories.Range(func(name, state any) bool {
		sizes[series{name.(string), "memory"}] += int64(state.(memoryState).set.size())
		return true
	})
	// What the pool holds stays open for as long as it is ranged over.
	fileStates.Range(func(key, _ any) bool {
		k := key.(fileStateKey)
		if size, err := newFileSet(k.file, k.name, nil).size(); err == nil {
			sizes[series{k.name, "file"}] += size
		}
		return true
	})
	for of, size := range sizes {
		metrics <- prometheus.MustNewConstMetric(r.desc, prometheus.GaugeValue, float64(size), of.name, of.store)
	}
}

// register has the metrics of this configuration show what the stores count.
func register(ctx caddy.Context) error {
	for _, collector := range []prometheus.Collector{evictedEvents, remembered} {
		err := ctx.GetMetricsRegistry().Register(collector)
		if _, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); err != nil && !ok {
			return err
		}
	}
	return nil
}

// Interface guard
var _ prometheus.Collector = rememberedEvents{}
