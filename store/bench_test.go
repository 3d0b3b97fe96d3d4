package store_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/cputime"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/ledgertest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/pgtest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/memory"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/postgres"
)

// BenchmarkClaimCommit has so many writers claim and commit an event each, one
// after another. The server of postgres does not wait for its disk.
func BenchmarkClaimCommit(b *testing.B) {
	server := sync.OnceValue(func() *pgtest.Server { return pgtest.Start(b) })
	for _, kind := range []struct {
		name string
		make func(b *testing.B) store.Opener
	}{
		{"memory", func(*testing.B) store.Opener { return &memory.Store{MaxEvents: 10_000_000} }},
		{"file", func(b *testing.B) store.Opener { return &file.Store{Path: filepath.Join(b.TempDir(), "stored")} }},
		{"postgres", func(*testing.B) store.Opener { return &postgres.Store{DSN: server().DSN() + "&pool_max_conns=64"} }},
	} {
		for _, writers := range []int{1, 32, 64, 256} {
			b.Run(fmt.Sprintf("%s/writers=%d", kind.name, writers), func(b *testing.B) {
				opener := kind.make(b)
				ledgertest.Provision(b, opener.(caddy.Provisioner))
				s := ledgertest.Open(b, opener, ledgertest.Scope())
				b.ReportAllocs()
				reportCPU := cputime.Start(b)
				ledgertest.Share(b, writers, func(next func() bool) {
					for token := store.Token(rand.Uint64()); next(); {
						ledgertest.ClaimAndCommit(b, s, token, ledgertest.RandomKeys(1))
					}
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
				reportCPU(b.N, "event")
			})
		}
	}
}
