package postgres

import (
	"context"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// lookAt is how many rows of each table one call looks at.
const lookAt = 1000

// filterArgs returns the first parameters of a statement that has a filter.
func (q *queue) filterArgs(f *store.Filter) []any {
	states := make([]int16, len(f.States))
	for i, s := range f.States {
		states[i] = int16(s)
	}
	return []any{
		q.handler, toText(f.Destination), states, uuids(f.Keys), toText(f.Object), toText(f.Kind), toText(f.Conversation), toText(f.Text),
		orNull(f.From), orNull(f.To),
	}
}

// orNull returns a time, or null if it is zero.
func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// any reports whether a filter finds deliveries in one of the states.
func anyOf(f *store.Filter, states ...store.DeliveryState) bool {
	return len(f.States) == 0 || slices.ContainsFunc(f.States, func(s store.DeliveryState) bool { return slices.Contains(states, s) })
}

// A listRow is a delivery in a list. All but Low is null if there are none.
type listRow struct {
	Low         int64
	Number      *int64
	Destination *string
	State       *int16
	Attempts    *int32
	Due         *time.Time
	Replay      *bool
	Size        *int32

	Key                                               pgtype.UUID
	Whole                                             *bool
	Received                                          *time.Time
	Object, Entry, Field, Kind, Subject, Conversation *string

	Started      *time.Time
	Took         *int64
	Status       *int32
	Cause, Error *string
}

// List implements store.Operator.
func (q *queue) List(ctx context.Context, f store.Filter, cursor string, limit int) (found []store.Summary, next string, err error) {
	below := int64(math.MaxInt64)
	if cursor != "" {
		if below, err = strconv.ParseInt(cursor, 10, 64); err != nil {
			return nil, "", store.ErrCursor
		}
	}
	l := listed{
		waiting: anyOf(&f, store.Waiting, store.UnderWay, store.DeliveryDead), settled: anyOf(&f, store.DeliveryDone, store.Discarded),
		unmatched: anyOf(&f, store.Unmatched), keys: len(f.Keys) > 0,
	}
	l.deadOnly = l.waiting && !anyOf(&f, store.Waiting, store.UnderWay)
	var rows []listRow
	err = q.do(ctx, &queuePart, q.pool.Do, func(conn *pgxpool.Conn) (err error) {
		rows, err = collect(ctx, conn, pgx.RowToStructByPos[listRow], q.operating.Replace(l.list()), append(q.filterArgs(&f), below, lookAt, limit)...)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	for i := range rows {
		r := &rows[i]
		if r.Number == nil || len(found) > 0 && found[len(found)-1].Number == store.Number(*r.Number) { //nolint:gosec // the database has no others
			continue // while a segment is copied, it may be there twice
		}
		found = append(found, r.summary())
	}
	switch low := rows[0].Low; {
	case len(rows) >= limit && len(found) > 0:
		next = strconv.FormatUint(uint64(found[len(found)-1].Number), 10)
	case low > 0:
		next = strconv.FormatInt(low, 10)
	}
	return found, next, nil
}

// summary returns the delivery of a row that is not null.
func (r *listRow) summary() store.Summary {
	e := eventRow{r.Key, *r.Whole, *r.Received, *r.Object, *r.Entry, *r.Field, *r.Kind, *r.Subject, *r.Conversation}
	s := store.Summary{
		Number: store.Number(*r.Number), Key: e.Key.Bytes, Info: e.info(), Whole: e.Whole, //nolint:gosec // the database has no others
		Destination: deref(r.Destination), State: store.DeliveryState(*r.State), //nolint:gosec // nor other states
		Received: e.Received, Attempts: int(*r.Attempts), Replay: *r.Replay, Size: int(*r.Size),
	}
	if s.State == store.Waiting {
		s.Due = *r.Due
	}
	a := attemptRow{Started: r.Started, Took: r.Took, Status: r.Status, Cause: r.Cause, Error: r.Error}
	s.Last = a.attempt()
	return s
}

// An attemptRow is what is returned of an attempt.
type attemptRow struct {
	Number       int64
	N            int32
	Started      *time.Time
	Took         *int64
	Status       *int32
	Cause, Error *string
	Answer       []byte
}

func (r *attemptRow) attempt() store.Attempt {
	return store.Attempt{
		Started: deref(r.Started), Took: time.Duration(deref(r.Took)), Status: int(deref(r.Status)),
		Cause: fromText(deref(r.Cause)), Error: fromText(deref(r.Error)), Answer: r.Answer,
	}
}

// deref returns what may be null, or else zero.
func deref[T any](p *T) (value T) {
	if p != nil {
		value = *p
	}
	return value
}
