package postgres

import (
	"strconv"
	"strings"
)

// takeLimits are the limits of takeReady.
var takeLimits = [...]int{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024}

// The statements of a queue that deliveries travel by. Those of its operator
// are in operatesql.go.
type queries struct {
	accept                         [segments]string
	lockLanes                      string
	makeReady, countReady          string
	take                           [len(takeLimits)]string
	followers, lockFollowers       string
	takeMore                       string
	lanesOf                        string
	settle                         [segments]string
	move                           string
	renew                          string
	purgeEvents, purgeAttempts     [segments]string
	current                        string
	addQueue, addDestination       string
	storyEvents, storyDeliveries   string
	storyAttempts                  string
	figures, pause, lockTo, number string
	shareSegments                  string
	operating                      naming // for statements that depend on a filter
	turning
}

func newQueries(n naming) queries {
	// the events and attempts of all segments as one table
	n = n.with("{events}", "("+union(`SELECT {k} AS segment, * FROM {event}`)+")", "{attempts}", "("+union(`SELECT * FROM {attempt}`)+")")
	each := func(statement string) (all [segments]string) {
		for k := range segments {
			all[k] = n.Replace(ofSegment(k).Replace(statement))
		}
		return all
	}
	var take [len(takeLimits)]string
	for i, limit := range takeLimits {
		take[i] = n.Replace(strings.ReplaceAll(takeReady, "{limit}", strconv.Itoa(limit)))
	}
	return queries{
		take:      take,
		accept:    each(acceptEvents),
		lockLanes: n.Replace(lockLanes),
		makeReady: n.Replace(makeReady), countReady: n.Replace(countReady),
		followers: n.Replace(followers), lockFollowers: n.Replace(lockFollowers), takeMore: n.Replace(takeMore),
		lanesOf: n.Replace(lanesOf), settle: each(settleOutcomes), move: n.Replace(makeMoves), renew: n.Replace(renewLeases),
		purgeEvents: each(purgeEvents), purgeAttempts: each(purgeAttempts), current: n.Replace(currentSegment),
		addQueue: n.Replace(addQueue), addDestination: n.Replace(addDestination),
		storyEvents: n.Replace(storyEvents), storyDeliveries: n.Replace(storyDeliveries()), storyAttempts: n.Replace(storyAttempts),
		figures: n.Replace(figures), pause: n.Replace(pauseDestination), lockTo: n.Replace(lockDestination), shareSegments: n.Replace(shareSegments), number: n.Replace(nextNumber),
		operating: n,
		turning:   newTurning(n, each),
	}
}

// theDestination is the number of a destination by its handler and name.
const theDestination = `(SELECT d.id FROM {queue} q JOIN {destination} d ON d.queue = q.id WHERE q.name = $1::text AND d.name = $2::text)`

// acceptEvents stores notifications of a handler, and returns a row of 0 and the
// places of those events that are new. It stores nothing, and returns no row,
// if the segment is not the current one any more, or a destination is unknown.
//
// Rows of dedup, and then those of lane, are locked in one order, so that two
// accepts wait for each other instead of failing. The assignment of null fails
// if the delivery at the head of a lane has a higher number. Rows of the
// statement itself are joined as little as can be, for the plan does not know
// how many there are.
//
//	$1 handler  $2 destinations
//	a row for each target, and for each event without one; an event's rows follow each other:
//	  $3 place of the event  $4 which of its targets, from 0  $5 place of the destination, 0 without one  $6 lanes
//	  $7 place of the notification  $9 window in microseconds, 0 none, -1 a whole notification
//	  $10 whether it is stored  $11 size
//	  and in the first row of the event: $8 key  $12 received  $13 object  $14 entry  $15 field  $16 kind
//	  $17 subject  $18 conversation  $19 lanes for replays
//	$20 bodies of the events  $21 origins of the notifications  $22 whether each event is to have the origin
const acceptEvents = `WITH destination AS (
	SELECT n.place, d.id FROM unnest($2::text[]) WITH ORDINALITY AS n(name, place)
	JOIN {queue} q ON q.name = $1::text
	JOIN {destination} d ON d.queue = q.id AND d.name = n.name
), queue AS (
	SELECT q.id FROM {queue} q JOIN {segment} s ON s.segment = {k} AND s.state = 1
	WHERE q.name = $1::text AND (SELECT count(*) FROM destination) = cardinality($2::text[])
), e AS (
	SELECT queue.id AS queue, u.* FROM queue, unnest($3::integer[], $4::integer[], $5::integer[], $6::text[],
		$7::integer[], $8::uuid[], $9::bigint[], $10::boolean[], $11::integer[], $12::timestamptz[],
		$13::text[], $14::text[], $15::text[], $16::text[], $17::text[], $18::text[], $19::text[])
	AS u(place, target, destination, lanes, notification, key, seen_for, stored, size, received,
		object, entry, field, kind, subject, conversation, replay_lanes)
), seen AS (
	INSERT INTO {dedup} AS d (name, id, token, state, expires)
	SELECT $1::text, e.key, 0, 2, now() + e.seen_for * interval '1 microsecond' FROM e WHERE e.target = 0 AND e.seen_for > 0 ORDER BY e.key
	ON CONFLICT (name, id) DO UPDATE SET token = 0, state = 2, expires = excluded.expires
		WHERE d.expires <= now() OR d.state = 1
	RETURNING d.id
), fresh AS (
	SELECT e.place, e.notification FROM e
	WHERE e.target = 0 AND (e.seen_for = 0 OR (e.seen_for > 0 AND e.key IN (SELECT id FROM seen)))
), numbered AS (
	SELECT e.*, CASE WHEN e.target = 0 THEN {next} END AS drawn FROM (
		SELECT e.* FROM e
		WHERE e.stored AND (e.place IN (SELECT place FROM fresh) OR (e.seen_for < 0 AND e.notification IN (SELECT notification FROM fresh)))
		ORDER BY e.place, e.target
	) e
), stored AS (
	SELECT n.*, max(n.drawn) OVER (PARTITION BY n.place) AS id, min(n.drawn) OVER (PARTITION BY n.notification) AS first FROM numbered n
), events AS (
	INSERT INTO {event} (id, notification, key, received, queue, whole, matched, lanes,
		object, entry, field, kind, subject, conversation, origin, body)
	SELECT s.id, CASE WHEN $22::boolean THEN s.id ELSE s.first END, s.key, s.received, s.queue, s.seen_for < 0, s.destination > 0,
		s.replay_lanes::bigint[], s.object, s.entry, s.field, s.kind, s.subject, s.conversation,
		CASE WHEN $22::boolean OR s.id = s.first THEN ($21::bytea[])[s.notification] END, ($20::bytea[])[s.place]
	FROM stored s WHERE s.target = 0
), target AS (
	SELECT s.id + s.target AS number, s.id AS event, d.id AS destination, s.lanes::bigint[] AS lanes, s.size
	FROM stored s JOIN destination d ON d.place = s.destination
), ` + putTargets + `
SELECT 0 AS place FROM queue UNION ALL SELECT place FROM fresh`

// putTargets and replayTargets queue targets, which have a number, an event, a
// destination, lanes, and a size; those of replays have a segment, too.
const (
	putTargets    = queueTargets + `{k}, 0, false, t.lanes` + fromTargets
	replayTargets = queueTargets + `t.segment, 0, true, t.lanes` + fromTargets

	queueTargets = `member AS (
	SELECT t.number, l.lane, row_number() OVER (PARTITION BY l.lane ORDER BY t.number) AS place
	FROM target t, unnest(t.lanes) AS l(lane)
), head AS (
	INSERT INTO {lane} AS l (lane, head)
	SELECT lane, number FROM member WHERE place = 1 ORDER BY lane
	ON CONFLICT (lane) DO UPDATE SET head = CASE WHEN l.head < excluded.head THEN l.head END
	RETURNING l.lane, l.head
), tail AS (
	INSERT INTO {behind} (lane, number)
	SELECT m.lane, m.number FROM member m WHERE (m.lane, m.number) NOT IN (SELECT lane, head FROM head)
	RETURNING number
), placed AS (
	INSERT INTO {waiting} (number, event, token, due, destination, since, blocked, attempts, size, segment, state, replay, lanes)
	SELECT t.number, t.event, 0, now(), t.destination, now(),
		CASE WHEN t.number NOT IN (SELECT number FROM tail) THEN 0 WHEN cardinality(t.lanes) = 1 THEN 1
			ELSE (SELECT count(*) FROM tail b WHERE b.number = t.number) END,
		0, t.size, `

	fromTargets = `
	FROM target t
)`
)

// lockLanes locks lanes, so that a statement that follows sees what is in them.
// OFFSET 0 hides how many there are, for otherwise each number of them is worth
// a plan of its own to PostgreSQL.
const lockLanes = `SELECT count(*) FROM (
	SELECT l.head FROM (SELECT $1::bigint[] AS lanes OFFSET 0) p, unnest(p.lanes) AS x(lane) JOIN {lane} l ON l.lane = x.lane ORDER BY l.lane FOR UPDATE OF l
) l`

// makeReady makes ready what is due: what waits for another attempt, and what
// was under way when its lease ended.
const makeReady = `UPDATE {waiting} SET state = 0 WHERE number IN (
	SELECT number FROM {waiting} WHERE state IN (1, 2) AND due <= now() ORDER BY due LIMIT 1000 FOR UPDATE SKIP LOCKED)`

// takeReady takes what is ready. The limit, which is not less than how many are
// wanted, is written into the statement, for its plan depends on it.
//
//	$1 handler  $2 destination  $3 how many  $4 bytes  $5 token  $6 lease
const takeReady = `WITH ready AS (
	SELECT w.number, w.size, w.replay FROM {waiting} w
	WHERE w.destination = (
		SELECT d.id FROM {queue} q JOIN {destination} d ON d.queue = q.id
		WHERE q.name = $1::text AND d.name = $2::text AND NOT d.paused
	) AND w.state = 0 AND w.blocked = 0
	ORDER BY w.replay, w.number LIMIT {limit} FOR UPDATE SKIP LOCKED
), fitting AS (
	SELECT number FROM (
		SELECT number, row_number() OVER w AS place, sum(size) OVER w AS bytes FROM ready WINDOW w AS (ORDER BY replay, number)
	) r WHERE place <= $3::bigint AND (place = 1 OR bytes <= $4::bigint)
), taken AS (
	UPDATE {waiting} w SET state = 2, token = $5::bigint, due = now() + $6::interval
	FROM fitting f WHERE w.number = f.number
	RETURNING w.number, w.event, w.segment, w.lanes, w.since, w.attempts, w.replay
)
` + selectTaken

// takeMore takes further deliveries of the same lanes, by their numbers.
//
//	$1 numbers  $2 token  $3 lease
const takeMore = `WITH taken AS (
	UPDATE {waiting} w SET state = 2, token = $2::bigint, due = now() + $3::interval
	FROM unnest($1::bigint[]) AS x(number) WHERE w.number = x.number
	RETURNING w.number, w.event, w.segment, w.lanes, w.since, w.attempts, w.replay
)
` + selectTaken

// selectTaken returns deliveries with their events.
const selectTaken = `SELECT t.number, t.lanes, t.since, t.attempts, t.replay,
	EXISTS (SELECT 1 FROM unnest(t.lanes) AS l(lane) CROSS JOIN LATERAL (
		SELECT 1 FROM {behind} b WHERE b.lane = l.lane ORDER BY b.number LIMIT 1
	) b) AS followed,
	e.key, e.whole, e.received, e.object, e.entry, e.field, e.kind, e.subject, e.conversation, e.body,
	CASE WHEN e.notification = e.id THEN e.origin
		ELSE (SELECT o.origin FROM {events} o WHERE o.segment = t.segment AND o.id = e.notification) END AS origin
FROM taken t
JOIN {events} e ON e.segment = t.segment AND e.id = t.event
ORDER BY t.replay, t.number`

// countReady counts what is ready, up to so many.
const countReady = `SELECT count(*) FROM (
	SELECT 1 FROM {waiting} w
	WHERE w.destination = (
		SELECT d.id FROM {queue} q JOIN {destination} d ON d.queue = q.id
		WHERE q.name = $1::text AND d.name = $2::text AND NOT d.paused
	) AND w.state = 0 AND w.blocked = 0
	LIMIT $3::bigint
) r`

// followers returns what is next in lanes behind a number in each, and
// lockFollowers locks it and returns what it is.
//
//	$1 lanes  $2 numbers  $3 how many of each lane
const (
	followers = `SELECT l.lane, b.number ` + fromFollowers + ` ORDER BY l.lane, b.number`

	lockFollowers = `SELECT w.number, w.blocked, w.size, w.replay, w.lanes,
	w.state = 0 OR (w.state IN (1, 2) AND w.due <= now()) AS due
FROM {waiting} w WHERE w.number IN (SELECT b.number ` + fromFollowers + `) FOR UPDATE SKIP LOCKED`

	fromFollowers = `FROM unnest($1::bigint[], $2::bigint[]) AS l(lane, number)
CROSS JOIN LATERAL (
	SELECT b.number FROM {behind} b WHERE b.lane = l.lane AND b.number > l.number ORDER BY b.number LIMIT $3::bigint
) b`
)

// lanesOf returns the lanes of deliveries.
const lanesOf = `SELECT number, lanes FROM {waiting} WHERE number = ANY($1::bigint[])`

// settleOutcomes records outcomes of different deliveries, as far as they count,
// and returns the deliveries whose outcome did. The lanes are locked. It does everything
// but what makeMoves does after it.
//
//	$1 handler  $2 destination
//	of each outcome: $3 number  $4 token  $5 result  $6 started  $7 took  $8 status  $9 cause  $10 error  $11 answer
const settleOutcomes = `WITH hit AS (
	SELECT w.number, w.event, w.segment, w.destination, w.lanes, w.attempts, w.since, w.replay, o.result, o.started, o.took, o.status, o.cause, o.error, o.answer
	FROM unnest($3::bigint[], $4::bigint[], $5::smallint[], $6::timestamptz[], $7::bigint[], $8::integer[], $9::text[], $10::text[], $11::bytea[])
		AS o(number, token, result, started, took, status, cause, error, answer)
	JOIN {waiting} w ON w.number = o.number
	WHERE w.destination = ` + theDestination + ` AND CASE o.result
		WHEN 1 THEN true
		WHEN 4 THEN w.state <> 2 OR w.due <= now()
		ELSE w.state = 2 AND w.token = o.token AND w.due > now() END
	ORDER BY w.number FOR UPDATE OF w
), logged AS (
	INSERT INTO {attempt} (number, event, since, settled, started, took, destination, n, status, result, segment, replay, lanes, cause, error, answer)
	SELECT number, event, since, now(), started, took, destination, attempts + 1, status, result, segment, replay,
		CASE WHEN number <> event THEN lanes END, nullif(cause, ''), nullif(error, ''), answer
	FROM hit WHERE result <> 0
), gone AS (
	DELETE FROM {waiting} w USING hit WHERE w.number = hit.number AND hit.result IN (1, 4)
), ended AS (
	SELECT hit.number, l.lane FROM hit, unnest(hit.lanes) AS l(lane) WHERE hit.result IN (1, 3, 4)
), next AS (
	SELECT l.lane, (
		SELECT min(b.number) FROM {behind} b WHERE b.lane = l.lane AND b.number NOT IN (SELECT number FROM ended)
	) AS number
	FROM ended e JOIN {lane} l ON l.lane = e.lane AND l.head = e.number
), moved AS (
	UPDATE {lane} l SET head = n.number FROM next n WHERE l.lane = n.lane AND n.number IS NOT NULL
), removed AS (
	DELETE FROM {behind} b USING (
		SELECT lane, number FROM ended UNION SELECT lane, number FROM next WHERE number IS NOT NULL
	) x WHERE b.lane = x.lane AND b.number = x.number
)
SELECT number, event, segment, result FROM hit`

// makeMoves makes deliveries wait or die by their outcomes, frees the deliveries
// at the heads of lanes, and deletes the lanes in which nothing waits. What is at
// the head of a lane is looked up rather than joined, for a join may read all
// that waits.
//
//	$1 handler  $2 destination  $3 lanes
//	of each outcome: $4 number  $5 token  $6 result  $7 microseconds until it may be repeated  $8 cause
const (
	makeMoves = `WITH o AS (
	SELECT o.* FROM (SELECT $4::bigint[] AS a, $5::bigint[] AS b, $6::smallint[] AS c, $7::bigint[] AS d, $8::text[] AS e OFFSET 0) p,
		unnest(p.a, p.b, p.c, p.d, p.e) AS o(number, token, result, after, cause)
	WHERE o.result IN (0, 2, 3)
), x AS (
	SELECT x.lane FROM (SELECT $3::bigint[] AS lanes OFFSET 0) p, unnest(p.lanes) AS x(lane)
), a AS (
	SELECT o.number, o.token, o.result, o.after, o.cause FROM o
	UNION ALL
	SELECT DISTINCT l.head, 0, -1, 0, '' FROM x JOIN {lane} l ON l.lane = x.lane WHERE l.head NOT IN (SELECT number FROM o)
), dead AS (
	SELECT w.number FROM a JOIN {waiting} w ON w.number = a.number WHERE a.result = 3 AND ` + mine + `
), emptied AS (
	DELETE FROM {lane} l USING x
	WHERE l.lane = x.lane AND (l.head IN (SELECT number FROM dead)
		OR coalesce((SELECT w.state FROM {waiting} w WHERE w.number = l.head), 3) = 3)
)
UPDATE {waiting} w SET
	state = CASE WHEN NOT ` + mine + ` THEN w.state WHEN a.result = 0 THEN 0 WHEN a.result = 2 THEN 1 ELSE 3 END,
	due = CASE WHEN NOT ` + mine + ` THEN w.due WHEN a.result = 2 THEN now() + a.after * interval '1 microsecond' ELSE now() END,
	attempts = CASE WHEN ` + mine + ` AND a.result <> 0 THEN w.attempts + 1 ELSE w.attempts END,
	cause = CASE WHEN ` + mine + ` AND a.result = 3 THEN a.cause ELSE w.cause END,
	blocked = (SELECT count(*) FROM unnest(w.lanes) AS l(lane) JOIN {behind} b ON b.lane = l.lane AND b.number = w.number)
FROM a WHERE w.number = a.number AND (` + mine + ` OR w.blocked > 0)`

	// mine is whether a delivery is still held by the caller that settles it.
	mine = `(a.result >= 0 AND w.state = 2 AND w.token = a.token AND w.due > now() AND w.destination = ` + theDestination + `)`
)

// renewLeases returns what is still the caller's, with another lease.
//
//	$1 handler  $2 destination  $3 numbers  $4 tokens  $5 lease
const renewLeases = `WITH mine AS (
	SELECT w.number FROM unnest($3::bigint[], $4::bigint[]) AS h(number, token)
	JOIN {waiting} w ON w.number = h.number
	WHERE w.destination = ` + theDestination + ` AND w.state = 2 AND w.token = h.token AND w.due > now()
	ORDER BY w.number FOR UPDATE OF w
)
UPDATE {waiting} w SET due = now() + $5::interval FROM mine m WHERE w.number = m.number
RETURNING w.number`

// purgeEvents and purgeAttempts delete events that are not to be kept, once
// they are settled everywhere.
const (
	purgeEvents = `DELETE FROM {event} e WHERE e.id = ANY($1::bigint[]) AND ` + settledEverywhere

	purgeAttempts = `DELETE FROM {attempt} a WHERE a.number IN (
	SELECT a.number FROM unnest($1::bigint[]) AS e(id) JOIN {attempt} a ON a.number BETWEEN e.id AND e.id + 255 WHERE ` + settledEverywhere + `
	UNION SELECT a.number FROM unnest($1::bigint[]) AS e(id) JOIN {attempt} a ON a.event = e.id AND a.replay WHERE ` + settledEverywhere + `)`

	settledEverywhere = `NOT EXISTS (SELECT 1 FROM {waiting} w WHERE w.number BETWEEN e.id AND e.id + 255)
	AND NOT EXISTS (SELECT 1 FROM {waiting} w WHERE w.event = e.id AND w.replay)`
)

// currentSegment returns the number of the current segment.
const currentSegment = `SELECT segment FROM {segment} WHERE state = 1`

// addQueue and addDestination make a handler and a destination known. One that
// several make known at the same time may be so after some tries only.
const (
	addQueue = `INSERT INTO {queue} (id, name, keep) SELECT coalesce(max(id), 0) + 1, $1::text, $2::interval FROM {queue}
ON CONFLICT (name) DO UPDATE SET keep = excluded.keep`

	addDestination = `INSERT INTO {destination} (id, queue, name, paused)
SELECT coalesce((SELECT max(id) FROM {destination}), 0) + 1, q.id, $2::text, false FROM {queue} q
WHERE q.name = $1::text AND NOT EXISTS (SELECT 1 FROM {destination} d WHERE d.queue = q.id AND d.name = $2::text)
ON CONFLICT DO NOTHING`
)
