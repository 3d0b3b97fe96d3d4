package ledgertest

import (
	"encoding/binary"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A Measured store is one whose metrics are looked at.
type Measured struct {
	store.Ledger
	t    *testing.T
	ctx  caddy.Context
	name string
}

// CommitNumbers commits events of these numbers.
func (m Measured) CommitNumbers(from, to uint32, window time.Duration) {
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

// Families returns the metrics of the store's configuration.
func (m Measured) Families() []*dto.MetricFamily {
	m.t.Helper()
	families, err := m.ctx.GetMetricsRegistry().Gather()
	if err != nil {
		m.t.Fatal(err)
	}
	return families
}

// value returns a metric of the store, and false if there is none.
func (m Measured) value(metric string) (value float64, ok bool) {
	m.t.Helper()
	for _, family := range m.Families() {
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

// Want fails the test unless a metric of the store has this value.
func (m Measured) Want(metric string, want float64) {
	m.t.Helper()
	if got, ok := m.value(metric); !ok || got != want {
		m.t.Errorf("got %s %v (%t), want %v", metric, got, ok, want)
	}
}

// WantNone fails the test if there is such a metric of the store.
func (m Measured) WantNone(metric string) {
	m.t.Helper()
	if got, ok := m.value(metric); ok {
		m.t.Errorf("got %s %v, want none", metric, got)
	}
}

// Measure opens the store of a module in a configuration of its own.
func Measure(t *testing.T, module interface {
	caddy.Provisioner
	store.Opener
}, name string,
) Measured {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	if err := module.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	opened, err := module.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	return Measured{opened, t, ctx, name}
}

// End closes the store.
func (m Measured) End() {
	m.t.Helper()
	if err := m.Close(); err != nil {
		m.t.Errorf("Close: got error %v, want none", err)
	}
}

// SizeIsMeasured tests the metric of how many events a store has, and whether
// the store lasts longer than it is open. Each call of open opens it with a
// configuration of its own.
func SizeIsMeasured(t *testing.T, c *Clock, lasts bool, open func() Measured) {
	t.Helper()
	m := open()
	m.Want("dedup_events", 0)
	m.CommitNumbers(0, 3, time.Hour)
	m.CommitNumbers(2, 5, time.Hour)
	m.Want("dedup_events", 5)

	reloaded := open()
	m.End()
	reloaded.Want("dedup_events", 5)
	c.Advance(2 * time.Hour)
	reloaded.CommitNumbers(1000, 3000, time.Hour) // takes those with it that have expired
	reloaded.Want("dedup_events", 2000)
	reloaded.End()
	reloaded.WantNone("dedup_events")

	last := open()
	defer last.End()
	last.Want("dedup_events", map[bool]float64{true: 2000}[lasts])
}
