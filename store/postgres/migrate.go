package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// createVersions makes the table of the parts' versions, and recordVersion
// writes it when all else is done.
const (
	createVersions = `CREATE TABLE IF NOT EXISTS {version} (part text PRIMARY KEY, version integer NOT NULL)`
	recordVersion  = `INSERT INTO {version} (part, version) VALUES ('%s', %d) ` +
		`ON CONFLICT (part) DO UPDATE SET version = excluded.version WHERE {version}.version < excluded.version`
	selectVersion = `SELECT version FROM {version} WHERE part = $1::text`
)

// The first version had a ledger's table only, of the option's name, without a
// version, and with a boolean for the state. By default, the name was what it
// is now.
const (
	isFirst     = `SELECT delivered FROM {dedup} LIMIT 0`
	isFirstName = `SELECT delivered FROM {first} LIMIT 0`

	renameFirst = `ALTER TABLE {first} RENAME TO {dedup_name}; ALTER INDEX IF EXISTS {first_expires} RENAME TO {dedup_expires}`
	updateFirst = `ALTER TABLE {dedup} ADD COLUMN state smallint NOT NULL DEFAULT 2;
		UPDATE {dedup} SET state = 1 WHERE NOT delivered;
		ALTER TABLE {dedup} ALTER COLUMN state DROP DEFAULT, DROP COLUMN delivered`
)

// prepare makes sure that the tables of a part are there, are of the version
// that this package works with, and can be used.
func (t *tables) prepare(ctx context.Context, p *part) error {
	if t.prepared(p).Load() {
		return nil
	}
	err := t.pool.Do(ctx, func(conn *pgxpool.Conn) error { return t.migrate(ctx, conn, p) })
	t.prepared(p).Store(err == nil)
	return err
}

// migrate brings a part up to date. Several instances may do so at once: each
// statement can be repeated, and the version is written last. To wait for each
// other would be to wait for the slowest.
func (t *tables) migrate(ctx context.Context, conn *pgxpool.Conn, p *part) error {
	for tries := 0; ; tries++ {
		version, err := t.version(ctx, conn, p)
		switch {
		case err != nil:
			return err
		case version > p.version:
			return fmt.Errorf("%s: version %d of the %s's tables is that of a newer caddy-meta-webhook, which this one (version %d) cannot work with: %w",
				t.name.Replace("{version}"), version, p.name, p.version, errNewer)
		case version == p.version:
			err := t.try(ctx, conn, p)
			if tries > 0 || !isCode(err, undefinedTable) { // one may have been dropped
				return err
			}
		}
		err = t.make(ctx, conn, p)
		if err != nil && (tries == 10 || !isCode(err, madeMeanwhile...)) {
			return err
		}
	}
}

// errNewer means that a newer version made the tables.
var errNewer = errors.New("the tables are too new")

// madeMeanwhile are the codes of errors about what another instance makes at
// the same time. IF NOT EXISTS does not always cover it.
var madeMeanwhile = []string{
	"23505", "42P07", "42710", "42701", // there is such a row, table, object, column
	"42703", undefinedTable, // the first version's column, or table, is gone
}

// version returns the version that the tables of a part are of, 0 if there are
// none, or those of the first version.
func (t *tables) version(ctx context.Context, conn *pgxpool.Conn, p *part) (version int, err error) {
	err = conn.QueryRow(ctx, t.name.Replace(selectVersion), p.name).Scan(&version)
	if errors.Is(err, pgx.ErrNoRows) || isCode(err, undefinedTable) {
		return 0, nil
	}
	return version, refused(t.name.Replace(selectVersion), err)
}

// make makes the tables of a part, out of those of the first version if there
// are any.
func (t *tables) make(ctx context.Context, conn *pgxpool.Conn, p *part) error {
	if p == &ledgerPart {
		if err := t.updateFirst(ctx, conn); err != nil {
			return err
		}
	}
	statements := t.statements(p)
	for _, statement := range statements {
		_, err := conn.Exec(ctx, statement)
		switch {
		case err == nil, isCode(err, madeMeanwhile...):
		case isCode(err, "42501"):
			return fmt.Errorf("%w; a user who may make tables can run: %s", refused(statement, err), strings.Join(statements, "; "))
		default:
			return refused(statement, err)
		}
	}
	return nil
}

// statements returns what makes the tables of a part.
func (t *tables) statements(p *part) []string {
	return t.name.all(slices.Concat([]string{createVersions}, p.create, []string{fmt.Sprintf(recordVersion, p.name, p.version)}))
}

// updateFirst brings a table of the first version up to date.
func (t *tables) updateFirst(ctx context.Context, conn *pgxpool.Conn) error {
	var statements string
	_, err := conn.Exec(ctx, t.name.Replace(isFirst))
	switch {
	case err == nil:
		statements = updateFirst
	case !isCode(err, undefinedTable):
		return passingOnly(err)
	default:
		if _, err := conn.Exec(ctx, t.name.Replace(isFirstName)); err != nil {
			return passingOnly(err)
		}
		statements = renameFirst + ";" + updateFirst
	}
	statements = t.name.Replace(statements)
	_, err = conn.Conn().PgConn().Exec(ctx, "BEGIN;"+statements+";COMMIT").ReadAll()
	if err != nil {
		_, _ = conn.Exec(ctx, "ROLLBACK")
	}
	return refused(statements, err)
}

// passingOnly drops the errors that say that there is no table of the first
// version, or that a table of that name has other columns.
func passingOnly(err error) error {
	if permanent(err) {
		return nil
	}
	return err
}

// try runs the statements of a part on nothing, and finds out which is refused.
func (t *tables) try(ctx context.Context, conn *pgxpool.Conn, p *part) error {
	for _, s := range t.trials(p) {
		if _, err := conn.Exec(ctx, s.text, s.args...); err != nil {
			return refused(s.text, err)
		}
	}
	return nil
}

// A trial is a statement, and arguments with which it changes nothing.
type trial struct {
	text string
	args []any
}

func (t *tables) trials(p *part) []trial {
	none, noKeys, noText, zero := []int64{}, uuids(nil), []string{}, time.Duration(0)
	if p == &ledgerPart {
		return []trial{
			{t.sql.claim, []any{"", noKeys, int64(0), zero}},
			{t.sql.commit, []any{"", noKeys, int64(0), zero}},
			{t.sql.release, []any{"", noKeys, int64(0)}},
			{t.sql.expire, []any{0}},
		}
	}
	nothing := new(acceptParams)
	nothing.destinations = noText
	trials := []trial{
		{t.makeReady, nil},
		{t.take[0], []any{"", "", 0, int64(0), int64(0), zero}},
		{t.move, []any{"", "", none, none, none, []int16{}, none, noText}},
		{t.addDestination, []any{"", ""}},
		{t.number, nil},
	}
	for k := range segments {
		trials = append(trials, trial{t.accept[k], nothing.args("")}, trial{t.purgeEvents[k], []any{none}}, trial{t.purgeAttempts[k], []any{none}},
			trial{t.settle[k], []any{"", "", none, none, []int16{}, []time.Time{}, none, []int32{}, noText, noText, [][]byte{}}})
	}
	return trials
}

// refused names the statement in an error about it.
func refused(statement string, err error) error {
	if isCode(err, "25006") {
		return fmt.Errorf("the database is read-only, as a standby is: %w", err)
	}
	if err == nil || !permanent(err) {
		return err
	}
	return fmt.Errorf("the database refuses %q: %w", statement, err)
}

// permanent reports whether an error is the database's last word, and not about
// the state that it is in.
func permanent(err error) bool {
	if errors.Is(err, errNewer) {
		return true
	}
	answer, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || len(answer.Code) != 5 {
		return false
	}
	switch answer.Code[:2] {
	case "28", "3D", "3F", "42": // who, which database, which schema, what
		return true
	}
	return false
}

const undefinedTable = "42P01"

// isCode reports whether an error is the database's, with one of the codes.
func isCode(err error, codes ...string) bool {
	answer, ok := errors.AsType[*pgconn.PgError](err)
	return ok && slices.Contains(codes, answer.Code)
}
