package postgres

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// pollEvery is how long Take waits, at most, before it looks for what other
// instances have accepted, and what has come due.
const pollEvery = time.Second

// abandonAfter is how long Take waits for its call to the database when its
// context has ended.
const abandonAfter = 2 * time.Second

// errClosed ends calls to Take.
var errClosed = errors.New("the queue is closed")

// Take implements store.Queue.
func (q *queue) Take(ctx context.Context, destination string, want store.Want) ([]store.Delivery, error) {
	w := q.destinations.get(q.handler, destination)
	for {
		signal, taken, err := q.takeInTurn(ctx, w, destination, want)
		if err != nil || len(taken) > 0 {
			return taken, err
		}
		poll := time.NewTimer(pollEvery - rand.N(pollEvery/4)) //nolint:gosec // so that instances do not look together
		select {
		case <-signal:
		case <-poll.C:
		case <-ctx.Done():
		case <-q.closing.Done():
		}
		poll.Stop()
	}
}

// takeInTurn takes what is ready, unless another call has just found nothing.
// It returns the signal to wait for if there is nothing.
func (q *queue) takeInTurn(ctx context.Context, w *wake, destination string, want store.Want) (signal chan struct{}, taken []store.Delivery, err error) {
	select {
	case w.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	case <-q.closing.Done():
		return nil, nil, errClosed
	}
	defer func() { <-w.turn }()
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if q.closing.Err() != nil {
		return nil, nil, errClosed
	}
	signal, look := w.ask(pollEvery / 2)
	if !look {
		return signal, nil, nil
	}
	if want.Collect > 0 {
		if err := q.collect(ctx, w, destination, want); err != nil {
			return nil, nil, err
		}
	}
	taken, err = q.takeReady(ctx, destination, want)
	if err == nil && len(taken) == 0 {
		w.foundNothing(signal)
	}
	return signal, taken, err
}

// takeReady takes what is ready. When the context ends meanwhile, it gives back
// what it gets.
func (q *queue) takeReady(ctx context.Context, destination string, want store.Want) ([]store.Delivery, error) {
	if !q.begin() {
		return nil, errClosed
	}
	var taken []store.Delivery
	var err error
	var decided atomic.Bool // whether the call is given up, or what it got is returned
	done := make(chan struct{})
	go func() {
		defer q.taking.Done()
		defer close(done)
		calling, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
		defer cancel()
		taken, err = q.takeNow(calling, destination, want)
		if decided.Swap(true) {
			q.giveBack(calling, q.release(taken))
		}
	}()
	ended := errClosed
	select {
	case <-done:
		return taken, err
	case <-ctx.Done():
		ended = ctx.Err()
	case <-q.closing.Done():
	}
	if decided.Swap(true) {
		<-done
		return taken, err
	}
	patience := time.NewTimer(abandonAfter)
	defer patience.Stop()
	select {
	case <-done: // nothing happens any more once Take has returned
	case <-patience.C:
	}
	return nil, ended
}

// begin reports whether the queue is open, and has Close wait for taking.Done if
// it is.
func (q *queue) begin() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closing.Err() != nil {
		return false
	}
	q.taking.Add(1)
	return true
}

// hold notes what was taken.
func (q *queue) hold(destination string, taken []takenRow, token store.Token) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range taken {
		q.held[store.Number(taken[i].Number)] = holding{destination, token, taken[i].Lanes} //nolint:gosec // the database has no others
	}
}

// release forgets what was taken, and returns it.
func (q *queue) release(taken []store.Delivery) map[store.Number]holding {
	q.mu.Lock()
	defer q.mu.Unlock()
	released := make(map[store.Number]holding)
	for i := range taken {
		released[taken[i].Number] = q.held[taken[i].Number]
		delete(q.held, taken[i].Number)
	}
	return released
}

// collect returns when as many as are wanted are ready, or when some are and
// the time to collect more is over.
func (q *queue) collect(ctx context.Context, w *wake, destination string, want store.Want) error {
	var over <-chan time.Time
	for {
		signal, _ := w.ask(0)
		var n int64
		err := q.do(ctx, &queuePart, q.pool.Do, func(conn *pgxpool.Conn) error {
			tx := newTransaction(byIndex, syncLater)
			tx.Queue(q.makeReady)
			tx.Queue(q.countReady, q.handler, destination, want.Max).QueryRow(func(row pgx.Row) error { return row.Scan(&n) })
			return tx.commit(ctx, conn)
		})
		if err != nil || n == 0 || n >= int64(want.Max) {
			return err
		}
		if over == nil {
			over = time.After(want.Collect)
		}
		poll := time.NewTimer(pollEvery)
		select {
		case <-over:
			poll.Stop()
			return nil
		case <-signal:
		case <-poll.C:
		case <-ctx.Done():
		case <-q.closing.Done():
		}
		poll.Stop()
		if ctx.Err() != nil || q.closing.Err() != nil {
			return nil
		}
	}
}

// takeNow takes what is ready, and the deliveries behind it if want.Runs is set.
func (q *queue) takeNow(ctx context.Context, destination string, want store.Want) (taken []store.Delivery, err error) {
	token := store.Token(rand.Uint64()) //nolint:gosec // it is unique, and not secret
	want.Max = min(want.Max, takeLimits[len(takeLimits)-1])
	limit := slices.IndexFunc(takeLimits[:], func(n int) bool { return n >= want.Max })
	var found []takenRow
	err = q.do(ctx, &queuePart, q.pool.Do, func(conn *pgxpool.Conn) error {
		tx := newTransaction(byIndex)
		tx.Queue(q.makeReady)
		rows(tx, &found, pgx.RowToStructByPos[takenRow], q.take[limit], q.handler, destination, want.Max, want.Bytes, int64(token), want.Lease) //nolint:gosec // all 64 bits of it
		return tx.commit(ctx, conn)
	})
	if err != nil {
		return nil, err
	}
	if want.Runs && len(found) > 0 && len(found) < want.Max && slices.ContainsFunc(found, func(r takenRow) bool { return r.Followed }) {
		more, err := q.takeRuns(ctx, destination, want, token, found)
		if err == nil { // otherwise the heads are enough for now
			found = append(found, more...)
			slices.SortFunc(found, compareTurns)
		}
	}
	taken = make([]store.Delivery, len(found))
	for i := range found {
		taken[i] = found[i].delivery(token, q.salt(destination))
	}
	q.hold(destination, found, token)
	return taken, nil
}

// A takenRow is what selectTaken returns of a delivery.
type takenRow struct {
	Number   int64
	Lanes    []int64
	Since    time.Time
	Attempts int32
	Replay   bool
	Followed bool
	eventRow
	Body   []byte
	Origin []byte

	late bool // it goes with the replays, being behind one
}

// compareTurns compares deliveries by the order in which they are taken.
func compareTurns(a, b takenRow) int {
	switch aLate, bLate := a.Replay || a.late, b.Replay || b.late; {
	case aLate == bLate:
		return cmp.Compare(a.Number, b.Number)
	case bLate:
		return -1
	}
	return 1
}

// An eventRow is what is returned of an event.
type eventRow struct {
	Key                                               pgtype.UUID
	Whole                                             bool
	Received                                          time.Time
	Object, Entry, Field, Kind, Subject, Conversation string
}

func (r *eventRow) info() store.Info {
	return store.Info{
		Object: fromText(r.Object), Entry: fromText(r.Entry), Field: fromText(r.Field),
		Kind: fromText(r.Kind), Subject: fromText(r.Subject), Conversation: fromText(r.Conversation),
	}
}

func (r *takenRow) delivery(token store.Token, salt store.Lane) store.Delivery {
	d := store.Delivery{
		Held: store.Held{Number: store.Number(r.Number), Token: token}, //nolint:gosec // the database has no others
		Key:  r.Key.Bytes, Info: r.info(), Whole: r.Whole, Body: r.Body, Origin: r.Origin,
		Received: r.Received, Since: r.Since, Attempt: int(r.Attempts) + 1, Replay: r.Replay,
	}
	for _, key := range r.Lanes {
		d.Lanes = append(d.Lanes, laneOf(key, salt))
	}
	return d
}

// takeRuns takes deliveries behind the heads of lanes that were taken. No other
// call can, for the heads are under way.
func (q *queue) takeRuns(ctx context.Context, destination string, want store.Want, token store.Token, heads []takenRow) (taken []takenRow, err error) {
	err = q.do(ctx, &queuePart, q.pool.Do, func(conn *pgxpool.Conn) error {
		taken = nil
		r := newRuns(want, heads)
		tx := newTransaction(byIndex)
		for {
			lanes, after := r.reached()
			if len(lanes) == 0 {
				return tx.commit(ctx, conn)
			}
			var behind []followerRow
			var locked []lockedRow
			rows(tx, &behind, pgx.RowToStructByPos[followerRow], q.followers, lanes, after, r.left)
			rows(tx, &locked, pgx.RowToStructByPos[lockedRow], q.lockFollowers, lanes, after, r.left)
			if err := tx.send(ctx, conn); err != nil {
				return err
			}
			numbers := r.extend(behind, locked)
			tx = new(transaction)
			if len(numbers) == 0 {
				continue
			}
			var more []takenRow
			rows(tx, &more, pgx.RowToStructByPos[takenRow], q.takeMore, numbers, int64(token), want.Lease) //nolint:gosec // all 64 bits of it
			if err := tx.send(ctx, conn); err != nil {
				return err
			}
			for i := range more {
				more[i].late = r.behind[more[i].Number]
			}
			taken = append(taken, more...)
			tx = new(transaction)
		}
	})
	return taken, err
}
