package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func init() {
	caddy.RegisterModule(Postgres{})
}

// defaultTable is where a postgres store keeps its events.
const defaultTable = "meta_webhook_dedup"

// Postgres remembers delivered events in a table of PostgreSQL, or of a
// database that speaks its language, such as CockroachDB or YugabyteDB. Any
// number of Caddy instances share it: of those that get the same event at the
// same time, one delivers it.
//
// The table is made if there is none. A user who may not do that gets the
// statements to run in the error. What the store needs is to SELECT, INSERT,
// UPDATE and DELETE there. Windows and leases go by the database's clock.
type Postgres struct {
	// How to reach the database: a `postgres://` URL, or settings such as
	// `host=db user=caddy password=… dbname=app`. It can also set the size of
	// the pool (`pool_max_conns`), and, for PgBouncer in transaction mode,
	// `default_query_exec_mode=exec`. What is missing comes from PostgreSQL's
	// own environment variables such as `PGHOST`. Placeholders are replaced
	// when the configuration is loaded. Required.
	DSN string `json:"dsn,omitempty"`

	// The name of the table, with its schema if you like. Default:
	// `meta_webhook_dedup`.
	Table string `json:"table,omitempty"`

	dsn    string
	logger *zap.Logger
}

// CaddyModule returns the Caddy module information.
func (Postgres) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.meta_webhook.dedup.postgres",
		New: func() caddy.Module { return new(Postgres) },
	}
}

// Provision resolves the connection string.
func (p *Postgres) Provision(ctx caddy.Context) error {
	p.logger = ctx.Logger()
	if p.Table == "" {
		p.Table = defaultTable
	}
	dsn, err := caddy.NewReplacer().ReplaceOrErr(p.DSN, true, true)
	if err != nil {
		return fmt.Errorf("dsn: %v", err)
	}
	p.dsn = dsn
	return nil
}

// Validate reports options that have no meaning.
func (p *Postgres) Validate() error {
	if p.DSN == "" {
		return errors.New("dsn: is required")
	}
	return nil
}

// setupTimeout is how long loading a configuration waits for the database.
const setupTimeout = 5 * time.Second

// Open implements Opener.
func (p *Postgres) Open(name string) (Ledger, error) {
	table, err := openTable(p.dsn, p.Table)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), setupTimeout)
	defer cancel()
	if err := table.prepare(ctx); err != nil {
		if permanent(err) {
			return nil, errors.Join(err, table.close())
		}
		p.logger.Error("database out of reach for now", zap.Error(err))
	}
	return &postgresStore{table, name}, nil
}

// A postgresStore is the events of one handler in a table.
type postgresStore struct {
	*postgresTable
	name string
}

// Claim implements Ledger.
func (s *postgresStore) Claim(ctx context.Context, token Token, events []Key, lease time.Duration) ([]State, error) {
	states := make([]State, len(events))
	if len(events) == 0 {
		return states, nil
	}
	rows, err := s.query(ctx, s.sql.claim, s.name, uuids(events), int64(token), lease)
	if err != nil {
		return nil, err
	}
	places := make(map[Key]int, len(events))
	for i, event := range events {
		places[event] = i
	}
	for _, row := range rows {
		if i, ok := places[row.ID]; !ok {
			continue
		} else if row.Delivered {
			states[i] = Delivered
		} else {
			states[i] = Claimed
		}
	}
	return states, nil
}

// Commit implements Ledger.
func (s *postgresStore) Commit(ctx context.Context, token Token, events []Key, window time.Duration) error {
	return s.exec(ctx, s.sql.commit, s.name, uuids(events), int64(token), window)
}

// Release implements Ledger.
func (s *postgresStore) Release(ctx context.Context, token Token, events []Key) error {
	return s.exec(ctx, s.sql.release, s.name, uuids(events), int64(token))
}

// Close implements Ledger.
func (s *postgresStore) Close() error { return s.close() }

// uuids returns events as the parameter of a statement. The type is one that
// is known without asking the database.
func uuids(events []Key) []pgtype.UUID {
	list := make([]pgtype.UUID, len(events))
	for i, event := range events {
		list[i] = pgtype.UUID{Bytes: event, Valid: true}
	}
	return list
}

// UnmarshalCaddyfile sets up the store from Caddyfile tokens. Syntax:
//
//	dedup postgres {
//		dsn   <connection string>
//		table <name>
//	}
func (p *Postgres) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return unmarshal(d, map[string]func(string) error{
		"dsn":   func(value string) error { p.DSN = value; return nil },
		"table": func(value string) error { p.Table = value; return nil },
	})
}

// Interface guards
var (
	_ caddy.Provisioner     = (*Postgres)(nil)
	_ caddy.Validator       = (*Postgres)(nil)
	_ caddyfile.Unmarshaler = (*Postgres)(nil)
	_ Opener                = (*Postgres)(nil)
	_ Ledger                = (*postgresStore)(nil)
)
