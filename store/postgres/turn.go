package postgres

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// turnEvery is the time between two looks at the segments.
	turnEvery = time.Minute

	// drainAfter is how long a segment is left alone once nothing new may refer
	// to it.
	drainAfter = time.Minute

	// shortestTurn is how long a segment is the current one, at least.
	shortestTurn = 10 * time.Minute
)

// A segmentRow is where a segment stands.
type segmentRow struct {
	Segment, State int16
	Age            int64 // how long it has been there, in seconds
	Keep           int64 // for how long settled events are to be kept
}

// turn turns the segments until the context ends. Instances that share tables
// all do so.
func (t *tables) turn(ctx context.Context) {
	for {
		timer := time.NewTimer(turnEvery - rand.N(turnEvery/4)) //nolint:gosec // so that instances do not look together
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		if t.queue.Load() {
			_ = t.turnNow(ctx) // or the next time
		}
	}
}

// turnNow makes the next segment the current one when it is time to, and
// empties segments that have been full for long enough.
func (t *tables) turnNow(ctx context.Context) error {
	var drain []int16
	var current int16
	err := t.pool.Do(ctx, func(conn *pgxpool.Conn) error {
		drain = nil
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) (err error) {
			current, drain, err = t.turnIn(ctx, tx)
			return err
		})
	})
	if err != nil {
		return err
	}
	t.segment.Store(int32(current))
	for _, k := range drain {
		err = errors.Join(err, t.drain(ctx, k, current))
	}
	return err
}

// turnIn moves the segments on in a transaction, and returns the current one and
// the ones to empty now: none if another instance is at it.
func (t *tables) turnIn(ctx context.Context, tx pgx.Tx) (current int16, drain []int16, err error) {
	rows, err := tx.Query(ctx, t.lockSegments)
	if err != nil {
		return 0, nil, err
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[segmentRow])
	if err != nil || len(all) < segments {
		return int16(t.segment.Load()), nil, err //nolint:gosec // a number of a segment
	}
	set := func(k, state int16) {
		if err == nil {
			_, err = tx.Exec(ctx, t.setSegment, k, state)
		}
	}
	for _, s := range all {
		switch s.State {
		case segmentCurrent:
			current = s.Segment
			next := (s.Segment + 1) % segments
			if s.Age < max(s.Keep/(segments-2), int64(shortestTurn.Seconds())) || all[next].State != segmentEmpty {
				continue
			}
			var used bool
			if err := tx.QueryRow(ctx, t.isUsed[s.Segment]).Scan(&used); err != nil {
				return 0, nil, err
			}
			if used {
				set(s.Segment, segmentFull)
				set(next, segmentCurrent)
				current = next
			}
		case segmentFull:
			if s.Age >= s.Keep {
				set(s.Segment, segmentDraining)
			}
		case segmentDraining:
			if s.Age >= int64(drainAfter.Seconds()) {
				drain = append(drain, s.Segment)
			}
		}
	}
	return current, drain, err
}

// drain copies what is still needed of a segment to another one, and empties
// it.
func (t *tables) drain(ctx context.Context, from, to int16) error {
	empty := t.truncateAll
	for {
		var done bool
		err := t.pool.Do(ctx, func(conn *pgxpool.Conn) error {
			return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) (err error) {
				done, err = t.drainSome(ctx, tx, from, to, empty)
				return err
			})
		})
		if isCode(err, "42501") { // the user may not truncate
			empty = t.deleteSomeOf
			continue
		}
		if err != nil || done {
			return err
		}
	}
}

// An emptying empties a segment in a transaction, and reports whether it is
// empty now.
type emptying func(ctx context.Context, tx pgx.Tx, segment int16) (bool, error)

// drainSome copies some of what is needed of a segment, or empties it if there
// is nothing, and reports whether it is empty.
func (t *tables) drainSome(ctx context.Context, tx pgx.Tx, from, to int16, empty emptying) (bool, error) {
	var state int16
	if err := tx.QueryRow(ctx, t.lockSegment, from).Scan(&state); err != nil || state != segmentDraining {
		return true, err // another instance was faster
	}
	needed, err := t.neededOf(ctx, tx, from)
	if err != nil {
		return false, err
	}
	if len(needed) == 0 {
		if _, err := tx.Exec(ctx, t.copyAttempts[from][to]); err != nil {
			return false, err
		}
		done, err := empty(ctx, tx, from)
		if done && err == nil {
			_, err = tx.Exec(ctx, t.setSegment, from, segmentEmpty)
		}
		return done, err
	}
	for _, statement := range []string{t.copyEvents[from][to], t.followWaiting, t.followReplays} {
		args := []any{needed, to, from}
		if statement == t.copyEvents[from][to] {
			args = args[:1]
		}
		if _, err := tx.Exec(ctx, statement, args...); err != nil {
			return false, err
		}
	}
	for k := range segments {
		if _, err := tx.Exec(ctx, t.followAttempts[k], needed, to, from); err != nil {
			return false, err
		}
	}
	return false, nil
}

func (t *tables) neededOf(ctx context.Context, tx pgx.Tx, from int16) ([]int64, error) {
	rows, err := tx.Query(ctx, t.needed[from])
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int64])
}

// errNeeded undoes that a segment was emptied.
var errNeeded = errors.New("a segment is needed again")

// truncateAll waits for transactions that use the tables of a segment, empties
// them, and then looks again whether it is still not needed.
func (t *tables) truncateAll(ctx context.Context, tx pgx.Tx, segment int16) (bool, error) {
	if _, err := tx.Exec(ctx, `SET LOCAL lock_timeout = '500ms'`); err != nil { // for others wait behind it
		return false, err
	}
	if _, err := tx.Exec(ctx, t.truncate[segment]); err != nil {
		return false, err
	}
	needed, err := t.neededOf(ctx, tx, segment)
	if err == nil && len(needed) > 0 {
		err = errNeeded
	}
	return true, err
}

// deleteSomeOf deletes some of a segment.
func (t *tables) deleteSomeOf(ctx context.Context, tx pgx.Tx, segment int16) (bool, error) {
	var n int64
	err := tx.QueryRow(ctx, t.deleteSome[segment]).Scan(&n)
	return n == 0, err
}
