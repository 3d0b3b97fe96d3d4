package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/ledgertest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/pgtest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/postgres"
)

// acceptedIsOnTheDisk has the tables note how each row that is inserted is
// committed. What is answered 200 must not be lost by a crash of the server, and
// neither must what says that it is a repeat.
func acceptedIsOnTheDisk(t *testing.T, server *pgtest.Server) {
	p := newPostgres(t, server.DSN())
	q, ledger := openQueue(t, p), ledgertest.Open(t, p, "default")
	accept(t, q, oneEvent(1, "app"))
	noted := p.Table + "_noted"
	statements := []string{
		"CREATE TABLE " + noted + " (into_table text, how text)",
		"CREATE FUNCTION " + noted + `() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			INSERT INTO ` + noted + ` VALUES (TG_TABLE_NAME, current_setting('synchronous_commit')); RETURN NULL; END $$`,
	}
	tables := []string{"dedup", "waiting"}
	for k := range postgres.Segments {
		tables = append(tables, fmt.Sprint("event_", k))
	}
	for _, table := range tables {
		statements = append(statements, fmt.Sprintf("CREATE TRIGGER noted AFTER INSERT OR UPDATE ON %s_%s FOR EACH STATEMENT EXECUTE FUNCTION %s()", p.Table, table, noted))
	}
	execute(t, server, statements...)
	accept(t, q, oneEvent(2, "app"))
	ledgertest.Commit(t, ledger, ledgertest.RandomKeys(1), time.Hour)
	if n := rows(t, server, noted+" WHERE how = 'on'"); n < 4 {
		t.Errorf("got %d statements that wait for the disk, want those of an event, a delivery and two marks", n)
	}
	if n := rows(t, server, noted+" WHERE how <> 'on'"); n > 0 {
		t.Errorf("got %d statements that do not wait for the disk, want none", n)
	}
}

// waitingHoldsNothing has a call to Take wait. A transaction that was open for as
// long, or a connection that listens, would keep the server from vacuuming.
func waitingHoldsNothing(t *testing.T, server *pgtest.Server) {
	p := newPostgres(t, server.DSN()+"&application_name=waiting")
	q := openQueue(t, p)
	accept(t, q, oneEvent(1, "crm"))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := q.Take(ctx, "app", store.Want{Max: 1, Bytes: 1000, Lease: time.Minute})
		ended <- err
	}()
	conn, err := pgx.Connect(t.Context(), server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	const looks = 50
	open := 0
	for range looks {
		time.Sleep(10 * time.Millisecond)
		var n int
		if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE application_name = 'waiting' AND (backend_xmin IS NOT NULL OR xact_start IS NOT NULL)`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		open += min(n, 1)
	}
	cancel()
	<-ended
	if open > looks/2 {
		t.Errorf("got a transaction open in %d of %d looks while a call waits, want that seldom", open, looks)
	}
}
