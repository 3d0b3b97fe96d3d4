package postgres

import (
	"strings"

	"github.com/jackc/pgx/v5"
)

// The statements of a table. The one place where they are written is here, and
// what they use is what PostgreSQL shares with the databases that speak its
// language.
type statements struct {
	create                         []string
	claim, commit, release, expire string
}

// newStatements returns the statements of the table of this name.
func newStatements(table string) statements {
	parts := pgx.Identifier(strings.Split(table, "."))
	index := pgx.Identifier{parts[len(parts)-1] + "_expires"}
	name := strings.NewReplacer("{table}", parts.Sanitize(), "{index}", index.Sanitize()).Replace
	return statements{
		create: []string{name(createTable), name(createIndex)},
		claim:  name(claimEvents), commit: name(commitEvents), release: name(releaseEvents), expire: name(expireEvents),
	}
}

// A row is an event, in flight until its lease ends or delivered until its
// window does. The token is the last claimant's.
const createTable = `CREATE TABLE IF NOT EXISTS {table} (` +
	`name text NOT NULL, id uuid NOT NULL, token bigint NOT NULL, ` +
	`delivered boolean NOT NULL, expires timestamptz NOT NULL, PRIMARY KEY (name, id))`

const createIndex = `CREATE INDEX IF NOT EXISTS {index} ON {table} (expires)`

// claimEvents inserts what is absent, and takes over what has expired, is the
// caller's own, or is claimed for so long that the clock must have been set back
// since. It returns that, and what is delivered; the rest is in
// flight, or has changed while the statement ran. Rows are locked in one
// order, so that two claims wait for each other instead of failing.
const claimEvents = `WITH claimed AS (
	INSERT INTO {table} AS e (name, id, token, delivered, expires)
	SELECT $1::text, k.id, $3::bigint, false, now() + $4::interval FROM unnest($2::uuid[]) AS k(id) ORDER BY k.id
	ON CONFLICT (name, id) DO UPDATE
		SET token = excluded.token, delivered = false, expires = excluded.expires
		WHERE e.expires <= now() OR (NOT e.delivered AND (e.token = excluded.token OR e.expires > now() + 2 * $4::interval))
	RETURNING id
)
SELECT id, false AS delivered FROM claimed
UNION ALL
SELECT id, true AS delivered FROM {table} WHERE name = $1::text AND id = ANY($2::uuid[]) AND delivered AND expires > now()`

const commitEvents = `INSERT INTO {table} (name, id, token, delivered, expires)
SELECT $1::text, k.id, $3::bigint, true, now() + $4::interval FROM unnest($2::uuid[]) AS k(id) ORDER BY k.id
ON CONFLICT (name, id) DO UPDATE
	SET token = excluded.token, delivered = true, expires = excluded.expires`

const releaseEvents = `DELETE FROM {table} WHERE name = $1::text AND id = ANY($2::uuid[]) AND token = $3::bigint AND NOT delivered`

// expireEvents drops the oldest of what has expired. It looks at the time
// twice, because a row that was found may be claimed again by the time it is
// locked.
const expireEvents = `DELETE FROM {table} WHERE expires < now() AND (name, id) IN (
	SELECT name, id FROM {table} WHERE expires < now() ORDER BY expires LIMIT $1::bigint)`
