// Package postgres is the store that remembers events, and queues them, in a
// database that any number of instances share.
package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/caddyblock"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/rule"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/secret"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

func init() {
	caddy.RegisterModule(Store{})
}

// defaultTable is what the names of the tables begin with.
const defaultTable = "meta_webhook"

// defaultKeep is how long settled events stay.
const defaultKeep = caddy.Duration(7 * 24 * time.Hour)

// Store remembers events in tables of PostgreSQL, or of a database that speaks
// its language, such as CockroachDB or YugabyteDB, and queues them there for
// stored delivery. Any number of Caddy instances share it: if several get the
// same event at the same time, one delivers it, and when an instance dies,
// another one goes on with its deliveries.
//
// The tables are made if there are none, and those of an older version are
// brought up to date. If the user may not do that, the error has the statements
// to run. What the store needs is to SELECT, INSERT, UPDATE and DELETE
// there, and, to queue events, USAGE of the sequence; with TRUNCATE as well,
// old events are dropped at less cost. Windows, leases and retries go by the
// database's clock.
type Store struct {
	// How to reach the database: a `postgres://` URL, or settings such as
	// `host=db user=caddy password=… dbname=app`. It can also set the size of
	// the pool (`pool_max_conns`), and, for PgBouncer in transaction mode,
	// `default_query_exec_mode=exec`. What is missing comes from PostgreSQL's
	// own environment variables such as `PGHOST`. Placeholders are replaced
	// when the configuration is loaded; a literal brace is written `\{`.
	// Required.
	DSN string `json:"dsn,omitempty"`

	// What the names of the tables begin with, or their schema and that, as
	// `app.events`. The dot is the only one. Default: `meta_webhook`, for tables
	// such as `meta_webhook_dedup`.
	Table string `json:"table,omitempty"`

	// How long settled events stay for look-up and replay, with stored
	// delivery. Default: 7d. With 0, they are deleted when they are settled.
	// Where several handlers share the tables, the longest time counts.
	Keep *caddy.Duration `json:"keep,omitempty"`

	dsn    string
	logger *zap.Logger
	now    func() time.Time
}

// CaddyModule returns the Caddy module information.
func (Store) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.meta_webhook.store.postgres",
		New: func() caddy.Module { return new(Store) },
	}
}

// Provision resolves the connection string.
func (s *Store) Provision(ctx caddy.Context) error {
	s.logger, s.now = ctx.Logger(), time.Now
	if s.Table == "" {
		s.Table = defaultTable
	}
	if s.Keep == nil {
		keep := defaultKeep
		s.Keep = &keep
	}
	if s.DSN == "" {
		return errors.New("dsn: is required")
	}
	var err error
	s.dsn, err = secret.Resolve(s.DSN)
	return rule.For("dsn", err)
}

// Validate reports options that have no meaning.
func (s *Store) Validate() error {
	return cmp.Or(rule.For("table", checkTable(s.Table)), rule.For("keep", checkKeep(*s.Keep)))
}

// checkTable reports a name that tables' names cannot begin with, with or
// without their schema.
func checkTable(name string) error {
	parts := strings.Split(name, ".")
	if len(parts) > 2 || slices.Contains(parts, "") {
		return fmt.Errorf("must be a table, or a schema and a table such as app.events, not %q", name)
	}
	if len(parts[len(parts)-1]) > longestName {
		return fmt.Errorf("must not be longer than %d bytes, as %q is", longestName, parts[len(parts)-1])
	}
	return nil
}

func checkKeep(keep caddy.Duration) error {
	if keep < 0 {
		return errors.New("must be 0s or longer")
	}
	return nil
}

// setupTimeout is how long loading a configuration waits for the database.
const setupTimeout = 5 * time.Second

// Open implements store.Opener.
func (s *Store) Open(name string) (store.Ledger, error) {
	t, err := openTables(s.dsn, s.Table)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), setupTimeout)
	defer cancel()
	if err := t.prepare(ctx, &ledgerPart); err != nil {
		if permanent(err) {
			return nil, errors.Join(err, t.close())
		}
		s.logger.Error("database out of reach for now", zap.Error(err))
	}
	return &ledger{t, name}, nil
}

// A ledger is the events of one handler in a table.
type ledger struct {
	*tables
	name string
}

// Commit implements store.Ledger.
func (l *ledger) Commit(ctx context.Context, token store.Token, events []store.Key, window time.Duration) error {
	return l.exec(ctx, l.tables.sql.commit, l.name, uuids(events), int64(token), window)
}

// Release implements store.Ledger.
func (l *ledger) Release(ctx context.Context, token store.Token, events []store.Key) error {
	return l.exec(ctx, l.tables.sql.release, l.name, uuids(events), int64(token))
}

// Close implements store.Ledger.
func (l *ledger) Close() error { return l.tables.close() }

// uuids returns events as the parameter of a statement. The type is one that
// is known without asking the database.
func uuids(events []store.Key) []pgtype.UUID {
	list := make([]pgtype.UUID, len(events))
	for i, event := range events {
		list[i] = pgtype.UUID{Bytes: event, Valid: true}
	}
	return list
}

// UnmarshalCaddyfile sets up the store from Caddyfile tokens. Syntax:
//
//	store postgres {
//		dsn   <connection string>
//		table <name>
//		keep  <duration>
//	}
func (s *Store) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return caddyblock.Module(d, func(d *caddyfile.Dispenser, option string) error {
		switch option {
		case "dsn":
			return caddyblock.Value(d, &s.DSN, caddyblock.Text, secret.Check)
		case "table":
			return caddyblock.Value(d, &s.Table, caddyblock.Text, checkTable)
		case "keep":
			s.Keep = new(caddy.Duration)
			return caddyblock.Value(d, s.Keep, caddyblock.Duration, checkKeep)
		}
		return caddyblock.Unrecognized(d, "store postgres", option)
	})
}

// Interface guards
var (
	_ caddy.Provisioner     = (*Store)(nil)
	_ caddy.Validator       = (*Store)(nil)
	_ caddyfile.Unmarshaler = (*Store)(nil)
	_ store.Opener          = (*Store)(nil)
	_ store.Ledger          = (*ledger)(nil)
)
