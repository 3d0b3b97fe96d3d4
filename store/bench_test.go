package store_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.etcd.io/bbolt"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/pgpool"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/pgtest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// BenchmarkClaimCommit has so many writers claim and commit an event each, one
// after another. The server of postgres does not wait for its disk.
func BenchmarkClaimCommit(b *testing.B) {
	server := sync.OnceValue(func() *pgtest.Server { return pgtest.Start(b) })
	for _, kind := range []struct {
		name string
		make func(b *testing.B) store.Opener
	}{
		{"memory", func(b *testing.B) store.Opener { return newMemory(b, newClock(), 10_000_000) }},
		{"file", func(b *testing.B) store.Opener { return newFile(b, newClock()) }},
		{"postgres", func(b *testing.B) store.Opener { return newPostgres(b, server().DSN()+"&pool_max_conns=64") }},
	} {
		for _, writers := range []int{1, 64, 256} {
			b.Run(fmt.Sprintf("%s/writers=%d", kind.name, writers), func(b *testing.B) {
				s := open(b, kind.make(b), scope())
				b.ReportAllocs()
				share(b, writers, func(next func() bool) {
					for token := store.Token(rand.Uint64()); next(); {
						claimAndCommit(b, s, token, randomKeys(1))
					}
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
			})
		}
	}
}

// BenchmarkMemory has so many writers claim and commit so many events at a
// time: in a memory that grows, in one whose events expire as others come, and
// in a full one, which forgets one for each. The last two have a million.
func BenchmarkMemory(b *testing.B) {
	const million, window = 1_000_000, 36 * time.Hour
	for _, memory := range []struct {
		name       string
		most, from int
		pause      time.Duration // between events
	}{
		{"growing", 100 * million, 0, 0},
		{"expiring", 2 * million, million, window / million},
		{"full", million, million, 0},
	} {
		for _, writers := range []int{1, 64} {
			for _, n := range []int{1, 1000} {
				c := newClock()
				s := open(b, newMemory(b, c, memory.most), scope())
				for range memory.from / 1000 {
					commit(b, s, randomKeys(1000), window)
					c.advance(1000 * memory.pause)
				}
				b.Run(fmt.Sprintf("%s/writers=%d/events=%d", memory.name, writers, n), func(b *testing.B) {
					b.ReportAllocs()
					share(b, writers, func(next func() bool) {
						token, random := store.Token(rand.Uint64()), rand.New(rand.NewPCG(rand.Uint64(), 0))
						events := make([]store.Key, n)
						for next() {
							for i := range events {
								binary.NativeEndian.PutUint64(events[i][:8], random.Uint64())
								binary.NativeEndian.PutUint64(events[i][8:], random.Uint64())
							}
							claimAndCommit(b, s, token, events)
							c.advance(time.Duration(n) * memory.pause)
						}
					})
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/event")
				})
			}
		}
	}
}

// share has so many goroutines do what a benchmark is to do, each for as long
// as there is a next time.
func share(b *testing.B, goroutines int, do func(next func() bool)) {
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	var running sync.WaitGroup
	for range goroutines {
		running.Go(func() { do(func() bool { return left.Add(-1) >= 0 }) })
	}
	running.Wait()
}

func claimAndCommit(b *testing.B, s store.Ledger, token store.Token, events []store.Key) {
	states, err := s.Claim(b.Context(), token, events, time.Minute)
	if err != nil {
		b.Errorf("Claim: got error %v, want none", err)
	} else if states[0] != store.Claimed {
		b.Errorf("Claim: got %v, want %v", states[0], store.Claimed)
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
func tableSize(b *testing.B, p *store.Postgres) (size int64) {
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
