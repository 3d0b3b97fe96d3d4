package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/postgres/internal/pgpool"
)

// tables holds the tables in use.
var tables = caddy.NewUsagePool()

type tableKey struct{ dsn, table string }

// A table is a table that stores share.
type table struct {
	key  tableKey
	pool *pgpool.Pool
	sql  statements

	prepared atomic.Bool

	expiring context.CancelFunc
	expired  chan struct{} // when the goroutine that expires has ended
}

func openTable(dsn, name string) (*table, error) {
	key := tableKey{dsn, name}
	shared, _, err := tables.LoadOrNew(key, func() (caddy.Destructor, error) {
		pool, err := pgpool.Open(dsn)
		if err != nil {
			return nil, fmt.Errorf("dsn: %w", err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		t := &table{key: key, pool: pool, sql: newStatements(name), expiring: cancel, expired: make(chan struct{})}
		go t.expire(ctx)
		return t, nil
	})
	if err != nil {
		return nil, err
	}
	return shared.(*table), nil
}

func (t *table) close() error {
	_, err := tables.Delete(t.key)
	return err
}

// Destruct implements caddy.Destructor.
func (t *table) Destruct() error {
	t.expiring()
	<-t.expired
	return t.pool.Close()
}

// prepare makes sure that the table is there and can be used. Several may do
// so at once; to wait for each other would be to wait for the slowest.
func (t *table) prepare(ctx context.Context) error {
	if t.prepared.Load() {
		return nil
	}
	err := t.pool.Do(ctx, func(conn *pgxpool.Conn) error {
		err := t.try(ctx, conn)
		if !isCode(err, undefinedTable) {
			return err
		}
		for _, statement := range t.sql.create {
			// Somebody else may be making it at the same time, which IF NOT
			// EXISTS does not always cover. The try afterwards decides.
			if _, err := conn.Exec(ctx, statement); err != nil && !isCode(err, "23505") && !isCode(err, "42P07") && !isCode(err, "42710") {
				return refused(statement, err)
			}
		}
		return t.try(ctx, conn)
	})
	t.prepared.Store(err == nil)
	return err
}

// try runs each statement on nothing, and finds out which is refused.
func (t *table) try(ctx context.Context, conn *pgxpool.Conn) error {
	for _, s := range []struct {
		statement string
		args      []any
	}{
		{t.sql.claim, []any{"", uuids(nil), int64(0), time.Duration(0)}},
		{t.sql.commit, []any{"", uuids(nil), int64(0), time.Duration(0)}},
		{t.sql.release, []any{"", uuids(nil), int64(0)}},
		{t.sql.expire, []any{0}},
	} {
		if _, err := conn.Exec(ctx, s.statement, s.args...); err != nil {
			return refused(s.statement, err)
		}
	}
	return nil
}

// refused names the statement in an error that is about it.
func refused(statement string, err error) error {
	if !permanent(err) {
		return err
	}
	return fmt.Errorf("the database refuses %q: %w", statement, err)
}

// permanent reports whether an error is the database's last word, and not about
// the state that it is in.
func permanent(err error) bool {
	answer, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || len(answer.Code) != 5 {
		return false
	}
	switch answer.Code[:2] {
	case "28", "3D", "3F", "42": // who, which database, which schema, what
		return true
	}
	return false
}

const undefinedTable = "42P01"

func isCode(err error, code string) bool {
	answer, ok := errors.AsType[*pgconn.PgError](err)
	return ok && answer.Code == code
}

// A connected is how a pool has a connection do something.
type connected func(ctx context.Context, do func(*pgxpool.Conn) error) error

// do has a connection do something with the table. One that was dropped is made
// again.
func (t *table) do(ctx context.Context, by connected, do func(*pgxpool.Conn) error) error {
	for again := false; ; again = true {
		if err := t.prepare(ctx); err != nil {
			return err
		}
		err := by(ctx, do)
		if !isCode(err, undefinedTable) {
			return err
		}
		t.prepared.Store(false)
		if again {
			return err
		}
	}
}

// exec runs a statement that is about what was claimed. What was delivered has
// to be recorded even if the server has to start first.
func (t *table) exec(ctx context.Context, statement string, args ...any) error {
	return t.do(ctx, t.pool.Insist, func(conn *pgxpool.Conn) error {
		_, err := conn.Exec(ctx, statement, args...)
		return err
	})
}

// A row is what a claim returns of an event.
type row struct {
	ID        store.Key
	Delivered bool
}

// query runs a statement and returns its rows.
func (t *table) query(ctx context.Context, statement string, args ...any) (found []row, err error) {
	err = t.do(ctx, t.pool.Do, func(conn *pgxpool.Conn) error {
		rows, err := conn.Query(ctx, statement, args...)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[row])
		return err
	})
	return found, err
}

const (
	// expireEvery is the time between two looks at what has expired.
	expireEvery = time.Minute

	// expireAtOnce is how many rows one statement deletes.
	expireAtOnce = 1000
)

// expire drops what has expired, until the context ends. Instances that share
// a table all do so; a row that another was faster with costs nothing.
func (t *table) expire(ctx context.Context) {
	defer close(t.expired)
	ticker := time.NewTicker(expireEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			t.expireNow(ctx)
		}
	}
}

// expireNow drops all that has expired. What it cannot drop now it can later.
func (t *table) expireNow(ctx context.Context) {
	for dropped := int64(expireAtOnce); dropped == expireAtOnce && t.prepared.Load(); {
		err := t.pool.Do(ctx, func(conn *pgxpool.Conn) error {
			tag, err := conn.Exec(ctx, t.sql.expire, expireAtOnce)
			dropped = tag.RowsAffected()
			return err
		})
		if err != nil {
			return
		}
	}
}
