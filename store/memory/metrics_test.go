package memory_test

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/ledgertest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/memory"
)

func TestSizeIsMeasured(t *testing.T) {
	c, name := new(ledgertest.Clock), ledgertest.Scope()
	ledgertest.SizeIsMeasured(t, c, false, func() ledgertest.Measured {
		s := new(memory.Store)
		s.SetClock(c.Now)
		return ledgertest.Measure(t, s, name)
	})
}

func TestEvictedEventsAreCounted(t *testing.T) {
	m := ledgertest.Measure(t, &memory.Store{MaxEvents: 3}, ledgertest.Scope())
	m.CommitNumbers(0, 5, time.Hour)
	m.Want("dedup_evicted_events_total", 2)
	m.Want("dedup_events", 3)
	problems, err := promlint.NewWithMetricFamilies(m.Families()).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("got error %v and %v, want no problems", err, problems)
	}
	m.End()
	m.WantNone("dedup_evicted_events_total")
}
