package pgpool_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/pgtest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/postgres/internal/pgpool"
)

// open opens a pool until the test ends.
func open(t testing.TB, dsn string) *pgpool.Pool {
	t.Helper()
	p, err := pgpool.Open(dsn)
	if err != nil {
		t.Fatalf("Open: got error %v, want none", err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("Close: got error %v, want none", err)
		}
	})
	return p
}

func TestPool(t *testing.T) {
	server := pgtest.Start(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *pgtest.Server)
	}{
		{"one string is one pool", shared},
		{"passing errors are tried again", passing},
		{"what is insisted on is tried until the context ends", insisting},
		{"permanent errors are not", permanent},
		{"dead connections are replaced", deadConnections},
		{"a context ends the tries", contextEnds},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, server) })
	}
}

func shared(t *testing.T, server *pgtest.Server) {
	first, second := open(t, server.DSN()), open(t, server.DSN())
	if first != second {
		t.Error("got two pools of one string, want it shared")
	}
	if other := open(t, server.DSN()+"&application_name=other"); other == first {
		t.Error("got one pool of two strings, want two")
	}
}

func passing(t *testing.T, server *pgtest.Server) {
	p := open(t, server.DSN())
	for _, passing := range []error{
		&pgconn.PgError{Code: "40001"}, &pgconn.PgError{Code: "40P01"}, &pgconn.PgError{Code: "57P01"},
		&pgconn.PgError{Code: "57P03"}, &pgconn.PgError{Code: "08006"}, errors.New("connection reset"),
	} {
		tries := 0
		err := p.Do(t.Context(), func(*pgxpool.Conn) error {
			if tries++; tries < 4 {
				return passing
			}
			return nil
		})
		if err != nil || tries != 4 {
			t.Errorf("%v: got error %v after %d tries, want success at the fourth", passing, err, tries)
		}
	}
	tries := 0
	err := p.Do(t.Context(), func(*pgxpool.Conn) error { tries++; return &pgconn.PgError{Code: "40001"} })
	if err == nil || tries > 10 {
		t.Errorf("got error %v after %d tries, want one after a few", err, tries)
	}
}

func insisting(t *testing.T, server *pgtest.Server) {
	p := open(t, server.DSN())
	tries := 0
	do := func(*pgxpool.Conn) error {
		if tries++; tries < 8 {
			return &pgconn.PgError{Code: "57P03"}
		}
		return nil
	}
	if err := p.Insist(t.Context(), do); err != nil || tries != 8 {
		t.Errorf("got error %v after %d tries, want success at the eighth", err, tries)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := p.Insist(ctx, func(*pgxpool.Conn) error { return errors.New("connection reset") }); err == nil {
		t.Error("got no error when the context ends, want one")
	}
	tries = 0
	if err := p.Insist(t.Context(), func(*pgxpool.Conn) error { tries++; return &pgconn.PgError{Code: "42501"} }); err == nil || tries != 1 {
		t.Errorf("got error %v after %d tries for a permanent error, want one at once", err, tries)
	}
}

func permanent(t *testing.T, server *pgtest.Server) {
	p := open(t, server.DSN())
	for _, code := range []string{"42501", "42P01", "23505", "28P01", "3D000"} {
		tries := 0
		err := p.Do(t.Context(), func(*pgxpool.Conn) error { tries++; return &pgconn.PgError{Code: code} })
		if err == nil || tries != 1 {
			t.Errorf("%s: got error %v after %d tries, want one at once", code, err, tries)
		}
	}
}

// deadConnections has the server close all connections of a pool but one, as
// when it restarts faster than the pool looks after them.
func deadConnections(t *testing.T, server *pgtest.Server) {
	const conns = 20
	p := open(t, server.DSN()+"&application_name=dying&pool_max_conns=20")
	var (
		running sync.WaitGroup
		all     sync.WaitGroup
	)
	all.Add(conns)
	for range conns {
		running.Go(func() {
			err := p.Do(t.Context(), func(conn *pgxpool.Conn) error {
				all.Done()
				all.Wait()
				return conn.Ping(t.Context())
			})
			if err != nil {
				t.Errorf("Do: got error %v, want none", err)
			}
		})
	}
	running.Wait()
	err := open(t, server.DSN()).Do(t.Context(), func(conn *pgxpool.Conn) error {
		_, err := conn.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dying'")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	err = p.Do(t.Context(), func(conn *pgxpool.Conn) error {
		_, err := conn.Exec(t.Context(), "SELECT 1")
		return err
	})
	if err != nil {
		t.Errorf("Do: got error %v though the server is up, want none", err)
	}
}

func contextEnds(t *testing.T, server *pgtest.Server) {
	p := open(t, server.DSN())
	ctx, cancel := context.WithCancel(t.Context())
	tries := 0
	err := p.Do(ctx, func(*pgxpool.Conn) error {
		tries++
		cancel()
		return errors.New("connection reset")
	})
	if err == nil || tries != 1 {
		t.Errorf("got error %v after %d tries, want one at once", err, tries)
	}
}

func TestAStringThatIsNoneIsNotShown(t *testing.T) {
	const password = "hunter2secret"
	for _, dsn := range []string{
		"postgres://user:" + password + "@host:port/db", "postgres://user:%" + password + "@host/db", "password " + password,
		"host=h password='" + password, "host=h port=x password=" + password,
	} {
		p, err := pgpool.Open(dsn)
		if err == nil {
			p.Close()
			t.Errorf("%s: got no error, want one", dsn)
		} else if strings.Contains(err.Error(), password) {
			t.Errorf("got error %q, want none that has the password", err)
		}
	}
}

// TestOpenDoesNotConnect opens a pool of a server that is not there.
func TestOpenDoesNotConnect(t *testing.T) {
	p := open(t, "postgres://postgres@127.0.0.1:1/postgres?sslmode=disable")
	began := time.Now()
	err := p.Do(t.Context(), func(*pgxpool.Conn) error { return nil })
	if err == nil {
		t.Error("Do: got no error without a server, want one")
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("Do: took %v, want it to give up soon", took)
	}
}
