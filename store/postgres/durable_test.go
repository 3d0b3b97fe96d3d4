package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
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

// locksInOneOrder has instances claim, accept and settle the same events at the same
// time, each in an order of its own. None may wait for another in a circle, which
// the database ends after a second.
func locksInOneOrder(t *testing.T, server *pgtest.Server) {
	const instances, rounds, events = 5, 25, 60
	p := newPostgres(t, server.DSN())
	deadlocks := func() int {
		return rows(t, server, "pg_stat_database, generate_series(1, deadlocks) WHERE datname = current_database()")
	}
	before := deadlocks()
	keys := make([][]store.Key, rounds)
	for i := range keys {
		keys[i] = ledgertest.RandomKeys(events)
	}
	var running sync.WaitGroup
	var queues []store.Queue
	var ledgers []store.Ledger
	for i := range instances {
		other := &postgres.Store{DSN: fmt.Sprintf("%s&application_name=order%d", server.DSN(), i), Table: p.Table}
		ledgertest.Provision(t, other)
		q, err := other.OpenQueue("default")
		if err != nil {
			t.Fatal(err)
		}
		l, err := other.Open("default")
		if err != nil {
			t.Fatal(err)
		}
		queues, ledgers = append(queues, q), append(ledgers, l)
	}
	for round := range rounds {
		for i := range instances {
			running.Go(func() {
				random := rand.New(rand.NewPCG(uint64(round), uint64(i))) //nolint:gosec // not negative
				mine := slices.Clone(keys[round])
				random.Shuffle(len(mine), func(a, b int) { mine[a], mine[b] = mine[b], mine[a] })
				if round%2 == 0 {
					if _, err := ledgers[i].Claim(t.Context(), store.Token(i+1), mine, time.Minute); err != nil { //nolint:gosec // not negative
						t.Errorf("Claim: got error %v, want none", err)
					}
					return
				}
				n := oneEvent(0, "app")
				n.Events = n.Events[:0]
				for _, key := range mine {
					e := oneEvent(random.Uint64N(20), "app").Events[0]
					e.Key = key
					n.Events = append(n.Events, e)
				}
				if _, err := queues[i].Accept(t.Context(), n); err != nil {
					t.Errorf("Accept: got error %v, want none", err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				defer cancel()
				if taken, err := queues[i].Take(ctx, "app", store.Want{Max: 100, Bytes: 1 << 20, Lease: time.Minute, Runs: true}); err == nil {
					settle(t, queues[i], "app", store.Done, taken...)
				}
			})
		}
		running.Wait()
	}
	for i := range instances { // connections tell what they have seen when they end
		if err := errors.Join(ledgers[i].Close(), queues[i].Close()); err != nil {
			t.Errorf("Close: got error %v, want none", err)
		}
	}
	for rows(t, server, "pg_stat_activity WHERE application_name LIKE 'order%'") > 0 {
		time.Sleep(10 * time.Millisecond)
	}
	if n := deadlocks() - before; n > 0 {
		t.Errorf("got %d deadlocks, want none", n)
	}
}
