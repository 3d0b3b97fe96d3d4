package postgres

// The statements of a ledger. What they use is what PostgreSQL shares with the
// databases that speak its language.
type statements struct{ claim, commit, release, expire string }

func newStatements(n naming) statements {
	return statements{
		claim: n.Replace(claimEvents), commit: n.Replace(commitEvents),
		release: n.Replace(releaseEvents), expire: n.Replace(expireEvents),
	}
}

// claimEvents inserts what is absent, and takes over what has expired, is the
// caller's own, or is claimed for so long that the clock must have been set back
// since. It returns that, and what is delivered; the rest is in
// flight, or has changed while the statement ran. Rows are locked in one
// order, so that two claims wait for each other instead of failing.
const claimEvents = `WITH claimed AS (
	INSERT INTO {dedup} AS e (name, id, token, state, expires)
	SELECT $1::text, k.id, $3::bigint, 1, now() + $4::interval FROM unnest($2::uuid[]) AS k(id) ORDER BY k.id
	ON CONFLICT (name, id) DO UPDATE
		SET token = excluded.token, state = 1, expires = excluded.expires
		WHERE e.expires <= now() OR (e.state = 1 AND (e.token = excluded.token OR e.expires > now() + 2 * $4::interval))
	RETURNING id
)
SELECT id, 0::smallint AS state, $3::bigint AS token FROM claimed
UNION ALL
SELECT id, state, token FROM {dedup} WHERE name = $1::text AND id = ANY($2::uuid[]) AND expires > now()`

// The states of rows in dedup, and of an event that a claim has got.
const (
	claimedNow int16 = iota
	inFlight
	delivered
)

const commitEvents = `INSERT INTO {dedup} (name, id, token, state, expires)
SELECT $1::text, k.id, $3::bigint, 2, now() + $4::interval FROM unnest($2::uuid[]) AS k(id) ORDER BY k.id
ON CONFLICT (name, id) DO UPDATE
	SET token = excluded.token, state = 2, expires = excluded.expires`

const releaseEvents = `DELETE FROM {dedup} WHERE name = $1::text AND id = ANY($2::uuid[]) AND token = $3::bigint AND state = 1`

// expireEvents drops the oldest of what has expired. It looks at the time
// twice, because a row that was found may be claimed again by the time it is
// locked.
const expireEvents = `DELETE FROM {dedup} WHERE expires < now() AND (name, id) IN (
	SELECT name, id FROM {dedup} WHERE expires < now() ORDER BY expires LIMIT $1::bigint)`
