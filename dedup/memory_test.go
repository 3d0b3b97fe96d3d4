package dedup_test

import (
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/dedup"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/dedup/deduptest"
)

func TestMemoryKeepsThePromises(t *testing.T) {
	deduptest.Run(t, func(t *testing.T) deduptest.Subject {
		c := newClock()
		m := new(dedup.Memory)
		m.SetClock(c.now)
		provision(t, m)
		scope := scope()
		return deduptest.Subject{
			Open:    func(name string) (dedup.Store, error) { return m.Open(scope + name) },
			Advance: c.advance,
		}
	})
}
