package postgres

import (
	"strconv"
	"strings"
)

// turning is the statements that turn the segments, see schema.go.
type turning struct {
	lockSegments, lockSegment, setSegment string
	isUsed                                [segments]string
	needed                                [segments]string
	copyEvents                            [segments][segments]string // from, to
	followWaiting, followReplays          string
	followAttempts                        [segments]string
	copyAttempts                          [segments][segments]string // from, to
	truncate, deleteSome                  [segments]string
}

func newTurning(n naming, each func(string) [segments]string) turning {
	t := turning{
		lockSegments: n.Replace(lockSegments), lockSegment: n.Replace(lockSegment), setSegment: n.Replace(setSegment),
		isUsed:        each(`SELECT EXISTS (SELECT 1 FROM {event})`),
		followWaiting: n.Replace(followWaiting), followReplays: n.Replace(followReplays), followAttempts: each(followAttempts),
		truncate:   each(`TRUNCATE {event}, {attempt}`),
		deleteSome: each(deleteSome),
	}
	for from := range segments {
		event, attempt := "{event_"+strconv.Itoa(from)+"}", "{attempt_"+strconv.Itoa(from)+"}"
		t.needed[from] = n.Replace(neededEvents(from))
		for to := range segments {
			t.copyEvents[from][to] = n.Replace(ofSegment(to).Replace(copyEvents(event)))
			t.copyAttempts[from][to] = n.Replace(ofSegment(to).Replace(copyAttempts(attempt)))
		}
	}
	return t
}

const (
	lockSegments = `SELECT s.segment, s.state, extract(epoch FROM now() - s.changed)::bigint AS age,
	coalesce((SELECT extract(epoch FROM max(keep))::bigint FROM {queue}), 0) AS keep
FROM {segment} s ORDER BY s.segment FOR UPDATE OF s SKIP LOCKED`

	lockSegment = `SELECT state FROM {segment} WHERE segment = $1::smallint FOR UPDATE`

	setSegment = `UPDATE {segment} SET state = $2::smallint, changed = now() WHERE segment = $1::smallint`
)

// neededEvents returns some events of a segment that are waiting or dead, or
// were settled later than the segment was full.
func neededEvents(from int) string {
	selects := []string{`(SELECT event FROM {waiting} WHERE segment = {from} LIMIT 500)`}
	for to := range segments {
		if to != from {
			selects = append(selects, ofSegment(to).Replace(`(SELECT event FROM {attempt} WHERE segment <> {k} AND segment = {from} LIMIT 500)`))
		}
	}
	return strings.ReplaceAll(`SELECT x.event FROM (`+strings.Join(selects, " UNION ")+`) x`, "{from}", strconv.Itoa(from))
}

// copyEvents copies events, each with its origin, and the statements that follow
// have deliveries and attempts say where they are.
//
//	$1 events  $2 segment that they are copied to  $3 from
func copyEvents(from string) string {
	return `INSERT INTO {event} (id, notification, key, received, queue, whole, matched, lanes,
	object, entry, field, kind, subject, conversation, origin, body)
SELECT e.id, x.id, e.key, e.received, e.queue, e.whole, e.matched, e.lanes,
	e.object, e.entry, e.field, e.kind, e.subject, e.conversation, coalesce(e.origin, o.origin), e.body
FROM unnest($1::bigint[]) AS x(id)
JOIN ` + from + ` e ON e.id = x.id
LEFT JOIN ` + from + ` o ON o.id = e.notification
ON CONFLICT (id) DO NOTHING`
}

const (
	followWaiting = `UPDATE {waiting} w SET segment = $2::smallint FROM unnest($1::bigint[]) AS x(id)
WHERE w.number BETWEEN x.id AND x.id + 255 AND w.segment = $3::smallint`

	followReplays = `UPDATE {waiting} w SET segment = $2::smallint FROM unnest($1::bigint[]) AS x(id)
WHERE w.event = x.id AND w.replay AND w.segment = $3::smallint`

	followAttempts = `UPDATE {attempt} a SET segment = $2::smallint FROM unnest($1::bigint[]) AS x(id)
WHERE a.event = x.id AND a.segment = $3::smallint AND a.segment <> {k}`
)

// copyAttempts copies the attempts of deliveries that are waiting or dead.
func copyAttempts(from string) string {
	return `INSERT INTO {attempt} (number, event, since, settled, started, took, destination, n, status, result, segment, replay, lanes, cause, error, answer)
SELECT a.number, a.event, a.since, a.settled, a.started, a.took, a.destination, a.n, a.status, a.result, w.segment, a.replay, a.lanes, a.cause, a.error, a.answer
FROM {waiting} w JOIN ` + from + ` a ON a.number = w.number WHERE w.attempts > 0
ON CONFLICT (number, n) DO NOTHING`
}

// deleteSome empties a segment bit by bit, for a user who may not truncate.
const deleteSome = `WITH attempts AS (
	DELETE FROM {attempt} WHERE (number, n) IN (SELECT number, n FROM {attempt} LIMIT 5000) RETURNING number
), events AS (
	DELETE FROM {event} WHERE id IN (SELECT id FROM {event} LIMIT 5000) RETURNING id
)
SELECT (SELECT count(*) FROM attempts) + (SELECT count(*) FROM events)`
