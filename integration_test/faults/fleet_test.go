package faults

import (
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/caddyproc"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/pgtest"
)

// A fleet is processes that share a table, and the app behind them.
type fleet struct {
	processes []*caddyproc.Process
	ledger    *harness.Ledger
}

// newFleet starts two processes on a database.
func newFleet(t *testing.T, s harness.Seed, server *pgtest.Server, table, onError string, options ...string) *fleet {
	f := &fleet{ledger: harness.NewLedger(t)}
	u := harness.NewApp(t, f.ledger, s.Random("app of "+table), 10*time.Millisecond, 0)
	remember := harness.Lines("store postgres {", "dsn "+server.DSN(), "table "+table, "}", "dedup {", "on_error "+onError, "}")
	for range 2 {
		c := caddyproc.New(t)
		c.Start(harness.Lines(harness.Hook(append(options, remember)...), "reverse_proxy "+u.Addr))
		f.processes = append(f.processes, c)
	}
	return f
}

// TestTwoProcessesDeliverOnce sends every notification to two processes at the
// same time.
func TestTwoProcessesDeliverOnce(t *testing.T) {
	t.Parallel()
	s := harness.NewSeed(t)
	server := pgtest.Start(t)
	for _, mode := range []string{"each", "batch", "original"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			const senders, notifications = 4, 40
			f := newFleet(t, s, server, "twice_"+mode, "reject", "deliver "+mode)
			f.ledger.Whole = mode == "original"
			var running sync.WaitGroup
			for i := range senders {
				random := s.Random("sender " + strconv.Itoa(i))
				var both []*harness.Meta
				for n := range f.processes {
					both = append(both, harness.NewMeta(t, f.ledger, s.Random(strconv.Itoa(i)+" to "+strconv.Itoa(n))))
				}
				running.Go(func() {
					for n := range notifications {
						events := harness.Some(random, strconv.Itoa(i/2), n) // that another sender sends as well
						if f.ledger.Whole {                                  // where that would bring them twice
							events = harness.Posts(strconv.Itoa(i)+"-"+strconv.Itoa(n), 3)
						}
						var sending sync.WaitGroup
						for p, m := range both {
							sending.Go(func() { m.Send(f.processes[p], events...) })
						}
						sending.Wait()
					}
				})
			}
			running.Wait()
			for _, event := range f.ledger.Events() {
				if began, taken := f.ledger.Times(event); began != 1 || taken != 1 {
					t.Errorf("got the event %s %d times at the app, want it once", event, began)
				}
			}
			if got := len(f.ledger.Events()); got < notifications {
				t.Errorf("got %d events in the whole run, want at least %d", got, notifications)
			}
		})
	}
}

// TestDatabaseStopsAndStarts has PostgreSQL crash under load. Nothing is lost,
// and what was recorded before is not delivered again; with `on_error deliver`
// it may be while the database is down.
func TestDatabaseStopsAndStarts(t *testing.T) {
	t.Parallel()
	const outages = 3
	s := harness.NewSeed(t)
	random := s.Random("outages")
	server := pgtest.Start(t)
	rejecting := newFleet(t, s, server, "rejecting", "reject")
	delivering := newFleet(t, s, server, "delivering", "deliver")

	rejected := harness.NewTraffic(t, s, rejecting.ledger, 16, rejecting.processes...)
	// while there is no database, even what was recorded comes again
	delivering.ledger.Disturb()
	delivered := harness.NewTraffic(t, s, delivering.ledger, 16, delivering.processes...)
	pause := func() { time.Sleep(300*time.Millisecond + time.Duration(random.Int64N(int64(700*time.Millisecond)))) }
	for range outages {
		pause()
		rejecting.ledger.Disturb()
		server.Stop()
		pause()
		server.Start()
		rejecting.ledger.Settle()
	}
	pause()
	rejected.Stop()
	delivered.Stop()
	delivering.ledger.Settle()

	if answers := rejected.Answers(); answers[http.StatusServiceUnavailable] == 0 {
		t.Errorf("got the answers %v with on_error reject, want some 503", answers)
	}
	for _, f := range []*fleet{rejecting, delivering} {
		t.Logf("%d events, %d of them delivered twice or more", len(f.ledger.Events()), f.ledger.Repeated())
		// what could not be recorded may come once more, and no more
		for _, c := range slices.Backward(f.processes) {
			f.ledger.Everything(s, c)
			f.ledger.WantNothingNew(s, c)
		}
	}
}
