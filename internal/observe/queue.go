package observe

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// QueueStats is how much is stored under a name.
type QueueStats struct {
	Bytes, Capacity, Free, Damaged int64
	Destinations                   []QueuedStats
}

// QueuedStats is how much is stored for a destination.
type QueuedStats struct {
	Destination             string
	Waiting, UnderWay, Dead int64
	Oldest                  time.Time // since when the oldest has been waiting; zero without any
	Paused                  bool
}

// scrapeTimeout is how long a store may take to say what it holds.
const scrapeTimeout = 5 * time.Second

// WatchQueue has the metrics ask for what is stored under the observer's name,
// until the function that it returns is called.
func (o *Observer) WatchQueue(stats func(context.Context) (QueueStats, error)) (stop func()) {
	return o.state.queue.watch(stats)
}

// Written states since when the store was at the write of a notification that
// it has now.
func (o *Observer) Written(start time.Time) { since(storeWrite.WithLabelValues(o.name), start) }

// A queueWatch is how a state knows what is stored. Two configurations may
// both watch during a reload; they see the same store.
type queueWatch struct {
	mu    sync.Mutex
	next  int
	stats map[int]func(context.Context) (QueueStats, error)
}

func (q *queueWatch) watch(stats func(context.Context) (QueueStats, error)) (stop func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stats == nil {
		q.stats = make(map[int]func(context.Context) (QueueStats, error))
	}
	key := q.next
	q.next++
	q.stats[key] = stats
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		delete(q.stats, key)
	}
}

// look returns what is stored. It reports false where nothing is.
func (q *queueWatch) look() (QueueStats, bool) {
	q.mu.Lock()
	var stats func(context.Context) (QueueStats, error)
	for _, stats = range q.stats {
		break
	}
	q.mu.Unlock()
	if stats == nil {
		return QueueStats{}, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	found, err := stats(ctx)
	return found, err == nil
}

// A queueCollector shows what is stored.
type queueCollector struct {
	events, oldest, paused *prometheus.Desc
	bytes, capacity, free  *prometheus.Desc
	damaged                *prometheus.Desc
}

var queued = func() queueCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("caddy_meta_webhook_"+name, help, append([]string{"name"}, labels...), nil)
	}
	return queueCollector{
		events:   desc("stored_events", "Stored events by destination and state: waiting, under_way or dead.", "destination", "state"),
		oldest:   desc("oldest_waiting_age_seconds", "How long the oldest stored event has been waiting for its delivery. 0 without any.", "destination"),
		paused:   desc("destination_paused", "1 while a person keeps a destination from being delivered to, else 0.", "destination"),
		bytes:    desc("store_bytes", "What is stored, in bytes."),
		capacity: desc("store_capacity_bytes", "What may be stored, in bytes. 0 without a limit."),
		free:     desc("store_free_bytes", "What the disk of the store has left, in bytes."),
		damaged:  desc("store_damaged_batches_total", "Batches of stored events that were damaged and set aside, since the process began."),
	}
}()

// Describe implements prometheus.Collector.
func (q queueCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{q.events, q.oldest, q.paused, q.bytes, q.capacity, q.free, q.damaged} {
		descs <- d
	}
}

// Collect implements prometheus.Collector.
func (q queueCollector) Collect(metrics chan<- prometheus.Metric) {
	states.Range(func(_, value any) bool {
		s := value.(*State)
		stats, ok := s.queue.look()
		if !ok {
			return true
		}
		gauge := func(d *prometheus.Desc, value float64, labels ...string) {
			metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, append([]string{s.name}, labels...)...)
		}
		gauge(q.bytes, float64(stats.Bytes))
		gauge(q.capacity, float64(stats.Capacity))
		if stats.Free >= 0 {
			gauge(q.free, float64(stats.Free))
		}
		metrics <- prometheus.MustNewConstMetric(q.damaged, prometheus.CounterValue, float64(stats.Damaged), s.name)
		now := time.Now()
		for _, d := range stats.Destinations {
			gauge(q.events, float64(d.Waiting), d.Destination, "waiting")
			gauge(q.events, float64(d.UnderWay), d.Destination, "under_way")
			gauge(q.events, float64(d.Dead), d.Destination, "dead")
			age, paused := 0.0, 0.0
			if !d.Oldest.IsZero() {
				age = max(0, now.Sub(d.Oldest).Seconds())
			}
			if d.Paused {
				paused = 1
			}
			gauge(q.oldest, age, d.Destination)
			gauge(q.paused, paused, d.Destination)
		}
		return true
	})
}

// Interface guard
var _ prometheus.Collector = queueCollector{}
