package postgres_test

import (
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/ledgertest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/pgtest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/postgres"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/storetest"
)

func TestQueueKeepsThePromises(t *testing.T) {
	server := pgtest.Start(t)
	storetest.TestQueue(t, queueConfig(server, ""))
}

// TestQueueWithOtherSettings is what PgBouncer asks for, and a server whose
// transactions are serializable unless they say otherwise, as those of
// CockroachDB are.
func TestQueueWithOtherSettings(t *testing.T) {
	server := pgtest.Start(t)
	for _, setting := range []string{"default_query_exec_mode=exec", "default_transaction_isolation=serializable"} {
		t.Run(setting, func(t *testing.T) {
			config := queueConfig(server, "&"+setting)
			config.Runs = 5
			storetest.TestQueue(t, config)
		})
	}
}

// queueConfig has each test use a schema of its own, whose clock it sets.
func queueConfig(server *pgtest.Server, settings string) storetest.QueueConfig {
	return storetest.QueueConfig{
		Patience: 100 * time.Millisecond,
		New: func(t testing.TB) storetest.QueueSubject {
			c := newDatabaseClock(t, server)
			process := 0
			return storetest.QueueSubject{
				Open: func(name string) (store.Queue, error) {
					return c.store(settings + "&application_name=process" + strconv.Itoa(process)).OpenQueue(name)
				},
				Now:     c.Now,
				Advance: c.Advance,
				Restart: func() { process++ },
				Crash:   func() { process++ },
			}
		},
	}
}

// A databaseClock is the clock of a schema in which now() can be set forward,
// and of the instances that use it.
type databaseClock struct {
	t      testing.TB
	server *pgtest.Server
	schema string
	offset atomic.Int64
}

func newDatabaseClock(t testing.TB, server *pgtest.Server) *databaseClock {
	t.Helper()
	c := &databaseClock{t: t, server: server, schema: strings.TrimSuffix(ledgertest.Scope(), "_")}
	execute(t, server, "CREATE SCHEMA "+c.schema,
		"CREATE TABLE "+c.schema+".clock (passed interval NOT NULL)",
		"INSERT INTO "+c.schema+".clock VALUES ('0s')",
		"CREATE FUNCTION "+c.schema+".now() RETURNS timestamptz STABLE LANGUAGE sql AS "+
			"'SELECT pg_catalog.now() + passed FROM "+c.schema+".clock'")
	return c
}

func (c *databaseClock) Now() time.Time { return time.Now().Add(time.Duration(c.offset.Load())) }

func (c *databaseClock) Advance(d time.Duration) {
	c.offset.Add(int64(d))
	execute(c.t, c.server, "UPDATE "+c.schema+".clock SET passed = '"+strconv.FormatInt(time.Duration(c.offset.Load()).Microseconds(), 10)+" microseconds'")
}

// Schema returns the name of the schema.
func (c *databaseClock) Schema() string { return c.schema }

// store returns a store module in the schema.
func (c *databaseClock) store(settings string) *postgres.Store {
	c.t.Helper()
	keep := postgres.Days(1)
	// to compile the queries of its now() would take longer than to run them
	s := &postgres.Store{DSN: c.server.DSN() + "&jit=off&search_path=" + c.schema + ",pg_catalog" + settings, Keep: &keep}
	ledgertest.Provision(c.t, s)
	postgres.SetClock(s, c.Now)
	return s
}
