package postgres_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/ledgertest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/pgtest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/postgres"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/postgres/internal/pgpool"
)

// BenchmarkTableOfAnEvent fills a table with events that are claimed first, as
// they are, which leaves behind a row for each.
func BenchmarkTableOfAnEvent(b *testing.B) {
	const n = 200_000
	server := pgtest.Start(b)
	for range b.N {
		p := newPostgres(b, server.DSN())
		s := ledgertest.Open(b, p, "default")
		for range n / 1000 {
			ledgertest.ClaimAndCommit(b, s, 1, ledgertest.RandomKeys(1000))
		}
		b.ReportMetric(float64(tableSize(b, p))/n, "bytes/event")
	}
}

// tableSize returns what a table and its indexes take.
func tableSize(b *testing.B, p *postgres.Store) (size int64) {
	b.Helper()
	pool, err := pgpool.Open(p.DSN)
	if err != nil {
		b.Fatal(err)
	}
	defer pool.Close()
	err = pool.Do(context.Background(), func(conn *pgxpool.Conn) error {
		return conn.QueryRow(context.Background(), "SELECT pg_total_relation_size($1::text::regclass)", p.Table+"_dedup").Scan(&size)
	})
	if err != nil {
		b.Fatal(err)
	}
	return size
}
