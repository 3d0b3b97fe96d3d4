package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A storyRow is an event in a story, and a storyDelivery is a delivery of it.
type storyRow struct {
	ID int64
	eventRow
	Body, Origin []byte
}

type storyDelivery struct {
	Number, Event int64
	Destination   string
	State         int16
	Due, Since    time.Time
	Replay        bool
}

// Story implements store.Operator.
func (q *queue) Story(ctx context.Context, key store.Key) (stories []store.Story, err error) {
	var events []storyRow
	var deliveries []storyDelivery
	var attempts []attemptRow
	err = q.do(ctx, &queuePart, q.pool.Do, func(conn *pgxpool.Conn) error {
		tx := newTransaction()
		id := pgtype.UUID{Bytes: key, Valid: true}
		rows(tx, &events, pgx.RowToStructByPos[storyRow], q.storyEvents, q.handler, id)
		rows(tx, &deliveries, pgx.RowToStructByPos[storyDelivery], q.storyDeliveries, q.handler, id)
		rows(tx, &attempts, pgx.RowToStructByPos[attemptRow], q.storyAttempts, q.handler, id)
		return tx.commit(ctx, conn)
	})
	if err != nil {
		return nil, err
	}
	made := make(map[int64][]store.Attempt)
	for i := range attempts {
		if i > 0 && attempts[i].Number == attempts[i-1].Number && attempts[i].N == attempts[i-1].N {
			continue // while a segment is copied, it may be there twice
		}
		made[attempts[i].Number] = append(made[attempts[i].Number], attempts[i].attempt())
	}
	for i := range events {
		e := &events[i]
		if i > 0 && e.ID == events[i-1].ID {
			continue
		}
		s := store.Story{Key: key, Info: e.info(), Whole: e.Whole, Received: e.Received, Origin: e.Origin, Body: e.Body}
		for j := range deliveries {
			d := &deliveries[j]
			if d.Event != e.ID || j > 0 && d.Number == deliveries[j-1].Number {
				continue
			}
			s.Deliveries = append(s.Deliveries, d.story(made[d.Number]))
		}
		stories = append(stories, s)
	}
	return stories, nil
}

func (d *storyDelivery) story(attempts []store.Attempt) store.DeliveryStory {
	s := store.DeliveryStory{
		Number: store.Number(d.Number), Destination: d.Destination, State: store.DeliveryState(d.State), //nolint:gosec // the database has no others
		Since: d.Since, Replay: d.Replay, Attempts: attempts,
	}
	switch s.State {
	case store.Waiting:
		s.Due = d.Due
	case store.DeliveryDone, store.DeliveryDead, store.Discarded:
		s.Settled = d.Due
	case store.UnderWay, store.Unmatched:
	}
	return s
}
