package postgres_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/ledgertest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/pgtest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/postgres"
)

func TestTablesOfOtherVersions(t *testing.T) {
	server := pgtest.Start(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *pgtest.Server)
	}{
		{"a table of the first version is brought up to date", firstVersion},
		{"a table of the first version that another user owns", firstVersionOfAnother},
		{"a foreign table with the option's name is left alone", anotherTable},
		{"newer tables are refused by name", newerVersion},
		{"instances make the tables at the same time", madeTogether},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, server) })
	}
}

// first is a table as the first version made it.
var first = []string{
	"CREATE TABLE %s (name text NOT NULL, id uuid NOT NULL, token bigint NOT NULL, delivered boolean NOT NULL, " +
		"expires timestamptz NOT NULL, PRIMARY KEY (name, id))",
	"CREATE INDEX ON %s (expires)",
	"INSERT INTO %s VALUES ('default', '00000000-0000-0000-0000-000000000001', 7, true, now() + interval '1 hour')",
	"INSERT INTO %s VALUES ('default', '00000000-0000-0000-0000-000000000002', 7, false, now() + interval '1 hour')",
}

func makeFirst(t *testing.T, server *pgtest.Server, table string) {
	t.Helper()
	for _, statement := range first {
		execute(t, server, fmt.Sprintf(statement, table))
	}
}

// wantUpdated fails the test unless a store knows what was in the first table.
func wantUpdated(t *testing.T, p *postgres.Store) {
	t.Helper()
	s := ledgertest.Open(t, p, "default")
	claim := func(token store.Token, want store.State) {
		t.Helper()
		states, err := s.Claim(t.Context(), token, []store.Key{{15: 1}, {15: 2}, {15: 3}}, time.Hour)
		if err != nil || states[0] != store.Delivered || states[1] != want {
			t.Errorf("claim %d: got %v and error %v, want the first delivered, and the second %v", token, states, err, want)
		}
	}
	claim(8, store.InFlight)
	claim(7, store.Claimed)
}

func firstVersion(t *testing.T, server *pgtest.Server) {
	p := newPostgres(t, server.DSN())
	makeFirst(t, server, p.Table) // an option of its own
	wantUpdated(t, p)
	wantUpdated(t, p)

	schema := strings.TrimSuffix(ledgertest.Scope(), "_")
	execute(t, server, "CREATE SCHEMA "+schema)
	p = &postgres.Store{DSN: server.DSN() + "&search_path=" + schema}
	ledgertest.Provision(t, p)
	makeFirst(t, server, schema+".meta_webhook_dedup") // the default
	wantUpdated(t, p)
}

func firstVersionOfAnother(t *testing.T, server *pgtest.Server) {
	user := role(t, server)
	p := newPostgres(t, server.DSNOf(user))
	makeFirst(t, server, p.Table)
	execute(t, server, "GRANT SELECT, INSERT, UPDATE, DELETE ON "+p.Table+" TO "+user)
	wantRefused(t, p, "ALTER TABLE", p.Table, "must be owner")
	if got := rows(t, server, p.Table+" WHERE delivered"); got != 1 {
		t.Errorf("got %d rows of the first version, want the table as it was", got)
	}
}

func anotherTable(t *testing.T, server *pgtest.Server) {
	p := newPostgres(t, server.DSN())
	execute(t, server, "CREATE TABLE "+p.Table+" (something text)")
	s := ledgertest.Open(t, p, "default")
	ledgertest.WantAll(t, s, ledgertest.RandomKeys(1), store.Claimed)
	if got := rows(t, server, p.Table+" WHERE something IS NULL"); got != 0 {
		t.Errorf("got %d rows, want none", got)
	}
}

func newerVersion(t *testing.T, server *pgtest.Server) {
	p := newPostgres(t, server.DSN())
	queue, err := p.OpenQueue("default")
	if err != nil {
		t.Fatal(err)
	}
	queue.Close()
	execute(t, server, "UPDATE "+p.Table+"_version SET version = 7 WHERE part = 'queue'")
	ledger, err := p.Open("default") // which needs the other part
	if err != nil {
		t.Fatal(err)
	}
	ledger.Close()
	_, err = p.OpenQueue("default")
	if err == nil || !strings.Contains(err.Error(), p.Table+"_version") || !strings.Contains(err.Error(), "version 7") {
		t.Errorf("OpenQueue: got error %v, want one that names the table and its version", err)
	}
	execute(t, server, "UPDATE "+p.Table+"_version SET version = 7 WHERE part = 'ledger'")
	wantRefused(t, p, p.Table+"_version", "version 7")
}

func madeTogether(t *testing.T, server *pgtest.Server) {
	for i := range 4 {
		table := ledgertest.Scope() + "together"
		if i%2 == 1 {
			makeFirst(t, server, table)
		}
		var running sync.WaitGroup
		errs := make([]error, 6)
		for j := range errs {
			p := &postgres.Store{DSN: fmt.Sprintf("%s&application_name=instance%d", server.DSN(), j), Table: table}
			ledgertest.Provision(t, p)
			running.Go(func() {
				queue, err := p.OpenQueue("default")
				if errs[j] = err; err == nil {
					_, err = queue.Accept(t.Context(), oneEvent(uint64(j), "app"))
					errs[j] = errors.Join(err, queue.Close())
				}
			})
		}
		running.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Errorf("got error %v, want none", err)
		}
		if got := rows(t, server, table+"_waiting"); got != len(errs) {
			t.Errorf("got %d deliveries waiting, want %d", got, len(errs))
		}
	}
}

// oneEvent returns a notification of one event, in a lane of its own.
func oneEvent(n uint64, destinations ...string) *store.Notification {
	e := store.Event{Key: ledgertest.RandomKeys(1)[0], Window: time.Hour, Body: fmt.Appendf(nil, "event %d", n), Info: store.Info{Subject: fmt.Sprint(n)}}
	for _, d := range destinations {
		e.Targets = append(e.Targets, store.Target{Destination: d, Lanes: []store.Lane{store.Lane(n)}})
	}
	return &store.Notification{Received: time.Now(), Origin: fmt.Appendf(nil, "origin %d", n), Events: []store.Event{e}}
}
