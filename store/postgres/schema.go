package postgres

// # The tables, and how events travel through them
//
// A ledger needs one table, dedup. A queue needs that and these:
//
//	queue        a handler's name, and how long what is settled is kept
//	destination  a destination of a handler, and whether it is paused
//	waiting      a row per delivery that is waiting, under way or dead
//	lane         a row per lane that anything waits in: the delivery at its head
//	behind       a row per delivery and lane that it waits behind the head of
//	event_0 …    events with their bodies
//	attempt_0 …  attempts that were made, and discards
//	segment      which of the numbered tables are in use
//
// One notification is one statement, and one round trip, whatever is in it;
// notifications that come at the same time share the statement. It marks the
// events in dedup, inserts those that are new into the current event table, and
// a row into waiting for each of their targets. A delivery that finds no row of
// its lane inserts one, and is at its head; otherwise it inserts a row into
// behind, and waiting.blocked counts those. The statement locks the lanes until
// it has committed, and fails if it would put a delivery behind one with a
// higher number, to be tried again with higher numbers. So the numbers of a
// lane are committed in their order.
//
// One delivery. Take looks for rows of waiting that are ready: not blocked, and
// not to be attempted later. An index holds those alone, in the order in which
// they are taken; it does not matter how many others wait, for what, and in how
// many lanes. The rows are locked with SKIP LOCKED, and get a token and the end
// of the lease. That is the whole transaction; the attempt is made outside of
// it. Settle locks the lanes, deletes the row of waiting, inserts the attempt,
// moves the next delivery of each lane from behind to its head, and deletes the
// lanes that nothing waits in. An event that is delivered at the first attempt
// costs an insert each in dedup, event, waiting, lane and attempt, an update in
// waiting, and a delete each in waiting and lane. Without a lane, it costs none
// of the last.
//
// One retry. Settle leaves the delivery at the head of its lanes, with the time
// of the next attempt. A second index holds what waits for a time; Take first
// makes ready what is due.
//
// One dead instance. Its deliveries are under way until their leases end, by
// the clock of the database. They are due then as retries are, and have never
// left the heads of their lanes.
//
// What is old is dropped without being looked at. Events and attempts are
// written to the tables of the current segment. After a part of the time that
// settled events are kept for, the next segment becomes the current one. When a
// segment has been full for all of that time, what is still needed of it, which
// is mostly nothing, is copied to the current one, and its tables are truncated.
//
// Everything here is what PostgreSQL shares with CockroachDB and YugabyteDB. No
// statement changes one table twice, which CockroachDB refuses. A statement that
// has to see what another one did follows it in the same transaction, which is
// sent at once.

import (
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

const (
	// segments is how many segments there are.
	segments = 6

	// targetsMax is how many targets an event can have. Its deliveries have the
	// numbers from its own on, and the next event's number is so much higher.
	targetsMax = 256
)

// The results of a row in attempt, beside those of store.Result.
const resultDiscarded = 4

// The states of a segment.
const (
	segmentEmpty int16 = iota
	segmentCurrent
	segmentFull
	segmentDraining
)

// A part is tables that are made, and brought up to date, together.
type part struct {
	name    string
	version int // that this package works with
	create  []string
}

// ledgerPart is what a ledger needs.
var ledgerPart = part{"ledger", 1, []string{
	// An event: in flight (state 1) until its lease ends, or delivered, or seen by
	// a queue (2), until its window does. The token is the last claimant's.
	`CREATE TABLE IF NOT EXISTS {dedup} (` +
		`name text NOT NULL, id uuid NOT NULL, token bigint NOT NULL, ` +
		`state smallint NOT NULL, expires timestamptz NOT NULL, PRIMARY KEY (name, id))`,
	`CREATE INDEX IF NOT EXISTS {dedup_expires} ON {dedup} (expires)`,
}}

// queuePart is what a queue needs beside.
var queuePart = part{"queue", 1, append([]string{
	`CREATE SEQUENCE IF NOT EXISTS {number} INCREMENT BY ` + strconv.Itoa(targetsMax),
	`CREATE TABLE IF NOT EXISTS {queue} (` +
		`id integer PRIMARY KEY, name text NOT NULL UNIQUE, keep interval NOT NULL)`,
	`CREATE TABLE IF NOT EXISTS {destination} (` +
		`id integer PRIMARY KEY, queue integer NOT NULL, name text NOT NULL, paused boolean NOT NULL, UNIQUE (queue, name))`,
	// A delivery: to be attempted, unless it is blocked (state 0); to be attempted
	// when it is due (1); under way until it is due (2), if its token is the
	// caller's; or dead (3), since it was due.
	`CREATE TABLE IF NOT EXISTS {waiting} (` +
		`number bigint PRIMARY KEY, event bigint NOT NULL, token bigint NOT NULL, ` +
		`due timestamptz NOT NULL, since timestamptz NOT NULL, ` +
		`destination integer NOT NULL, blocked integer NOT NULL, attempts integer NOT NULL, size integer NOT NULL, ` +
		`segment smallint NOT NULL, state smallint NOT NULL, replay boolean NOT NULL, lanes bigint[] NOT NULL, cause text)`,
	`CREATE INDEX IF NOT EXISTS {waiting_ready} ON {waiting} (destination, replay, number) WHERE state = 0 AND blocked = 0`,
	`CREATE INDEX IF NOT EXISTS {waiting_due} ON {waiting} (due) WHERE state IN (1, 2)`,
	`CREATE INDEX IF NOT EXISTS {waiting_dead} ON {waiting} (number) WHERE state = 3`,
	`CREATE INDEX IF NOT EXISTS {waiting_replay} ON {waiting} (event) WHERE replay`,
	// The lanes of all destinations, see laneKey.
	`CREATE TABLE IF NOT EXISTS {lane} (lane bigint PRIMARY KEY, head bigint NOT NULL)`,
	`CREATE TABLE IF NOT EXISTS {behind} (lane bigint NOT NULL, number bigint NOT NULL, PRIMARY KEY (lane, number))`,
	`CREATE TABLE IF NOT EXISTS {segment} (` +
		`segment smallint PRIMARY KEY, state smallint NOT NULL, changed timestamptz NOT NULL)`,
	`INSERT INTO {segment} (segment, state, changed) ` +
		`SELECT s.k, CASE WHEN s.k = 0 THEN 1 ELSE 0 END, now() FROM generate_series(0, {last}) AS s(k) ` +
		`ON CONFLICT (segment) DO NOTHING`,
}, perSegment(
	// An event. The notification is the number of the event that has the
	// origin; the lanes are those of the first target.
	`CREATE TABLE IF NOT EXISTS {event} (`+
		`id bigint PRIMARY KEY, notification bigint NOT NULL, key uuid NOT NULL, received timestamptz NOT NULL, `+
		`queue integer NOT NULL, whole boolean NOT NULL, matched boolean NOT NULL, lanes bigint[] NOT NULL, `+
		`object text NOT NULL, entry text NOT NULL, field text NOT NULL, kind text NOT NULL, `+
		`subject text NOT NULL, conversation text NOT NULL, origin bytea, body bytea NOT NULL)`,
	`CREATE INDEX IF NOT EXISTS {event_key} ON {event} (key)`,
	// An attempt, with the result as of store.Result, or a discard (result 4), of
	// a delivery of an event that is in a segment. The lanes are null where they
	// are those of the event.
	`CREATE TABLE IF NOT EXISTS {attempt} (`+
		`number bigint NOT NULL, event bigint NOT NULL, since timestamptz NOT NULL, settled timestamptz NOT NULL, `+
		`started timestamptz, took bigint, destination integer NOT NULL, n integer NOT NULL, status integer, `+
		`result smallint NOT NULL, segment smallint NOT NULL, replay boolean NOT NULL, `+
		`lanes bigint[], cause text, error text, answer bytea, PRIMARY KEY (number, n))`,
	`CREATE INDEX IF NOT EXISTS {attempt_replay} ON {attempt} (event) WHERE replay`,
	`CREATE INDEX IF NOT EXISTS {attempt_away} ON {attempt} (segment, event) WHERE segment <> {k}`,
)...)}

// perSegment returns statements for the tables of each segment.
func perSegment(statements ...string) (all []string) {
	for k := range segments {
		for _, s := range statements {
			all = append(all, ofSegment(k).Replace(s))
		}
	}
	return all
}

// ofSegment completes the names in a statement that are those of a segment.
func ofSegment(k int) *strings.Replacer {
	n := strconv.Itoa(k)
	return strings.NewReplacer(
		"{k}", n, "{event}", "{event_"+n+"}", "{attempt}", "{attempt_"+n+"}",
		"{event_key}", "{event_"+n+"_key}", "{attempt_replay}", "{attempt_"+n+"_replay}", "{attempt_away}", "{attempt_"+n+"_away}",
	)
}

// longestName is how long the option may be, so that PostgreSQL does not cut
// off what is added to it.
const longestName = 63 - len("_attempt_0_replay")

// A naming writes the names of the tables into statements. They begin with
// the option, which can have a schema before them.
type naming struct {
	*strings.Replacer
	pairs []string
}

func newNaming(option string) naming {
	parts := strings.Split(option, ".")
	last := len(parts) - 1
	var pairs []string
	name := func(what string, qualified bool) {
		names := append(append(pgx.Identifier(nil), parts[:last]...), parts[last]+"_"+what)
		if !qualified {
			names = names[last:]
		}
		pairs = append(pairs, "{"+what+"}", names.Sanitize())
	}
	for _, table := range []string{"dedup", "version", "number", "queue", "destination", "waiting", "lane", "behind", "segment"} {
		name(table, true)
	}
	name("dedup_name", false)
	pairs[len(pairs)-1] = pgx.Identifier{parts[last] + "_dedup"}.Sanitize()
	for _, index := range []string{"dedup_expires", "waiting_ready", "waiting_due", "waiting_dead", "waiting_replay"} {
		name(index, false)
	}
	for k := range segments {
		n := strconv.Itoa(k)
		name("event_"+n, true)
		name("attempt_"+n, true)
		name("event_"+n+"_key", false)
		name("attempt_"+n+"_replay", false)
		name("attempt_"+n+"_away", false)
	}
	// the table of the first version, and its index
	pairs = append(pairs, "{first}", pgx.Identifier(parts).Sanitize(), "{first_expires}",
		append(append(pgx.Identifier(nil), parts[:last]...), parts[last]+"_expires").Sanitize(), "{last}", strconv.Itoa(segments-1),
		"{next}", "nextval('"+strings.ReplaceAll(append(append(pgx.Identifier(nil), parts[:last]...), parts[last]+"_number").Sanitize(), "'", "''")+"')")
	return naming{strings.NewReplacer(pairs...), pairs}
}

// with returns a naming that writes more than names.
func (n naming) with(pairs ...string) naming {
	for i := 1; i < len(pairs); i += 2 {
		pairs[i] = n.Replace(pairs[i])
	}
	pairs = append(pairs, n.pairs...)
	return naming{strings.NewReplacer(pairs...), pairs}
}

// all returns statements with the names.
func (n naming) all(statements []string) []string {
	all := make([]string, len(statements))
	for i, s := range statements {
		all[i] = n.Replace(s)
	}
	return all
}

// union returns a statement for the tables of each segment, joined.
func union(statement string) string {
	return strings.Join(perSegment(statement), " UNION ALL ")
}
