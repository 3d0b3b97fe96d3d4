package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/postgres/internal/pgpool"
)

// opened holds the tables in use.
var opened = caddy.NewUsagePool()

type tablesKey struct{ dsn, option string }

// tables are shared by the stores with one dsn and table, see schema.go.
type tables struct {
	key  tablesKey
	pool *pgpool.Pool
	name naming
	sql  statements
	queries
	claims *claims

	ledger, queue atomic.Bool  // prepared
	segment       atomic.Int32 // that was the current one
	destinations  wakes

	cleaning context.CancelFunc
	cleaned  sync.WaitGroup // the goroutines that clean up have ended
}

func openTables(dsn, option string) (*tables, error) {
	key := tablesKey{dsn, option}
	shared, _, err := opened.LoadOrNew(key, func() (caddy.Destructor, error) {
		pool, err := pgpool.Open(dsn)
		if err != nil {
			return nil, fmt.Errorf("dsn: %w", err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		name := newNaming(option)
		t := &tables{key: key, pool: pool, name: name, sql: newStatements(name), queries: newQueries(name), claims: newClaims(), cleaning: cancel}
		t.cleaned.Go(func() { t.expire(ctx) })
		t.cleaned.Go(func() { t.turn(ctx) })
		return t, nil
	})
	if err != nil {
		return nil, err
	}
	return shared.(*tables), nil
}

func (t *tables) close() error {
	_, err := opened.Delete(t.key)
	return err
}

// Destruct implements caddy.Destructor.
func (t *tables) Destruct() error {
	t.cleaning()
	t.cleaned.Wait()
	return t.pool.Close()
}

// prepared is whether a part is.
func (t *tables) prepared(p *part) *atomic.Bool {
	if p == &queuePart {
		return &t.queue
	}
	return &t.ledger
}

// A connected is how a pool has a connection do something.
type connected func(ctx context.Context, do func(*pgxpool.Conn) error) error

// do has a connection do something with the tables of a part. Tables that were
// dropped are made again.
func (t *tables) do(ctx context.Context, p *part, by connected, do func(*pgxpool.Conn) error) error {
	for again := false; ; again = true {
		if p == &queuePart {
			if err := t.prepare(ctx, &ledgerPart); err != nil {
				return err
			}
		}
		if err := t.prepare(ctx, p); err != nil {
			return err
		}
		err := by(ctx, do)
		if !isCode(err, undefinedTable) {
			return said(err)
		}
		t.ledger.Store(false)
		t.queue.Store(false)
		if again {
			return err
		}
	}
}

// said makes an error of the database one of the store's where it is not a
// fault.
func said(err error) error {
	switch {
	case isCode(err, "53100"): // disk full
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	case isCode(err, "53200", "53300", "53400"): // out of memory, too many connections, a limit
		return fmt.Errorf("%w: %w", store.ErrBusy, err)
	case isCode(err, "25006"):
		return refused("", err)
	}
	return err
}

// exec runs a statement that is about what was claimed. What was delivered has
// to be recorded even if the server has to start first.
func (t *tables) exec(ctx context.Context, statement string, args ...any) error {
	return t.do(ctx, &ledgerPart, t.pool.Insist, func(conn *pgxpool.Conn) error {
		_, err := conn.Exec(ctx, statement, args...)
		return err
	})
}

// collect runs a statement and returns its rows.
func collect[T any](ctx context.Context, conn *pgxpool.Conn, scan pgx.RowToFunc[T], statement string, args ...any) ([]T, error) {
	rows, err := conn.Query(ctx, statement, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}

// A transaction is statements that are sent at once. What they return is read
// when all have been sent.
type transaction struct{ pgx.Batch }

const (
	// begin begins a transaction in which each statement sees what was committed
	// before it.
	begin = `BEGIN ISOLATION LEVEL READ COMMITTED`

	// endIdle ends a transaction whose COMMIT does not arrive.
	endIdle = `SET LOCAL idle_in_transaction_session_timeout = '15s'`

	// byIndex has tables looked up by their indexes, however small they were when
	// the plan was made that a connection has kept.
	byIndex = `SET LOCAL enable_seqscan = off`

	// syncLater lets a transaction be undone by a crash of the server within the
	// next second.
	syncLater = `SET LOCAL synchronous_commit = off`
)

// newTransaction begins a transaction with settings of its own.
func newTransaction(settings ...string) *transaction {
	tx := new(transaction)
	tx.Queue(begin)
	for _, s := range append(settings, endIdle) {
		tx.Queue(s)
	}
	return tx
}

// rows has a statement return rows.
func rows[T any](tx *transaction, into *[]T, scan pgx.RowToFunc[T], statement string, args ...any) {
	tx.Queue(statement, args...).Query(func(rows pgx.Rows) (err error) {
		*into, err = pgx.CollectRows(rows, scan)
		return err
	})
}

// commit sends the transaction.
func (tx *transaction) commit(ctx context.Context, conn *pgxpool.Conn) error {
	tx.Queue(`COMMIT`)
	return tx.send(ctx, conn)
}

// send sends what there is of a transaction. One that fails is rolled back.
func (tx *transaction) send(ctx context.Context, conn *pgxpool.Conn) error {
	err := conn.SendBatch(ctx, &tx.Batch).Close()
	if err != nil && conn.Conn().PgConn().TxStatus() != 'I' && !conn.Conn().IsClosed() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_, errRollback := conn.Exec(ctx, `ROLLBACK`)
		return errors.Join(err, errRollback)
	}
	return err
}

const (
	// expireEvery is the time between two looks at what has expired.
	expireEvery = time.Minute

	// expireAtOnce is how many rows one statement deletes.
	expireAtOnce = 1000
)

// expire drops what has expired, until the context ends. Instances that share
// tables all do so; a row that another was faster with costs nothing.
func (t *tables) expire(ctx context.Context) {
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
func (t *tables) expireNow(ctx context.Context) {
	for dropped := int64(expireAtOnce); dropped == expireAtOnce && t.ledger.Load(); {
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
