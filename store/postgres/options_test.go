package postgres_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/postgres"
)

func TestOptionsThatAreRefused(t *testing.T) {
	const password = "hunter2"
	t.Setenv("STORE_TEST_DSN", "host=db password="+password+"\n")
	long := strings.Repeat("x", 47)
	const table = "table: must be a table, or a schema and a table such as app.events, not "
	for _, tc := range []struct{ dsn, table, want string }{
		{"", "", "dsn: is required"},
		{"postgres://caddy:" + password + "{et}@db/app", "", `dsn: has a placeholder that is empty or unknown; write a literal brace as \{`},
		{"postgres://caddy:a{" + password + "}b@db/app", "", `dsn: has a placeholder that is empty or unknown; write a literal brace as \{`},
		{"{env.STORE_TEST_UNSET}", "", "dsn: {env.STORE_TEST_UNSET} is empty or unknown"},
		{"{env.STORE_TEST_DSN}", "", "dsn: {env.STORE_TEST_DSN} begins or ends with white space"},
		{"host=db password=" + password + "\x00", "", "dsn: has a control character, such as a NUL or a line break"},
		{"host=db", "a.b.c", table + `"a.b.c"`},
		{"host=db", ".b", table + `".b"`},
		{"host=db", "a.", table + `"a."`},
		{"host=db", ".", table + `"."`},
		{"host=db", "app." + long, "table: must not be longer than 46 bytes, as " + strconv.Quote(long) + " is"},
	} {
		err := load(t, &postgres.Store{DSN: tc.dsn, Table: tc.table})
		if err == nil || err.Error() != tc.want {
			t.Errorf("dsn %q, table %q: got error %v, want %s", tc.dsn, tc.table, err, tc.want)
		}
		if err != nil && strings.Contains(err.Error(), password) {
			t.Errorf("got error %v, want none that has the password", err)
		}
	}
	for _, table := range []string{"", "events", "app.events", `odd "name" here`} {
		if err := load(t, &postgres.Store{DSN: `host=db password=a\{b\}c`, Table: table}); err != nil {
			t.Errorf("table %q: got error %v, want none", table, err)
		}
	}
}

func TestOptionsInACaddyfile(t *testing.T) {
	for text, want := range map[string]string{
		"postgres {\n dsn host=db\n table app.events\n keep 3d\n}": "72h",
		"postgres {\n dsn host=db\n keep 0\n}":                     "0s",
		"postgres {\n dsn host=db\n}":                              "168h",
		"postgres {\n dsn host=db\n keep -1h\n}":                   "must be 0s or longer",
		"postgres {\n dsn host=db\n keep long\n}":                  "keep",
		"postgres {\n dsn host=db\n keeps 1d\n}":                   "unrecognized store postgres option 'keeps'",
	} {
		s := new(postgres.Store)
		err := s.UnmarshalCaddyfile(caddyfile.NewTestDispenser(text))
		if err == nil {
			err = load(t, s)
		}
		if err != nil {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got error %v, want %s", text, err, want)
			}
			continue
		}
		keep, parseErr := caddy.ParseDuration(want)
		if parseErr != nil || time.Duration(*s.Keep) != keep {
			t.Errorf("%s: got keep %v, want %s", text, time.Duration(*s.Keep), want)
		}
	}
}

// load sets a module up as Caddy would.
func load(t *testing.T, s *postgres.Store) error {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	if err := s.Provision(ctx); err != nil {
		return err
	}
	return s.Validate()
}
