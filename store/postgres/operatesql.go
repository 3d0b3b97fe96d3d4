package postgres

import (
	"strconv"
	"strings"
)

// The deliveries that there are, in three kinds of tables. Of rows that are no
// delivery's last word, the state is null.
const (
	waitingDelivery = `w.number, w.event, w.destination,
	CASE WHEN w.state = 3 THEN 4 WHEN w.state = 2 AND w.due > now() THEN 2 ELSE 1 END AS state,
	w.attempts, w.due, w.since, w.replay, w.lanes`

	settledDelivery = `a.number, a.event, a.destination,
	CASE a.result WHEN 1 THEN 3 WHEN 4 THEN 5 END AS state,
	CASE a.result WHEN 4 THEN a.n - 1 ELSE a.n END AS attempts, a.settled AS due, a.since, a.replay, a.lanes`

	unmatchedEvent = `e.id AS number, e.id AS event, 0 AS destination,
	CASE WHEN NOT e.matched THEN 6 END AS state,
	0 AS attempts, e.received AS due, e.received AS since, false AS replay, e.lanes`
)

// deliveriesOf returns the deliveries of events, which are rows with an id.
func deliveriesOf(events string) string {
	of := func(delivery, table, alias string) string {
		return `SELECT ` + delivery + `, 0 AS branch FROM ` + events + ` v JOIN ` + table + ` ` + alias + ` ON ` + alias + `.number BETWEEN v.id AND v.id + 255
UNION ALL SELECT ` + delivery + `, 0 FROM ` + events + ` v JOIN ` + table + ` ` + alias + ` ON ` + alias + `.event = v.id AND ` + alias + `.replay`
	}
	return of(waitingDelivery, "{waiting}", "w") + " UNION ALL " + union(of(settledDelivery, "{attempt}", "a")) + " UNION ALL " +
		union(`SELECT `+unmatchedEvent+`, 0 FROM `+events+` v JOIN {event} e ON e.id = v.id`)
}

// What a filter needs, as parameters: $1 handler  $2 destination  $3 states
// $4 keys  $5 object  $6 kind  $7 conversation  $8 text  $9 from  $10 to
const (
	deliveryFits = `($2::text = '' OR d.name = $2::text)
	AND (cardinality($3::smallint[]) = 0 OR r.state = ANY($3::smallint[]))`

	eventFits = `e.queue = (SELECT id FROM {queue} WHERE name = $1::text)
	AND (cardinality($4::uuid[]) = 0 OR e.key = ANY($4::uuid[]))
	AND ($5::text = '' OR e.object = $5::text)
	AND ($6::text = '' OR e.kind = $6::text)
	AND ($7::text = '' OR e.conversation = $7::text)
	AND ($8::text = '' OR strpos(replace(e.key::text, '-', ''), $8::text) > 0 OR strpos(e.subject, $8::text) > 0)
	AND ($9::timestamptz IS NULL OR e.received >= $9::timestamptz)
	AND ($10::timestamptz IS NULL OR e.received < $10::timestamptz)`
)

// listed is what a list needs of which tables.
type listed struct{ waiting, deadOnly, settled, unmatched, keys bool }

// list returns the latest deliveries that fit, of those that it looks at, and
// with each the number below which it has not looked.
//
//	$11 number that they are below  $12 how many to look at in each table  $13 how many to return
func (l listed) list() string {
	var from []string
	branch := func(delivery, table, alias, key, where string) {
		from = append(from, `SELECT `+delivery+`, `+strconv.Itoa(len(from))+` AS branch FROM (
	SELECT * FROM `+table+` WHERE `+where+key+` < $11::bigint ORDER BY `+key+` DESC LIMIT $12::bigint) `+alias)
	}
	if l.keys {
		from = append(from, deliveriesOf("keyed"))
	} else {
		switch {
		case l.deadOnly:
			branch(waitingDelivery, "{waiting}", "w", "number", "state = 3 AND ")
		case l.waiting:
			branch(waitingDelivery, "{waiting}", "w", "number", "")
		}
		for k := range segments {
			if l.settled {
				branch(settledDelivery, ofSegment(k).Replace("{attempt}"), "a", "number", "")
			}
			if l.unmatched {
				branch(unmatchedEvent, ofSegment(k).Replace("{event}"), "e", "id", "")
			}
		}
	}
	if len(from) == 0 { // no state that there is
		branch(waitingDelivery, "{waiting}", "w", "number", "false AND ")
	}
	return `WITH keyed AS (
	SELECT e.id FROM {events} e WHERE e.key = ANY($4::uuid[])
), raw AS (
	` + strings.Join(from, " UNION ALL ") + `
), low AS (
	SELECT coalesce(max(b.number), 0) AS number FROM (SELECT min(number) AS number FROM raw GROUP BY branch HAVING count(*) >= $12::bigint) b
), found AS (
	SELECT r.number, d.name AS destination, r.state, r.attempts, r.due, r.replay, length(e.body) AS size, ` + eventColumns + `
	FROM raw r
	JOIN {events} e ON e.id = r.event
	LEFT JOIN {destination} d ON d.id = r.destination
	WHERE r.state IS NOT NULL AND r.number >= (SELECT number FROM low) AND r.number < $11::bigint
	AND ` + deliveryFits + ` AND ` + eventFits + `
	ORDER BY r.number DESC LIMIT $13::bigint
)
SELECT low.number AS low, f.*, a.started, a.took, a.status, a.cause, a.error
FROM low LEFT JOIN found f ON true
LEFT JOIN LATERAL (
	SELECT a.* FROM {attempts} a WHERE a.number = f.number AND a.result IN (1, 2, 3) ORDER BY a.n DESC LIMIT 1
) a ON true
ORDER BY f.number DESC`
}

const eventColumns = `e.key, e.whole, e.received, e.object, e.entry, e.field, e.kind, e.subject, e.conversation`

// The events with a key, their deliveries, and the attempts of those.
//
//	$1 handler  $2 key
const (
	keyedEvents = `WITH keyed AS (
	SELECT e.id FROM {events} e WHERE e.key = $2::uuid AND e.queue = (SELECT id FROM {queue} WHERE name = $1::text)
)
`
	storyEvents = `SELECT e.id, ` + eventColumns + `, e.body, o.origin
FROM {events} e JOIN {events} o ON o.segment = e.segment AND o.id = e.notification
WHERE e.key = $2::uuid AND e.queue = (SELECT id FROM {queue} WHERE name = $1::text)
ORDER BY e.id DESC`

	storyAttempts = keyedEvents + `, numbers AS (
	SELECT a.number, a.n, a.result, a.started, a.took, a.status, a.cause, a.error, a.answer
	FROM keyed v JOIN {attempts} a ON a.number BETWEEN v.id AND v.id + 255
	UNION ALL
	SELECT a.number, a.n, a.result, a.started, a.took, a.status, a.cause, a.error, a.answer
	FROM keyed v JOIN {attempts} a ON a.event = v.id AND a.replay
)
SELECT number, n, started, took, status, cause, error, answer FROM numbers WHERE result IN (1, 2, 3) ORDER BY number, n`
)

func storyDeliveries() string {
	return keyedEvents + `, raw AS (
	` + deliveriesOf("keyed") + `
)
SELECT r.number, r.event, d.name AS destination, r.state, r.due, r.since, r.replay
FROM raw r JOIN {destination} d ON d.id = r.destination
WHERE r.state IS NOT NULL ORDER BY r.number`
}

// replays finds events to replay, the oldest first, of those that it looks at,
// and returns them with the number above which it has not looked. With put, it
// queues them.
//
//	$11 number that they are above  $12 that they are up to  $13 how many to look at in each table
//	$14 how many to replay  $15 destination to replay to  $16 what makes keys of its lanes
func replays(keys, put bool) string {
	from := make([]string, segments)
	for k := range segments {
		where := `e.id > $11::bigint AND e.id <= $12::bigint`
		rest := ` ORDER BY e.id LIMIT $13::bigint`
		if keys {
			where += ` AND e.key = ANY($4::uuid[])`
			rest = ``
		}
		from[k] = ofSegment(k).Replace(`(SELECT {k} AS segment, (SELECT s.state FROM {segment} s WHERE s.segment = {k}) = 3 AS draining, e.id, e.queue, e.lanes, length(e.body) AS size, ` + eventColumns + ` FROM {event} e WHERE ` + where + rest + `)`)
	}
	statement := `WITH raw AS (
	` + strings.Join(from, " UNION ALL ") + `
), high AS (
	SELECT coalesce(min(b.number), $12::bigint) AS number FROM (
		SELECT max(id) AS number FROM raw GROUP BY segment HAVING count(*) >= $13::bigint) b
), goal AS (
	SELECT d.id FROM {queue} q JOIN {destination} d ON d.queue = q.id WHERE q.name = $1::text AND d.name = $15::text
), candidate AS (
	SELECT c.* FROM (
		SELECT e.*, row_number() OVER (PARTITION BY e.id ORDER BY e.draining) AS copy FROM raw e
		WHERE e.id <= (SELECT number FROM high) AND ` + eventFits + `
	) c WHERE c.copy = 1
), delivery AS (
	` + deliveriesOf("candidate") + `
), fitting AS (
	SELECT DISTINCT r.event FROM delivery r LEFT JOIN {destination} d ON d.id = r.destination
	WHERE r.state IS NOT NULL AND r.number <= $12::bigint AND ` + deliveryFits + `
), busy AS (
	SELECT DISTINCT r.event FROM delivery r WHERE r.destination = (SELECT id FROM goal) AND r.state IN (1, 2)
), chosen AS (
	SELECT c.id, c.segment, c.size, coalesce((
		SELECT r.lanes FROM delivery r
		WHERE r.event = c.id AND r.destination = (SELECT id FROM goal) AND r.state < 6 ORDER BY r.number LIMIT 1
	), ARRAY(SELECT l.lane # $16::bigint FROM unnest(c.lanes) AS l(lane))) AS lanes
	FROM candidate c WHERE c.id IN (SELECT event FROM fitting) AND c.id NOT IN (SELECT event FROM busy)
	ORDER BY c.id LIMIT $14::bigint
)`
	if put {
		statement += `, numbered AS (
	SELECT c.id, c.segment, c.size, c.lanes, {next} AS number FROM (SELECT * FROM chosen ORDER BY id) c
), target AS (
	SELECT n.number, n.id AS event, goal.id AS destination, n.lanes, n.size, n.segment FROM numbered n, goal
), ` + replayTargets
	}
	return statement + `
SELECT high.number AS high, c.id FROM high LEFT JOIN chosen c ON true ORDER BY c.id`
}

// discards finds deliveries to discard, the oldest first, likewise.
//
//	$11 number that they are above  $12 that they are up to  $13 how many to look at  $14 how many to discard
func discards(keys bool) string {
	raw := `SELECT ` + waitingDelivery + ` FROM (
	SELECT * FROM {waiting} WHERE number > $11::bigint AND number <= $12::bigint ORDER BY number LIMIT $13::bigint) w`
	if keys {
		raw = `SELECT ` + waitingDelivery + ` FROM {events} v JOIN {waiting} w ON w.number BETWEEN v.id AND v.id + 255 WHERE v.key = ANY($4::uuid[])
	UNION ALL SELECT ` + waitingDelivery + ` FROM {events} v JOIN {waiting} w ON w.event = v.id AND w.replay WHERE v.key = ANY($4::uuid[])`
	}
	return `WITH raw AS (
	` + raw + `
), high AS (
	SELECT CASE WHEN count(*) >= $13::bigint THEN max(number) ELSE $12::bigint END AS number FROM raw
), chosen AS (
	SELECT r.number, d.name AS destination
	FROM raw r
	JOIN {events} e ON e.id = r.event
	JOIN {destination} d ON d.id = r.destination
	WHERE r.state IN (1, 4) AND r.number > $11::bigint AND r.number <= $12::bigint
	AND ` + deliveryFits + ` AND ` + eventFits + `
	ORDER BY r.number LIMIT $14::bigint
)
SELECT high.number AS high, c.number, c.destination FROM high LEFT JOIN chosen c ON true ORDER BY c.number`
}

const (
	// figures returns how many deliveries are in which state, by destination.
	figures = `SELECT d.name, d.paused, coalesce(w.state, 0) AS state, coalesce(w.cause, '') AS cause, coalesce(w.n, 0) AS n, w.oldest
FROM {queue} q
JOIN {destination} d ON d.queue = q.id
LEFT JOIN (
	SELECT w.destination, CASE WHEN w.state = 3 THEN 4 WHEN w.state = 2 AND w.due > now() THEN 2 ELSE 1 END AS state,
		CASE WHEN w.state = 3 THEN w.cause END AS cause, count(*) AS n, min(w.since) AS oldest
	FROM {waiting} w GROUP BY 1, 2, 3
) w ON w.destination = d.id
WHERE q.name = $1::text`

	// diskSize returns what relations take, on PostgreSQL.
	diskSize = `SELECT coalesce(sum(pg_total_relation_size(n.name::regclass)), 0)::bigint FROM unnest($1::text[]) AS n(name)`

	// pauseDestination and lockDestination find it by $1 handler and $2 name.
	pauseDestination = `UPDATE {destination} SET paused = $3::boolean WHERE id = ` + theDestination
	lockDestination  = `SELECT id FROM {destination} WHERE id = ` + theDestination + ` FOR UPDATE`

	// shareSegments keeps segments from being emptied.
	shareSegments = `SELECT segment FROM {segment} ORDER BY segment FOR SHARE`

	// nextNumber returns a number that all later ones are above.
	nextNumber = `SELECT {next}`
)
