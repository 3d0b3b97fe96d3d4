package postgres_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/ledgertest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/pgtest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/postgres"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/postgres/internal/pgpool"
)

// TestPostgresInAnUnsteadyWorld shares a server among the tests of what is not
// in every store's promises.
func TestPostgresInAnUnsteadyWorld(t *testing.T) {
	server := pgtest.Start(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *pgtest.Server)
	}{
		{"a user who may not make the table", tableNotAllowed},
		{"a table made by somebody else", tableMadeBefore},
		{"a permission is missing", permissionMissing},
		{"a table in a schema", tableInASchema},
		{"a claim is one round trip", oneRoundTrip},
		{"equal claims take one connection", equalClaims},
		{"a claim is renewed while others ask for it", renewedAmongOthers},
		{"of two instances one claims", twoInstances},
		{"what has expired is deleted", expiryDeletes},
		{"a table that is gone is made again", tableGone},
		{"errors hide the password", passwordHidden},
		{"the clock was set back", clockSetBack},
		{"the server restarts", serverRestarts},
		{"the server is down at first", serverDownAtFirst},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, server) })
	}
}

// execute runs statements as the superuser.
func execute(t testing.TB, server *pgtest.Server, statements ...string) {
	t.Helper()
	pool, err := pgpool.Open(server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for _, statement := range statements {
		err := pool.Do(t.Context(), func(conn *pgxpool.Conn) error {
			_, err := conn.Exec(t.Context(), statement)
			return err
		})
		if err != nil {
			t.Fatalf("%s: got error %v", statement, err)
		}
	}
}

// rows returns how many rows a table has.
func rows(t testing.TB, server *pgtest.Server, table string) (n int) {
	t.Helper()
	pool, err := pgpool.Open(server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	err = pool.Do(t.Context(), func(conn *pgxpool.Conn) error {
		return conn.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// role makes a user who may do nothing.
func role(t testing.TB, server *pgtest.Server) string {
	t.Helper()
	name := ledgertest.Scope() + "user"
	execute(t, server, "CREATE ROLE "+name+" LOGIN")
	return name
}

// wantRefused opens a store, and fails the test unless that fails with an
// error that has all of these words.
func wantRefused(t testing.TB, p *postgres.Store, words ...string) {
	t.Helper()
	s, err := p.Open("default")
	if err == nil {
		s.Close()
		t.Fatal("Open: got no error, want one")
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("Open: got error %q, want %q in it", err, word)
		}
	}
}

func tableNotAllowed(t *testing.T, server *pgtest.Server) {
	user := role(t, server)
	p := newPostgres(t, server.DSNOf(user))
	wantRefused(t, p, "CREATE TABLE IF NOT EXISTS", p.Table+"_dedup", "PRIMARY KEY (name, id))", "permission denied for schema public")
}

// tableMadeBefore has somebody else run what a user may not.
func tableMadeBefore(t *testing.T, server *pgtest.Server) {
	user := role(t, server)
	p := newPostgres(t, server.DSNOf(user))
	for _, open := range []func() (io.Closer, error){
		func() (io.Closer, error) { return p.Open("default") },
		func() (io.Closer, error) { return p.OpenQueue("default") },
	} {
		closer, err := open()
		if err == nil {
			closer.Close()
			t.Fatal("got no error for a user who may not make tables, want one")
		}
		_, statements, ok := strings.Cut(err.Error(), " can run: ")
		if !ok {
			t.Fatalf("got error %q, want the statements to run in it", err)
		}
		execute(t, server, strings.Split(statements, "; ")...)
		execute(t, server, "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO "+user,
			"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO "+user)
		if closer, err = open(); err != nil {
			t.Fatalf("got error %v when the tables are there, want none", err)
		}
		closer.Close()
	}
	s := ledgertest.Open(t, p, "default")
	events := ledgertest.RandomKeys(3)
	ledgertest.WantAll(t, s, events, store.Claimed)
	ledgertest.Commit(t, s, events, time.Hour)
	ledgertest.WantAll(t, s, events, store.Delivered)
	postgres.Expire(s)
}

func permissionMissing(t *testing.T, server *pgtest.Server) {
	all := []string{"SELECT", "INSERT", "UPDATE", "DELETE"}
	for i, missing := range all {
		user := role(t, server)
		p := newPostgres(t, server.DSNOf(user))
		owner := &postgres.Store{DSN: server.DSN(), Table: p.Table}
		ledgertest.Provision(t, owner)
		ledgertest.Open(t, owner, "default")
		granted := strings.Join(append(append([]string(nil), all[:i]...), all[i+1:]...), ", ")
		execute(t, server, "GRANT "+granted+" ON "+p.Table+"_dedup TO "+user, "GRANT SELECT ON "+p.Table+"_version TO "+user)
		words := []string{"permission denied for table " + p.Table + "_dedup"}
		if missing == "DELETE" {
			words = append(words, "DELETE FROM")
		} else {
			words = append(words, "INSERT INTO")
		}
		wantRefused(t, p, words...)
	}
}

func tableInASchema(t *testing.T, server *pgtest.Server) {
	schema := ledgertest.Scope() + "Schema"
	execute(t, server, `CREATE SCHEMA "`+schema+`"`)
	p := &postgres.Store{DSN: server.DSN(), Table: schema + ".meta-webhook events"}
	ledgertest.Provision(t, p)
	s := ledgertest.Open(t, p, "default")
	events := ledgertest.RandomKeys(3)
	ledgertest.Commit(t, s, events, time.Hour)
	ledgertest.WantAll(t, s, events, store.Delivered)
	if got := rows(t, server, `"`+schema+`"."meta-webhook events_dedup"`); got != 3 {
		t.Errorf("got %d rows in the table, want 3", got)
	}

	p = &postgres.Store{DSN: server.DSN(), Table: "nowhere.events"}
	ledgertest.Provision(t, p)
	wantRefused(t, p, `schema "nowhere" does not exist`)
}

func oneRoundTrip(t *testing.T, server *pgtest.Server) {
	proxy := server.Proxy(0)
	p := newPostgres(t, proxy.DSN())
	s := ledgertest.Open(t, p, "default")
	ledgertest.WantAll(t, s, ledgertest.RandomKeys(3), store.Claimed) // the statements are prepared
	ledgertest.Commit(t, s, ledgertest.RandomKeys(3), time.Hour)
	for _, n := range []int{1, 10, 2000} {
		events := ledgertest.RandomKeys(n)
		proxy.Turns.Store(0)
		if _, err := s.Claim(t.Context(), 1, events, time.Minute); err != nil {
			t.Fatal(err)
		}
		if got := proxy.Turns.Swap(0); got != 1 {
			t.Errorf("claim of %d events: got %d round trips, want 1", n, got)
		}
		ledgertest.Commit(t, s, events, time.Hour)
		if got := proxy.Turns.Swap(0); got != 1 {
			t.Errorf("commit of %d events: got %d round trips, want 1", n, got)
		}
		if err := s.Release(t.Context(), 1, events); err != nil {
			t.Fatal(err)
		}
		if got := proxy.Turns.Swap(0); got != 1 {
			t.Errorf("release of %d events: got %d round trips, want 1", n, got)
		}
	}
}

// equalClaims has a crowd claim the events of one notification at the same time,
// of a server that is far away.
func equalClaims(t *testing.T, server *pgtest.Server) {
	const crowd, away = 1500, 20 * time.Millisecond
	proxy := server.Proxy(away)
	s := ledgertest.Open(t, newPostgres(t, proxy.DSN()+"&pool_max_conns=4"), "default")
	events := ledgertest.RandomKeys(3)
	claim := func() (counts map[store.State]int, owner store.Token) {
		counts = make(map[store.State]int)
		var running sync.WaitGroup
		var mu sync.Mutex
		for token := store.Token(1); token <= crowd; token++ {
			running.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				states, err := s.Claim(ctx, token, events, time.Minute)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case errors.Is(err, store.ErrBusy):
				case err != nil:
					t.Errorf("Claim: got error %v, want none but that the store is busy", err)
				case states[0] != states[1] || states[0] != states[2]:
					t.Errorf("Claim: got %v, want one state for all events", states)
				default:
					counts[states[0]]++
					if states[0] == store.Claimed {
						owner = token
					}
				}
			})
		}
		running.Wait()
		return counts, owner
	}
	proxy.Turns.Store(0)
	counts, owner := claim()
	if counts[store.Claimed] != 1 || counts[store.Delivered] != 0 {
		t.Fatalf("got states %v, want one owner", counts)
	}
	if err := s.Commit(t.Context(), owner, events, time.Hour); err != nil {
		t.Fatal(err)
	}
	if counts, _ := claim(); counts[store.Delivered] == 0 || len(counts) > 1 {
		t.Errorf("got states %v after the commit, want delivered", counts)
	}
	if got := proxy.Turns.Load(); got > crowd/10 {
		t.Errorf("got %d round trips for %d claims, want a few", got, 2*crowd)
	}
}

// renewedAmongOthers has a claimant renew its claim while others ask for the
// same events in the same process and in another one.
func renewedAmongOthers(t *testing.T, server *pgtest.Server) {
	p := newPostgres(t, server.DSN())
	other := &postgres.Store{DSN: server.DSN() + "&application_name=other", Table: p.Table}
	ledgertest.Provision(t, other)
	s, elsewhere := ledgertest.Open(t, p, "default"), ledgertest.Open(t, other, "default")
	events := ledgertest.RandomKeys(2)
	renew := func() {
		states, err := s.Claim(t.Context(), 1, events, time.Minute)
		if err != nil || states[0] != store.Claimed || states[1] != store.Claimed {
			t.Fatalf("Claim: got %v and error %v, want both events claimed", states, err)
		}
	}
	renew()
	ctx, cancel := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	for i := range 8 {
		asking.Go(func() {
			for ctx.Err() == nil {
				states, err := []store.Ledger{s, s, s, elsewhere}[i%4].Claim(ctx, store.Token(2+i), events, time.Minute)
				if err == nil && (states[0] != store.InFlight || states[1] != store.InFlight) {
					t.Errorf("Claim: got %v, want both events in flight", states)
				}
			}
		})
	}
	for range 50 {
		renew()
	}
	cancel()
	asking.Wait()
}

// twoInstances has two pools race for the same events, each event in several
// notifications that overlap.
func twoInstances(t *testing.T, server *pgtest.Server) {
	one := newPostgres(t, server.DSN()+"&application_name=one")
	two := &postgres.Store{DSN: server.DSN() + "&application_name=two", Table: one.Table}
	ledgertest.Provision(t, two)
	instances := []store.Ledger{ledgertest.Open(t, one, "default"), ledgertest.Open(t, two, "default")}
	events := ledgertest.RandomKeys(400)
	var (
		running sync.WaitGroup
		mu      sync.Mutex
		claims  = make(map[store.Key]int)
	)
	for i := range 8 {
		running.Go(func() {
			s, token := instances[i%2], store.Token(i+1)
			for at := 0; at < len(events); at += 10 {
				mine := events[at:min(at+30, len(events))]
				states, err := s.Claim(t.Context(), token, mine, time.Minute)
				if err != nil {
					t.Errorf("Claim: got error %v, want none", err)
					return
				}
				var won []store.Key
				mu.Lock()
				for j, state := range states {
					if state == store.Claimed {
						claims[mine[j]]++
						won = append(won, mine[j])
					}
				}
				mu.Unlock()
				if err := s.Commit(t.Context(), token, won, time.Hour); err != nil {
					t.Errorf("Commit: got error %v, want none", err)
				}
			}
		})
	}
	running.Wait()
	for _, event := range events {
		if claims[event] != 1 {
			t.Errorf("event %v: got %d claimants, want 1", event, claims[event])
		}
	}
	ledgertest.WantAll(t, instances[0], events, store.Delivered)
}

func expiryDeletes(t *testing.T, server *pgtest.Server) {
	p := newPostgres(t, server.DSN())
	s := ledgertest.Open(t, p, "default")
	short, long := ledgertest.RandomKeys(2500), ledgertest.RandomKeys(10) // more than one statement deletes
	ledgertest.Commit(t, s, short, time.Hour)
	ledgertest.Commit(t, s, long, 3*time.Hour)
	postgres.Expire(s)
	if got := rows(t, server, p.Table+"_dedup"); got != 2510 {
		t.Errorf("got %d rows before the windows end, want 2510", got)
	}
	turn(t, p, 2*time.Hour)
	postgres.Expire(s)
	if got := rows(t, server, p.Table+"_dedup"); got != 10 {
		t.Errorf("got %d rows after the first window, want 10", got)
	}
	ledgertest.WantAll(t, s, long, store.Delivered)
}

// clockSetBack has an instance die whose lease ends in a day, by a clock that
// has been set back since.
func clockSetBack(t *testing.T, server *pgtest.Server) {
	const day, lease = 24 * time.Hour, 15 * time.Second
	p := newPostgres(t, server.DSN())
	s := ledgertest.Open(t, p, "default")
	events := ledgertest.RandomKeys(1)
	claim := func(token store.Token, want store.State) {
		t.Helper()
		states, err := s.Claim(t.Context(), token, events, lease)
		if err != nil || states[0] != want {
			t.Errorf("claim %d: got %v and error %v, want %v", token, states, err, want)
		}
	}
	claim(1, store.Claimed)
	claim(2, store.InFlight)
	turn(t, p, -day)
	claim(2, store.Claimed)
	claim(1, store.InFlight)

	ledgertest.Commit(t, s, events, time.Hour)
	turn(t, p, -day)
	claim(3, store.Delivered)
}

func tableGone(t *testing.T, server *pgtest.Server) {
	p := newPostgres(t, server.DSN())
	s := ledgertest.Open(t, p, "default")
	ledgertest.Commit(t, s, ledgertest.RandomKeys(1), time.Hour)
	execute(t, server, "DROP TABLE "+p.Table+"_dedup")
	events := ledgertest.RandomKeys(3)
	ledgertest.Commit(t, s, events, time.Hour)
	ledgertest.WantAll(t, s, events, store.Delivered)
	execute(t, server, "DROP TABLE "+p.Table+"_dedup")
	ledgertest.WantAll(t, s, events, store.Claimed)
}

func passwordHidden(t *testing.T, server *pgtest.Server) {
	const password = "hunter2secret"
	address := strings.TrimPrefix(server.DSN(), "postgres://postgres@")
	for _, dsn := range []string{
		"postgres://nobody:" + password + "@" + address,
		"postgres://postgres:" + password + "@127.0.0.1:1/postgres",
		"postgres://postgres:" + password + "@127.0.0.1:port/postgres",
		"postgres://postgres:" + password + "/@" + address,
		"postgres://postgres:%" + password + "@" + address,
		"host=127.0.0.1 port=1 password=" + password,
		"host=127.0.0.1 port=x password=" + password,
		"host=127.0.0.1 password='" + password,
		"password " + password,
		"postgres://postgres:" + password + "@" + address + "&sslmode=" + password,
	} {
		p := &postgres.Store{DSN: dsn}
		ledgertest.Provision(t, p)
		s, err := p.Open("default")
		if err == nil { // out of reach for now
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			_, err = s.Claim(ctx, 1, ledgertest.RandomKeys(1), time.Minute)
			cancel()
			s.Close()
		}
		if err == nil {
			t.Errorf("%s: got no error, want one", dsn)
		} else if strings.Contains(err.Error(), password) {
			t.Errorf("got error %q, want none that has the password", err)
		}
	}
}

// serverRestarts stops the server between calls and amid them.
func serverRestarts(t *testing.T, server *pgtest.Server) {
	s := ledgertest.Open(t, newPostgres(t, server.DSN()), "default")
	events := ledgertest.RandomKeys(10)
	ledgertest.Commit(t, s, events, time.Hour)
	server.Stop()
	server.Start()
	ledgertest.WantAll(t, s, events, store.Delivered) // at the first try

	var running sync.WaitGroup
	stop := make(chan struct{})
	recorded := make([][]store.Key, 4)
	for i := range recorded {
		running.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				mine := ledgertest.RandomKeys(5)
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				if s.Commit(ctx, 1, mine, time.Hour) == nil {
					recorded[i] = append(recorded[i], mine...)
				}
				cancel()
			}
		})
	}
	time.Sleep(100 * time.Millisecond)
	server.Stop()
	if _, err := s.Claim(t.Context(), 1, ledgertest.RandomKeys(1), time.Minute); err == nil {
		t.Error("Claim: got no error while the server is down, want one")
	}
	late := ledgertest.RandomKeys(1)
	running.Go(func() { // what was delivered is worth to be waited for
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.Commit(ctx, 1, late, time.Hour); err != nil {
			t.Errorf("Commit: got error %v from a server that is down for a moment, want none", err)
		}
	})
	time.Sleep(time.Second) // longer than a claim waits
	server.Start()
	ledgertest.Commit(t, s, ledgertest.RandomKeys(1), time.Hour)
	close(stop)
	running.Wait()
	ledgertest.WantAll(t, s, late, store.Delivered)
	for _, events := range recorded {
		ledgertest.WantAll(t, s, events, store.Delivered)
	}
}

func serverDownAtFirst(t *testing.T, server *pgtest.Server) {
	server.Stop()
	s := ledgertest.Open(t, newPostgres(t, server.DSN()), "default")
	if _, err := s.Claim(t.Context(), 1, ledgertest.RandomKeys(1), time.Minute); err == nil {
		t.Error("Claim: got no error while the server is down, want one")
	}
	server.Start()
	events := ledgertest.RandomKeys(3)
	ledgertest.Commit(t, s, events, time.Hour) // makes the table
	ledgertest.WantAll(t, s, events, store.Delivered)
}
