// Package pgpool shares pools of connections to PostgreSQL for as long as any
// configuration uses them, and tries again what a restart of the server has
// interrupted.
//
// Which tables there are is a matter of its users.
package pgpool

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// pools holds the pools that are open, by their connection string.
var pools = caddy.NewUsagePool()

// A Pool is connections to one server, made when they are needed.
type Pool struct {
	conns *pgxpool.Pool
	dsn   string
}

// errDSN tells nothing of the connection string, which holds a password.
var errDSN = errors.New("is neither a postgres:// URL nor a list of settings such as host=db dbname=app")

// Open returns the pool for a connection string. It does not connect. All who
// open one string in one process share the pool, and each has to close it.
func Open(dsn string) (*Pool, error) {
	p, _, err := pools.LoadOrNew(dsn, func() (caddy.Destructor, error) {
		config, err := pgxpool.ParseConfig(dsn)
		if err != nil {
			return nil, errDSN
		}
		conns, err := pgxpool.NewWithConfig(context.Background(), config)
		if err != nil {
			return nil, err
		}
		return &Pool{conns, dsn}, nil
	})
	if err != nil {
		return nil, err
	}
	return p.(*Pool), nil
}

// Close ends the use of the pool. With the last user it is closed.
func (p *Pool) Close() error {
	_, err := pools.Delete(p.dsn)
	return err
}

// Destruct implements caddy.Destructor.
func (p *Pool) Destruct() error {
	p.conns.Close()
	return nil
}

// pauses are how long to wait before each further try.
var pauses = []time.Duration{0, 50 * time.Millisecond, 250 * time.Millisecond}

// Do has a connection do what may be done several times. It tries again when
// the connection turns out to be closed, when the server is just starting or
// stopping, and when it found two transactions in each other's way.
func (p *Pool) Do(ctx context.Context, do func(*pgxpool.Conn) error) error {
	return p.try(ctx, len(pauses), do)
}

// Insist is Do for what must not be given up before the context ends.
func (p *Pool) Insist(ctx context.Context, do func(*pgxpool.Conn) error) error {
	return p.try(ctx, math.MaxInt, do)
}

func (p *Pool) try(ctx context.Context, again int, do func(*pgxpool.Conn) error) error {
	for n := 0; ; n++ {
		err := p.with(ctx, do)
		if err == nil || n == again || ctx.Err() != nil || !passing(err) {
			return err
		}
		if !IsClass(err, "40") {
			p.conns.Reset() // what has closed one connection has mostly closed all
		}
		pause := time.NewTimer(pauses[min(n, len(pauses)-1)])
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return err
		}
	}
}

// with has a connection do something. When the context ends while all
// connections are in use, the error says so: that tells nothing of the server.
func (p *Pool) with(ctx context.Context, do func(*pgxpool.Conn) error) error {
	conn, err := p.conns.Acquire(ctx)
	if err != nil {
		s := p.conns.Stat()
		if ctx.Err() != nil && s.AcquiredConns() > 0 && s.AcquiredConns()+s.ConstructingConns() >= s.MaxConns() {
			return fmt.Errorf("%w: all %d connections to the database are in use (pool_max_conns): %w", store.ErrBusy, s.MaxConns(), err)
		}
		return err
	}
	defer conn.Release()
	return do(conn)
}

// passing reports whether an error may be gone at the next try.
func passing(err error) bool {
	if _, ok := errors.AsType[*pgconn.PgError](err); !ok {
		return true // the connection's, not the server's
	}
	return IsClass(err, "08") || // connection exception
		IsClass(err, "40") || // serialization failure, deadlock detected
		IsClass(err, "57") || // shutting down, starting up
		IsClass(err, "25006") // read-only, as a server is that is no longer the primary
}

// IsClass reports whether an error is the server's, of a class, or with a code.
func IsClass(err error, class string) bool {
	answer, ok := errors.AsType[*pgconn.PgError](err)
	return ok && strings.HasPrefix(answer.Code, class)
}
