package store_test

import (
	"encoding/binary"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A measured store is one whose metrics are looked at.
type measured struct {
	store.Ledger
	t    *testing.T
	ctx  caddy.Context
	name string
}

// commit commits events of these numbers.
func (m measured) commit(from, to uint32, window time.Duration) {
	m.t.Helper()
	var keys []store.Key
	for n := from; n < to; n++ {
		var key store.Key
		binary.BigEndian.PutUint32(key[:], n)
		keys = append(keys, key)
	}
	if err := m.Commit(m.t.Context(), 1, keys, window); err != nil {
		m.t.Fatalf("Commit: got error %v, want none", err)
	}
}

// families returns the metrics of the store's configuration.
func (m measured) families() []*dto.MetricFamily {
	m.t.Helper()
	families, err := m.ctx.GetMetricsRegistry().Gather()
	if err != nil {
		m.t.Fatal(err)
	}
	return families
}

// value returns a metric of the store, and false if there is none.
func (m measured) value(metric string) (value float64, ok bool) {
	m.t.Helper()
	for _, family := range m.families() {
		for _, series := range family.GetMetric() {
			for _, label := range series.GetLabel() {
				if family.GetName() == "caddy_meta_webhook_"+metric && label.GetName() == "name" && label.GetValue() == m.name {
					return series.GetGauge().GetValue() + series.GetCounter().GetValue(), true
				}
			}
		}
	}
	return 0, false
}

func (m measured) want(metric string, want float64) {
	m.t.Helper()
	if got, ok := m.value(metric); !ok || got != want {
		m.t.Errorf("got %s %v (%t), want %v", metric, got, ok, want)
	}
}

func (m measured) wantNone(metric string) {
	m.t.Helper()
	if got, ok := m.value(metric); ok {
		m.t.Errorf("got %s %v, want none", metric, got)
	}
}

// measure opens the store of a module in a configuration of its own.
func measure(t *testing.T, module interface {
	caddy.Provisioner
	store.Opener
}, name string,
) measured {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	if err := module.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	store, err := module.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	return measured{store, t, ctx, name}
}

func (m measured) close() {
	m.t.Helper()
	if err := m.Close(); err != nil {
		m.t.Errorf("Close: got error %v, want none", err)
	}
}

func TestSizeOfAStoreIsMeasured(t *testing.T) {
	path := filepath.Join(t.TempDir(), "meta_webhook.db")
	for kind, lasts := range map[string]bool{"memory": false, "file": true} {
		t.Run(kind, func(t *testing.T) {
			c := newClock()
			name := scope()
			open := func() measured {
				if kind == "memory" {
					m := new(store.Memory)
					m.SetClock(c.now)
					return measure(t, m, name)
				}
				f := &store.File{Path: path}
				f.SetClock(c.now)
				return measure(t, f, name)
			}
			m := open()
			m.want("dedup_events", 0)
			m.commit(0, 3, time.Hour)
			m.commit(2, 5, time.Hour)
			m.want("dedup_events", 5)

			reloaded := open()
			m.close()
			reloaded.want("dedup_events", 5)
			c.advance(2 * time.Hour)
			reloaded.commit(1000, 3000, time.Hour) // takes those with it that have expired
			reloaded.want("dedup_events", 2000)
			reloaded.close()
			reloaded.wantNone("dedup_events")

			last := open()
			defer last.close()
			last.want("dedup_events", map[bool]float64{true: 2000}[lasts])
		})
	}
}

func TestEvictedEventsAreCounted(t *testing.T) {
	m := measure(t, &store.Memory{MaxEvents: 3}, scope())
	m.commit(0, 5, time.Hour)
	m.want("dedup_evicted_events_total", 2)
	m.want("dedup_events", 3)
	problems, err := promlint.NewWithMetricFamilies(m.families()).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("got error %v and %v, want no problems", err, problems)
	}
	m.close()
	m.wantNone("dedup_evicted_events_total")
}
