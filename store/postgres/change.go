package postgres

import (
	"context"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A pageCursor is where Replay and Discard go on, and where they end: at what
// there was when they began.
type pageCursor struct{ after, upTo int64 }

// page returns where to go on from.
func (q *queue) page(ctx context.Context, cursor string) (p pageCursor, err error) {
	if cursor != "" {
		if _, err := fmt.Sscanf(cursor, "%d-%d", &p.after, &p.upTo); err != nil {
			return p, store.ErrCursor
		}
		return p, nil
	}
	p.after = math.MinInt64
	err = q.do(ctx, &queuePart, q.pool.Do, func(conn *pgxpool.Conn) error {
		return conn.QueryRow(ctx, q.number).Scan(&p.upTo)
	})
	return p, err
}

// next returns the cursor to go on from, when what fits was looked for up to a
// number.
func (p pageCursor) next(number int64) string {
	if number >= p.upTo {
		return ""
	}
	return fmt.Sprintf("%d-%d", number, p.upTo)
}

// A changeRow is an event or delivery to change. All but High is null if there
// are none.
type changeRow struct {
	High   int64
	Number *int64
}

// Replay implements store.Operator.
func (q *queue) Replay(ctx context.Context, destination string, f store.Filter, cursor string, limit int, dry bool) (n int, next string, err error) {
	p, err := q.page(ctx, cursor)
	if err != nil {
		return 0, "", err
	}
	if !dry {
		if err := q.introduce(ctx, destination); err != nil {
			return 0, "", err
		}
	}
	statement := q.operating.Replace(replays(len(f.Keys) > 0, !dry))
	args := append(q.filterArgs(&f), p.after, p.upTo, lookAt, limit, destination, laneKey(0, q.salt(destination)))
	var found []changeRow
	for tries := 0; ; tries++ {
		err = q.do(ctx, &queuePart, q.pool.Do, func(conn *pgxpool.Conn) error {
			tx := newTransaction()
			if !dry {
				tx.Queue(q.lockTo, q.handler, destination) // no two put the same events
				tx.Queue(q.shareSegments)
			}
			rows(tx, &found, pgx.RowToStructByPos[changeRow], statement, args...)
			return tx.commit(ctx, conn)
		})
		if !isCode(err, "23502") || tries == 20 { // behind a higher number
			break
		}
	}
	if err != nil {
		return 0, "", err
	}
	if !dry {
		q.destinations.wake(q.handler, destination)
	}
	high := found[0].High
	for _, row := range found {
		if row.Number == nil {
			continue
		}
		if n++; n == limit {
			high = *row.Number
		}
	}
	return n, p.next(high), nil
}

// A discardRow is a delivery to discard. All but High is null if there are none.
type discardRow struct {
	High        int64
	Number      *int64
	Destination *string
}

// Discard implements store.Operator.
func (q *queue) Discard(ctx context.Context, f store.Filter, cursor string, limit int, dry bool) (n int, next string, err error) {
	p, err := q.page(ctx, cursor)
	if err != nil {
		return 0, "", err
	}
	var found []discardRow
	err = q.do(ctx, &queuePart, q.pool.Do, func(conn *pgxpool.Conn) (err error) {
		found, err = collect(ctx, conn, pgx.RowToStructByPos[discardRow], q.operating.Replace(discards(len(f.Keys) > 0)),
			append(q.filterArgs(&f), p.after, p.upTo, lookAt, limit)...)
		return err
	})
	if err != nil {
		return 0, "", err
	}
	high, last, chosen := found[0].High, int64(0), 0
	outcomes := make(map[string][]store.Outcome)
	for _, row := range found {
		if row.Number == nil || *row.Number == last {
			continue
		}
		last = *row.Number
		if chosen++; chosen == limit {
			high = last
		}
		o := store.Outcome{Held: store.Held{Number: store.Number(last)}, Result: resultDiscarded} //nolint:gosec // the database has no others
		outcomes[*row.Destination] = append(outcomes[*row.Destination], o)
	}
	if dry {
		return chosen, p.next(high), nil
	}
	for destination, outcomes := range outcomes {
		counted, err := q.record(ctx, destination, outcomes)
		if n += counted; err != nil {
			return n, "", err
		}
	}
	return n, p.next(high), nil
}
