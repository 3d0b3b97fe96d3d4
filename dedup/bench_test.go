package dedup_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.etcd.io/bbolt"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/dedup"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/pgpool"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/pgtest"
)

// BenchmarkClaimCommit has so many writers claim and commit an event each, one
// after another. The server of postgres does not wait for its disk.
func BenchmarkClaimCommit(b *testing.B) {
	server := sync.OnceValue(func() *pgtest.Server { return pgtest.Start(b) })
	for _, store := range []struct {
		name string
		make func(b *testing.B) dedup.Opener
	}{
		{"memory", func(b *testing.B) dedup.Opener { return newMemory(b, newClock(), 10_000_000) }},
		{"file", func(b *testing.B) dedup.Opener { return newFile(b, newClock()) }},
		{"postgres", func(b *testing.B) dedup.Opener { return newPostgres(b, server().DSN()+"&pool_max_conns=64") }},
	} {
		for _, writers := range []int{1, 64, 256} {
			b.Run(fmt.Sprintf("%s/writers=%d", store.name, writers), func(b *testing.B) {
				s := open(b, store.make(b), scope())
				var left atomic.Int64
				left.Store(int64(b.N))
				b.ResetTimer()
				var running sync.WaitGroup
				for w := range writers {
					running.Go(func() {
						for left.Add(-1) >= 0 {
							claimAndCommit(b, s, dedup.Token(w), randomKeys(1))
						}
					})
				}
				running.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
			})
		}
	}
}

func claimAndCommit(b *testing.B, s dedup.Store, token dedup.Token, events []dedup.Key) {
	states, err := s.Claim(b.Context(), token, events, time.Minute)
	if err != nil {
		b.Errorf("Claim: got error %v, want none", err)
	} else if states[0] != dedup.Claimed {
		b.Errorf("Claim: got %v, want %v", states[0], dedup.Claimed)
	}
	if err := s.Commit(b.Context(), token, events, 36*time.Hour); err != nil {
		b.Errorf("Commit: got error %v, want none", err)
	}
}

// BenchmarkFileOfAnEvent fills a file with a million events.
func BenchmarkFileOfAnEvent(b *testing.B) {
	const n = 1_000_000
	for range b.N {
		c := newClock()
		f := newFile(b, c)
		s := open(b, f, "default")
		for range n / 1000 {
			commit(b, s, randomKeys(1000), 36*time.Hour)
			c.advance(time.Second)
		}
		var inUse int64
		inFile(b, f, func(tx *bbolt.Tx) { inUse = tx.Size() })
		info, err := os.Stat(f.Path)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(inUse)/n, "bytes/event")
		b.ReportMetric(float64(info.Size())/n, "file-bytes/event")
	}
}

// BenchmarkTableOfAnEvent fills a table with events that are claimed first, as
// they are, which leaves behind a row for each.
func BenchmarkTableOfAnEvent(b *testing.B) {
	const n = 200_000
	server := pgtest.Start(b)
	for range b.N {
		p := newPostgres(b, server.DSN())
		s := open(b, p, "default")
		for range n / 1000 {
			claimAndCommit(b, s, 1, randomKeys(1000))
		}
		b.ReportMetric(float64(tableSize(b, p))/n, "bytes/event")
	}
}

// tableSize returns what a table and its indexes take.
func tableSize(b *testing.B, p *dedup.Postgres) (size int64) {
	b.Helper()
	pool, err := pgpool.Open(p.DSN)
	if err != nil {
		b.Fatal(err)
	}
	defer pool.Close()
	err = pool.Do(context.Background(), func(conn *pgxpool.Conn) error {
		return conn.QueryRow(context.Background(), "SELECT pg_total_relation_size($1::text::regclass)", p.Table).Scan(&size)
	})
	if err != nil {
		b.Fatal(err)
	}
	return size
}
