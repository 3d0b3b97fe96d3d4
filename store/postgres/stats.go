package postgres

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A figureRow is how many deliveries of a destination are in a state.
type figureRow struct {
	Destination string
	Paused      bool
	State       int16
	Cause       string
	N           int64
	Oldest      *time.Time
}

// Stats implements store.Operator.
func (q *queue) Stats(ctx context.Context) (stats store.Stats, err error) {
	var found []figureRow
	err = q.do(ctx, &queuePart, q.pool.Do, func(conn *pgxpool.Conn) (err error) {
		found, err = collect(ctx, conn, pgx.RowToStructByPos[figureRow], q.figures, q.handler)
		return err
	})
	if err != nil {
		return stats, err
	}
	slices.SortStableFunc(found, func(a, b figureRow) int { return cmp.Compare(a.Destination, b.Destination) })
	for _, row := range found {
		last := len(stats.Destinations) - 1
		if last < 0 || stats.Destinations[last].Destination != row.Destination {
			stats.Destinations = append(stats.Destinations, store.DestinationStats{
				Destination: row.Destination, Paused: row.Paused, Dead: make(map[string]int64),
			})
			last++
		}
		d := &stats.Destinations[last]
		switch store.DeliveryState(row.State) {
		case store.Waiting:
			d.Waiting = row.N
		case store.UnderWay:
			d.UnderWay = row.N
		case store.DeliveryDead:
			d.Dead[fromText(row.Cause)] = row.N
			continue
		case store.DeliveryDone, store.Discarded, store.Unmatched:
		}
		if row.Oldest != nil && (d.Oldest.IsZero() || row.Oldest.Before(d.Oldest)) {
			d.Oldest = *row.Oldest
		}
	}
	stats.Free = -1
	stats.Bytes, err = q.size(ctx)
	return stats, err
}

// size returns what the tables take, 0 where the database does not tell.
func (q *queue) size(ctx context.Context) (size int64, err error) {
	names := make([]string, 0, 4+2*segments)
	names = append(names, "{dedup}", "{waiting}", "{lane}", "{behind}")
	for k := range segments {
		names = append(names, "{event_"+strconv.Itoa(k)+"}", "{attempt_"+strconv.Itoa(k)+"}")
	}
	err = q.pool.Do(ctx, func(conn *pgxpool.Conn) error {
		return conn.QueryRow(ctx, diskSize, q.name.all(names)).Scan(&size)
	})
	if isCode(err, "42883", "0A000") { // there is no such function
		return 0, nil
	}
	return size, err
}

// Pause implements store.Operator.
func (q *queue) Pause(ctx context.Context, destination string, paused bool) error {
	if err := q.introduce(ctx, destination); err != nil {
		return err
	}
	err := q.do(ctx, &queuePart, q.pool.Do, func(conn *pgxpool.Conn) error {
		_, err := conn.Exec(ctx, q.pause, q.handler, destination, paused)
		return err
	})
	q.destinations.wake(q.handler, destination)
	return err
}
