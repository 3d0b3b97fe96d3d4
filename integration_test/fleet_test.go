package integration_test

import (
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/caddyproc"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/pgtest"
)

// A fleet is processes that share a table, and the app behind them.
type fleet struct {
	processes []*caddyproc.Process
	ledger    *ledger
}

// newFleet starts two processes on a database.
func newFleet(t *testing.T, s seed, server *pgtest.Server, table, onError string, options ...string) *fleet {
	f := &fleet{ledger: newLedger(t)}
	u := newApp(t, f.ledger, s.random("app of "+table), 10*time.Millisecond, 0)
	remember := lines("store postgres {", "dsn "+server.DSN(), "table "+table, "}", "dedup {", "on_error "+onError, "}")
	for range 2 {
		c := caddyproc.New(t)
		c.Start(lines(hook(append(options, remember)...), "reverse_proxy "+u.addr))
		f.processes = append(f.processes, c)
	}
	return f
}

// TestTwoProcessesDeliverOnce sends every notification to two processes at the
// same time.
func TestTwoProcessesDeliverOnce(t *testing.T) {
	s := newSeed(t)
	server := pgtest.Start(t)
	for _, mode := range []string{"each", "batch", "original"} {
		t.Run(mode, func(t *testing.T) {
			const senders, notifications = 4, 40
			f := newFleet(t, s, server, "twice_"+mode, "reject", "deliver "+mode)
			f.ledger.whole = mode == "original"
			var running sync.WaitGroup
			for i := range senders {
				random := s.random("sender " + strconv.Itoa(i))
				var both []*meta
				for n := range f.processes {
					both = append(both, newMeta(t, f.ledger, s.random(strconv.Itoa(i)+" to "+strconv.Itoa(n))))
				}
				running.Go(func() {
					for n := range notifications {
						events := some(random, strconv.Itoa(i/2), n) // that somebody else sends as well
						if f.ledger.whole {                          // where that would bring them twice
							events = posts(strconv.Itoa(i)+"-"+strconv.Itoa(n), 3)
						}
						var sending sync.WaitGroup
						for p, m := range both {
							sending.Go(func() { m.send(f.processes[p], events...) })
						}
						sending.Wait()
					}
				})
			}
			running.Wait()
			for _, event := range f.ledger.events() {
				if began, taken := f.ledger.began[event], f.ledger.taken[event]; began != 1 || taken != 1 {
					t.Errorf("got the event %s %d times at the app, want it once", event, began)
				}
			}
			if got := len(f.ledger.events()); got < notifications {
				t.Errorf("got %d events in the whole run, want at least %d", got, notifications)
			}
		})
	}
}

// TestDatabaseStopsAndStarts has PostgreSQL crash under load. Nothing is lost,
// and what was recorded before is not delivered again; with `on_error deliver`
// it may be while the database is down.
func TestDatabaseStopsAndStarts(t *testing.T) {
	const outages = 3
	s := newSeed(t)
	random := s.random("outages")
	server := pgtest.Start(t)
	rejecting := newFleet(t, s, server, "rejecting", "reject")
	delivering := newFleet(t, s, server, "delivering", "deliver")

	rejected := newTraffic(t, s, rejecting.ledger, 16, rejecting.processes...)
	// while there is no database, even what was recorded comes again
	delivering.ledger.disturb()
	delivered := newTraffic(t, s, delivering.ledger, 16, delivering.processes...)
	pause := func() { time.Sleep(300*time.Millisecond + time.Duration(random.Int64N(int64(700*time.Millisecond)))) }
	for range outages {
		pause()
		rejecting.ledger.disturb()
		server.Stop()
		pause()
		server.Start()
		rejecting.ledger.settle()
	}
	pause()
	rejected.stop()
	delivered.stop()
	delivering.ledger.settle()

	if answers := rejected.answers(); answers[http.StatusServiceUnavailable] == 0 {
		t.Errorf("got the answers %v with on_error reject, want some 503", answers)
	}
	for _, f := range []*fleet{rejecting, delivering} {
		t.Logf("%d events, %d of them delivered twice or more", len(f.ledger.events()), f.ledger.repeated())
		// what could not be recorded may come once more, and no more
		for _, c := range slices.Backward(f.processes) {
			f.ledger.everything(s, c)
			f.ledger.wantNothingNew(s, c)
		}
	}
}
