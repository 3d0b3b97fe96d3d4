package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A settlement is outcomes that are to be recorded.
type settlement struct {
	destination string
	outcomes    []store.Outcome
}

// Settle implements store.Queue.
func (q *queue) Settle(ctx context.Context, destination string, outcomes []store.Outcome) error {
	if len(outcomes) == 0 {
		return nil
	}
	_, err := q.settles.call(ctx, &settlement{destination, slices.Clone(outcomes)}, len(outcomes))
	return err
}

// settleAll records the outcomes of calls in a few writes: one for each
// destination, unless there is more than one outcome of a delivery.
func (q *queue) settleAll(batch []*call[*settlement]) {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	for len(batch) > 0 {
		destination := batch[0].what.destination
		var same, others []*call[*settlement]
		var outcomes []store.Outcome
		for _, c := range batch {
			if c.what.destination != destination {
				others = append(others, c)
				continue
			}
			same = append(same, c)
			outcomes = append(outcomes, c.what.outcomes...)
		}
		_, err := q.record(ctx, destination, outcomes)
		for _, c := range same {
			c.err = err
		}
		batch = others
	}
}

// record records outcomes in their order, and returns how many counted.
func (q *queue) record(ctx context.Context, destination string, outcomes []store.Outcome) (n int, err error) {
	for len(outcomes) > 0 {
		different := map[store.Number]bool{}
		next := 0
		for next < len(outcomes) && !different[outcomes[next].Number] {
			different[outcomes[next].Number] = true
			next++
		}
		counted, err := q.recordOnce(ctx, destination, outcomes[:next])
		if n += counted; err != nil {
			return n, err
		}
		outcomes = outcomes[next:]
	}
	q.destinations.wake(q.handler, destination)
	return n, nil
}

// A hitRow is a delivery whose outcome counted.
type hitRow struct {
	Number, Event int64
	Segment       int16
	Result        int16
}

// recordOnce records outcomes of different deliveries in one write.
func (q *queue) recordOnce(ctx context.Context, destination string, outcomes []store.Outcome) (int, error) {
	lanes, err := q.lanesFor(ctx, outcomes)
	if err != nil {
		return 0, err
	}
	p := q.settleParams(outcomes)
	segment := q.segment.Load()
	var hit []hitRow
	err = q.do(ctx, &queuePart, q.pool.Insist, func(conn *pgxpool.Conn) error {
		tx := newTransaction(byIndex, syncLater)
		if len(lanes) > 0 {
			tx.Queue(q.lockLanes, lanes)
		}
		rows(tx, &hit, pgx.RowToStructByPos[hitRow], q.settle[segment], q.handler, destination,
			p.number, p.token, p.result, p.started, p.took, p.status, p.cause, p.error, p.answer)
		if p.moves || len(lanes) > 0 {
			tx.Queue(q.move, q.handler, destination, lanes, p.number, p.token, p.result, p.after, p.cause)
		}
		return tx.commit(ctx, conn)
	})
	if err != nil {
		return 0, err
	}
	q.forget(outcomes)
	q.purge(ctx, hit)
	return len(hit), nil
}

// settleParams are the parameters of settleOutcomes and makeMoves.
type settleParams struct {
	number, token, after, took []int64
	result                     []int16
	started                    []*time.Time
	status                     []*int32
	cause, error               []string
	answer                     [][]byte
	moves                      bool // some deliveries are not done
}

func (q *queue) settleParams(outcomes []store.Outcome) *settleParams {
	p := &settleParams{}
	now := q.now()
	for i := range outcomes {
		o := &outcomes[i]
		a := &o.Attempt
		var started *time.Time
		if !a.Started.IsZero() {
			started = &a.Started
		}
		var status *int32
		if a.Status != 0 {
			s := int32(a.Status) //nolint:gosec // an HTTP status
			status = &s
		}
		var after time.Duration
		if o.Result == store.Again {
			after = max(0, o.At.Sub(now))
		}
		p.number = append(p.number, int64(o.Number)) //nolint:gosec // the database has no others
		p.token = append(p.token, int64(o.Token))    //nolint:gosec // all 64 bits of it
		p.result = append(p.result, int16(o.Result))
		p.after = append(p.after, after.Microseconds())
		p.started = append(p.started, started)
		p.took = append(p.took, int64(a.Took))
		p.status = append(p.status, status)
		p.cause = append(p.cause, toText(a.Cause))
		p.error = append(p.error, toText(a.Error))
		p.answer = append(p.answer, a.Answer)
		p.moves = p.moves || o.Result != store.Done
	}
	return p
}

// lanesFor returns the lanes of deliveries to settle. It asks the database only
// about deliveries that this queue has not taken.
func (q *queue) lanesFor(ctx context.Context, outcomes []store.Outcome) (lanes []int64, err error) {
	var unknown []int64
	q.mu.Lock()
	for i := range outcomes {
		if h, ok := q.held[outcomes[i].Number]; ok {
			lanes = append(lanes, h.lanes...)
		} else {
			unknown = append(unknown, int64(outcomes[i].Number)) //nolint:gosec // the database has no others
		}
	}
	q.mu.Unlock()
	if len(unknown) > 0 {
		var found []lanesRow
		err = q.do(ctx, &queuePart, q.pool.Insist, func(conn *pgxpool.Conn) (err error) {
			found, err = collect(ctx, conn, pgx.RowToStructByPos[lanesRow], q.lanesOf, unknown)
			return err
		})
		for _, row := range found {
			lanes = append(lanes, row.Lanes...)
		}
	}
	slices.Sort(lanes)
	return slices.Compact(lanes), err
}

// A lanesRow is the lanes of a delivery.
type lanesRow struct {
	Number int64
	Lanes  []int64
}

// forget forgets deliveries that this queue has no longer.
func (q *queue) forget(outcomes []store.Outcome) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range outcomes {
		o := &outcomes[i]
		if h, ok := q.held[o.Number]; ok && (h.token == o.Token || o.Result == store.Done) {
			delete(q.held, o.Number)
		}
	}
}

// purge deletes events that are settled everywhere and not to be kept. What it
// cannot delete now goes with its segment.
func (q *queue) purge(ctx context.Context, hit []hitRow) {
	if q.keep > 0 {
		return
	}
	var events []int64
	for _, h := range hit {
		if store.Result(h.Result) == store.Done || h.Result == resultDiscarded {
			events = append(events, h.Event)
		}
	}
	if len(events) == 0 {
		return
	}
	_ = q.pool.Do(ctx, func(conn *pgxpool.Conn) error {
		tx := newTransaction(byIndex, syncLater)
		for k := range segments {
			tx.Queue(q.purgeAttempts[k], events)
			tx.Queue(q.purgeEvents[k], events)
		}
		return tx.commit(ctx, conn)
	})
}

// Renew implements store.Queue.
func (q *queue) Renew(ctx context.Context, destination string, lease time.Duration, held []store.Held) (lost []store.Number, err error) {
	if len(held) == 0 {
		return nil, nil
	}
	numbers, tokens := make([]int64, len(held)), make([]int64, len(held))
	for i, h := range held {
		numbers[i], tokens[i] = int64(h.Number), int64(h.Token) //nolint:gosec // all 64 bits of it
	}
	var kept []int64
	err = q.do(ctx, &queuePart, q.pool.Insist, func(conn *pgxpool.Conn) (err error) {
		kept, err = collect(ctx, conn, pgx.RowTo[int64], q.renew, q.handler, destination, numbers, tokens, lease)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i, number := range numbers {
		if !slices.Contains(kept, number) {
			lost = append(lost, held[i].Number)
		}
	}
	return lost, nil
}
