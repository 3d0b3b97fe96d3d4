package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// callTimeout is how long the database may take for one call of a queue.
const callTimeout = 10 * time.Second

// A queue is the events of one handler in the tables.
type queue struct {
	*tables
	handler string
	keep    time.Duration
	now     func() time.Time // what the times of outcomes are compared with

	accepts batcher[*accepted]
	settles batcher[*settlement]

	closing context.Context
	close   context.CancelFunc
	taking  sync.WaitGroup

	mu   sync.Mutex
	held map[store.Number]holding
}

// A holding is a delivery that was taken and not settled.
type holding struct {
	destination string
	token       store.Token
	lanes       []int64
}

// OpenQueue implements store.QueueOpener.
func (s *Store) OpenQueue(name string) (store.Queue, error) {
	t, err := openTables(s.dsn, s.Table)
	if err != nil {
		return nil, err
	}
	q := &queue{
		tables: t, handler: name, keep: time.Duration(*s.Keep), now: s.now,
		held: make(map[store.Number]holding),
	}
	q.accepts = batcher[*accepted]{do: q.acceptAll, parallel: 2, calls: 1000, weight: 8 << 20, room: 20_000}
	q.settles = batcher[*settlement]{do: q.settleAll, parallel: 1, calls: 1000, weight: 1000, room: 100_000}
	q.closing, q.close = context.WithCancel(context.Background())
	ctx, cancel := context.WithTimeout(context.Background(), setupTimeout)
	defer cancel()
	if err := q.introduce(ctx); err != nil {
		if permanent(err) {
			return nil, errors.Join(err, t.close())
		}
		s.logger.Error("database out of reach for now", zap.Error(err))
	}
	return q, nil
}

// introduce makes the handler and destinations known to the tables, and
// finds out which segment is the current one.
func (q *queue) introduce(ctx context.Context, destinations ...string) error {
	return q.do(ctx, &queuePart, q.pool.Do, func(conn *pgxpool.Conn) error {
		if err := q.add(ctx, conn, q.addQueue, q.handler, q.keep); err != nil {
			return err
		}
		for _, d := range destinations {
			if err := q.add(ctx, conn, q.addDestination, q.handler, d); err != nil {
				return err
			}
		}
		var current int32
		if err := conn.QueryRow(ctx, q.current).Scan(&current); err != nil {
			return fmt.Errorf("finding the current segment: %w", err)
		}
		q.segment.Store(current)
		return nil
	})
}

// add inserts a row with a number of its own. Another instance may insert one
// with the same number at the same time.
func (q *queue) add(ctx context.Context, conn *pgxpool.Conn, statement string, args ...any) error {
	for tries := 0; ; tries++ {
		_, err := conn.Exec(ctx, statement, args...)
		if !isCode(err, "23505") || tries == 20 {
			return err
		}
	}
}

// Close implements store.Queue.
func (q *queue) Close() error {
	q.mu.Lock()
	q.close()
	q.mu.Unlock()
	q.taking.Wait()
	q.mu.Lock()
	held := q.held
	q.held = make(map[store.Number]holding)
	q.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	q.giveBack(ctx, held) // if that fails, their leases end
	q.accepts.wait()
	q.settles.wait()
	return q.tables.close()
}

// giveBack returns deliveries to the queue.
func (q *queue) giveBack(ctx context.Context, held map[store.Number]holding) {
	outcomes := make(map[string][]store.Outcome)
	for number, h := range held {
		outcomes[h.destination] = append(outcomes[h.destination], store.Outcome{Held: store.Held{Number: number, Token: h.token}})
	}
	for destination, outcomes := range outcomes {
		_, _ = q.record(ctx, destination, outcomes)
	}
}

// PostgreSQL has no text with a NUL, which JSON can hold. It is written as two
// characters that begin with one that stands for itself when it is doubled.
var (
	writeNUL = strings.NewReplacer("\x00", "\x1a0", "\x1a", "\x1a\x1a")
	readNUL  = strings.NewReplacer("\x1a0", "\x00", "\x1a\x1a", "\x1a")
)

// toText returns a string as the database can hold it, and fromText returns
// what it was.
func toText(s string) string {
	if !strings.ContainsAny(s, "\x00\x1a") {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	return writeNUL.Replace(strings.ToValidUTF8(s, "\uFFFD"))
}

func fromText(s string) string {
	if !strings.Contains(s, "\x1a") {
		return s
	}
	return readNUL.Replace(s)
}

// Interface guards
var (
	_ store.QueueOpener = (*Store)(nil)
	_ store.Queue       = (*queue)(nil)
)
