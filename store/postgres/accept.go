package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/postgres/internal/pgpool"
)

// An accepted is a notification to store, and which of its events are repeats.
type accepted struct {
	*store.Notification
	repeats []bool
}

// Accept implements store.Queue.
func (q *queue) Accept(ctx context.Context, n *store.Notification) ([]bool, error) {
	a := &accepted{n, make([]bool, len(n.Events))}
	size := len(n.Origin) + len(n.Whole.Body)
	for i := range n.Events {
		size += len(n.Events[i].Body) + 256
		if len(n.Events[i].Targets) > targetsMax {
			return nil, fmt.Errorf("an event has %d targets, and cannot have more than %d", len(n.Events[i].Targets), targetsMax)
		}
	}
	began, err := q.accepts.call(ctx, a, size)
	if err != nil {
		if !began {
			return nil, fmt.Errorf("%w: %w", store.ErrBusy, err)
		}
		return nil, err
	}
	return a.repeats, nil
}

// acceptAll stores notifications in one write. If that fails because of what is
// in one of them, each is stored on its own.
func (q *queue) acceptAll(batch []*call[*accepted]) {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	all := make([]*accepted, len(batch))
	for i, c := range batch {
		all[i] = c.what
	}
	err := q.accept1(ctx, all)
	if err != nil && len(batch) > 1 && isDataError(err) {
		for _, c := range batch {
			c.err = q.accept1(ctx, []*accepted{c.what})
		}
		return
	}
	for _, c := range batch {
		c.err = err
	}
}

// isDataError reports whether the database cannot take what is in a statement.
func isDataError(err error) bool {
	return pgpool.IsClass(err, "22") || pgpool.IsClass(err, "23") || pgpool.IsClass(err, "54")
}

// accept1 stores notifications in one write.
func (q *queue) accept1(ctx context.Context, all []*accepted) error {
	p := q.acceptParams(all)
	for tries := 0; ; tries++ {
		stored, err := q.tryAccept(ctx, p, tries > 0)
		switch {
		case isCode(err, "23502") && tries < 10: // behind a higher number
		case err != nil:
			return err
		case stored:
			q.destinations.wake(q.handler, p.destinations...)
			return nil
		case tries == 10:
			return errors.New("the tables change all the time")
		default:
			if err := q.introduce(ctx, p.destinations...); err != nil {
				return err
			}
		}
	}
}

// tryAccept stores notifications, and reports whether the segment was still the
// current one and all destinations were known. It can lock the lanes first, so
// that no other call gets ahead.
func (q *queue) tryAccept(ctx context.Context, p *acceptParams, lock bool) (stored bool, err error) {
	segment := q.segment.Load()
	var places []int64
	err = q.do(ctx, &queuePart, q.pool.Do, func(conn *pgxpool.Conn) (err error) {
		if !lock {
			places, err = collect(ctx, conn, pgx.RowTo[int64], q.accept[segment], p.args(q.handler)...)
			return err
		}
		tx := newTransaction()
		tx.Queue(q.lockLanes, p.laneKeys)
		rows(tx, &places, pgx.RowTo[int64], q.accept[segment], p.args(q.handler)...)
		return tx.commit(ctx, conn)
	})
	if err != nil || !slices.Contains(places, 0) {
		return false, err
	}
	for _, repeat := range p.repeat {
		if repeat != nil {
			*repeat = true
		}
	}
	for _, place := range places {
		if place > 0 {
			*p.repeat[place-1] = false
		}
	}
	return true, nil
}

// acceptParams are the parameters of acceptEvents.
type acceptParams struct {
	destinations []string
	repeat       []*bool // where to say whether an event is one, in their places

	place, target, destination, notification, size []int32
	lanes, replayLanes                             []string
	key                                            []pgtype.UUID
	seenFor                                        []int64
	stored                                         []bool
	received                                       []time.Time
	info                                           [6][]string

	body, origin [][]byte
	originOfEach bool

	salts    []store.Lane // of the destinations
	laneKeys []int64      // of all targets
}

func (p *acceptParams) args(handler string) []any {
	return []any{
		handler, p.destinations, p.place, p.target, p.destination, p.lanes,
		p.notification, p.key, p.seenFor, p.stored, p.size, p.received,
		p.info[0], p.info[1], p.info[2], p.info[3], p.info[4], p.info[5], p.replayLanes, p.body, p.origin, p.originOfEach,
	}
}

func (q *queue) acceptParams(all []*accepted) *acceptParams {
	p := &acceptParams{originOfEach: q.keep == 0, destinations: []string{}}
	seen := make(map[store.Key]bool)
	for i, a := range all {
		p.origin = append(p.origin, notNil(a.Origin))
		for j := range a.Events {
			e := &a.Events[j]
			if e.Window > 0 && seen[e.Key] {
				a.repeats[j] = true
				continue
			}
			seen[e.Key] = seen[e.Key] || e.Window > 0
			q.addEvent(p, i+1, e, max(0, microseconds(e.Window)), a.Received, &a.repeats[j])
		}
		if len(a.Whole.Targets) > 0 {
			q.addEvent(p, i+1, &a.Whole, -1, a.Received, nil)
		}
	}
	return p
}

// microseconds returns a duration in microseconds, not less than one unless it
// is none.
func microseconds(d time.Duration) int64 {
	if d > 0 && d < time.Microsecond {
		return 1
	}
	return d.Microseconds()
}

// addEvent adds an event of a notification.
func (q *queue) addEvent(p *acceptParams, notification int, e *store.Event, seenFor int64, received time.Time, repeat *bool) {
	p.repeat = append(p.repeat, repeat)
	p.body = append(p.body, notNil(e.Body))
	row := acceptRow{
		place: len(p.repeat), notification: notification, size: len(e.Body), seenFor: seenFor, stored: q.keep > 0 || len(e.Targets) > 0,
		key: pgtype.UUID{Bytes: e.Key, Valid: true}, received: received,
		info: [6]string{e.Info.Object, e.Info.Entry, e.Info.Field, e.Info.Kind, e.Info.Subject, e.Info.Conversation},
	}
	switch {
	case len(e.Targets) > 0:
		row.replayLanes = e.Targets[0].Lanes
	case e.Info.Conversation != "":
		row.replayLanes = []store.Lane{store.LaneOf(e.Info.Conversation)}
	}
	if len(e.Targets) == 0 {
		p.addRow(row, 0)
	}
	for i, t := range e.Targets {
		at := slices.Index(p.destinations, t.Destination)
		if at < 0 {
			at = len(p.destinations)
			p.destinations = append(p.destinations, t.Destination)
			p.salts = append(p.salts, q.salt(t.Destination))
		}
		row.target, row.destination, row.lanes = i, at+1, t.Lanes
		p.addRow(row, p.salts[at])
		row.key, row.received, row.info, row.replayLanes = pgtype.UUID{}, time.Time{}, [6]string{}, nil
	}
}

// An acceptRow is a target, or an event without one.
type acceptRow struct {
	place, target, destination, notification, size int
	lanes, replayLanes                             []store.Lane
	key                                            pgtype.UUID
	seenFor                                        int64
	stored                                         bool
	received                                       time.Time
	info                                           [6]string
}

//nolint:gosec // there are not as many of anything
func (p *acceptParams) addRow(row acceptRow, salt store.Lane) {
	p.place = append(p.place, int32(row.place))
	p.target = append(p.target, int32(row.target))
	p.destination = append(p.destination, int32(row.destination))
	p.notification = append(p.notification, int32(row.notification))
	p.size = append(p.size, int32(row.size))
	p.lanes = append(p.lanes, lanesText(row.lanes, salt))
	for _, lane := range row.lanes {
		p.laneKeys = append(p.laneKeys, laneKey(lane, salt))
	}
	p.replayLanes = append(p.replayLanes, lanesText(row.replayLanes, 0))
	p.key = append(p.key, row.key)
	p.seenFor = append(p.seenFor, row.seenFor)
	p.stored = append(p.stored, row.stored)
	p.received = append(p.received, row.received)
	for i, s := range row.info {
		p.info[i] = append(p.info[i], toText(s))
	}
}

// salt returns what tells the lanes of a destination from those of others.
func (q *queue) salt(destination string) store.Lane {
	return store.LaneOf(q.handler + "\x00" + destination)
}

// laneKey returns what a lane is called in the tables, which have the lanes of
// all destinations in one column: what is unique by one column, the database
// looks up by its index, whatever it knows of the table. laneOf returns the
// lane of a key.
func laneKey(lane, salt store.Lane) int64 { return int64(lane ^ salt) } //nolint:gosec // all 64 bits of it

func laneOf(key int64, salt store.Lane) store.Lane { return store.Lane(key) ^ salt } //nolint:gosec // all 64 bits of it

// lanesText writes keys of lanes as the database writes an array, for there is
// no array of arrays of different lengths. Each is written once.
func lanesText(lanes []store.Lane, salt store.Lane) string {
	text := []byte{'{'}
	for i, lane := range lanes {
		if slices.Contains(lanes[:i], lane) {
			continue
		}
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendInt(text, laneKey(lane, salt), 10)
	}
	return string(append(text, '}'))
}

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
