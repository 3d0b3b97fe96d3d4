package postgres_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/ledgertest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/pgtest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/postgres"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/postgres/internal/pgpool"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/storetest"
)

func TestPostgresKeepsThePromises(t *testing.T) {
	server := pgtest.Start(t)
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		p := newPostgres(t, server.DSN())
		return storetest.Subject{
			Open:    p.Open,
			Advance: func(d time.Duration) { turn(t, p, d) },
			Restart: func() {
				server.Stop()
				server.Start()
			},
		}
	})
}

// TestPostgresWithoutPreparedStatements is what PgBouncer asks for.
func TestPostgresWithoutPreparedStatements(t *testing.T) {
	server := pgtest.Start(t)
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		p := newPostgres(t, server.DSN()+"&default_query_exec_mode=exec")
		return storetest.Subject{Open: p.Open, Advance: func(d time.Duration) { turn(t, p, d) }}
	})
}

// newPostgres returns a store module with a table of its own.
func newPostgres(t testing.TB, dsn string) *postgres.Store {
	t.Helper()
	p := &postgres.Store{DSN: dsn, Table: ledgertest.Scope() + "events"}
	ledgertest.Provision(t, p)
	return p
}

// turn lets everything in a table be older.
func turn(t testing.TB, p *postgres.Store, d time.Duration) {
	t.Helper()
	pool, err := pgpool.Open(p.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	err = pool.Do(t.Context(), func(conn *pgxpool.Conn) error {
		_, err := conn.Exec(t.Context(), "UPDATE "+p.Table+"_dedup SET expires = expires - $1::interval", d)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
