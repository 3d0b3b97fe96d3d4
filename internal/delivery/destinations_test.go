package delivery

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A conversationMatcher matches the events of one conversation.
type conversationMatcher string

func (m conversationMatcher) Match(r *http.Request) bool {
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	return repl.ReplaceAll("{http.meta_webhook.event.conversation}", "") == string(m)
}

// TestEachDestinationGetsWhatItMatches has destinations that get all events, and
// those of one conversation, one by one and as Meta sent them.
func TestEachDestinationGetsWhatItMatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var names []string
		var apps []*testApp
		var destinations []*Destination
		for _, d := range []struct{ name, matches, deliver string }{
			{"all", "", Each},
			{"all again", "", Each},
			{"first", "5/1", Each},
			{"last", "5/2", Each},
			{"whole of the first", "5/1", Original},
			{"whole of the last", "5/2", Original},
			{"whole of another", "5/3", Original},
		} {
			app := new(testApp)
			names, apps = append(names, d.name), append(apps, app)
			destinations = append(destinations, to(app, func(made *Destination) {
				made.Name, made.Deliver = d.name, d.deliver
				if d.matches != "" {
					made.matchers = caddyhttp.MatcherSets{{conversationMatcher(d.matches)}}
				}
			}))
		}
		g := newGateway(t, destinations...)
		body := message([2]int{1, 0}, [2]int{2, 0})
		g.run(func() {
			_ = g.accept(body)
			time.Sleep(time.Second)
		})
		for i, want := range [][]string{{"wamid.1.0", "wamid.2.0"}, {"wamid.1.0", "wamid.2.0"}, {"wamid.1.0"}, {"wamid.2.0"}} {
			slices.Sort(apps[i].delivered)
			if !slices.Equal(apps[i].delivered, want) {
				t.Errorf("%s: got %q, want %q", names[i], apps[i].delivered, want)
			}
		}
		for i, want := range []int{1, 1, 0} {
			app := apps[4+i]
			if len(app.requests) != want || want > 0 && bodyOf(app.requests[0]) != body {
				t.Errorf("%s: got %d requests, want Meta's bytes in %d", names[4+i], len(app.requests), want)
			}
		}
	})
}

// TestSenderThatHangsUpHasItsEventsStored has a sender that does not wait for the
// answer. It would send them again.
func TestSenderThatHangsUpHasItsEventsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, to(new(testApp)))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := g.acceptFrom(ctx, message([2]int{1, 0})); err != nil || g.queue.left() != 1 {
			t.Errorf("got error %v and %d events stored, want the event stored", err, g.queue.left())
		}
	})
}

// TestLanesAreWhatOrderIsKeptIn has two conversations of one phone number.
func TestLanesAreWhatOrderIsKeptIn(t *testing.T) {
	events, err := event.Parse([]byte(message([2]int{1, 0}, [2]int{2, 0})))
	if err != nil {
		t.Fatal(err)
	}
	for order, want := range map[string]int{orderConversation: 2, orderEntry: 1, orderNone: 0} {
		d := &Destination{Order: order}
		lanes := make(map[store.Lane]bool)
		for i := range events {
			for _, lane := range d.target(events[i : i+1]).Lanes {
				lanes[lane] = true
			}
		}
		if whole := d.target(events).Lanes; len(lanes) != want || len(whole) != want {
			t.Errorf("order %s: got %d lanes of the events, and %d of the notification, want %d", order, len(lanes), len(whole), want)
		}
	}
}

// TestLimitsOfADestination has a hundred conversations wait for a destination that
// takes a second for each event.
func TestLimitsOfADestination(t *testing.T) {
	for name, test := range map[string]struct {
		limit       func(*Destination)
		most        int
		first, last time.Duration
	}{
		"parallel": {func(d *Destination) { d.Parallel = 5 }, 5, 20 * time.Second, 21 * time.Second},
		"rate":     {func(d *Destination) { d.Parallel, d.Rate = 100, 10 }, 100, 9 * time.Second, 12 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				var took time.Duration
				var mu sync.Mutex
				app := &testApp{answer: func(http.ResponseWriter, *http.Request, string) error {
					time.Sleep(time.Second)
					mu.Lock()
					took = time.Since(began)
					mu.Unlock()
					return nil
				}}
				g := newGateway(t, to(app, test.limit))
				g.run(func() {
					for c := range 100 {
						_ = g.accept(message([2]int{c, 0}))
					}
					time.Sleep(time.Minute)
				})
				if app.most > test.most || took < test.first || took > test.last || len(app.delivered) != 100 {
					t.Errorf("got %d events in %v, up to %d at once, want 100 in %v to %v, and up to %d", len(app.delivered), took, app.most, test.first, test.last, test.most)
				}
			})
		})
	}
}

// TestHalvesOfABatch has the app refuse one of eight events, at each place of the
// batch, and refuse all of them because it is down.
func TestHalvesOfABatch(t *testing.T) {
	run := func(answer func(body string) int) (*testApp, *gatewayTest) {
		app := &testApp{answer: func(w http.ResponseWriter, _ *http.Request, body string) error {
			w.WriteHeader(answer(body))
			return nil
		}}
		g := newGateway(t, to(app, func(d *Destination) { d.Deliver, d.MaxEvents, d.RetryPause = Batch, 8, caddy.Duration(time.Hour) }))
		for c := range 8 {
			_ = g.accept(message([2]int{c, 0}))
		}
		g.run(func() { time.Sleep(10 * time.Minute) }) // many leases
		return app, g
	}
	for poison := range 8 {
		synctest.Test(t, func(t *testing.T) {
			app, g := run(func(body string) int {
				if strings.Contains(body, fmt.Sprintf("wamid.%d.0", poison)) {
					return http.StatusUnprocessableEntity
				}
				return http.StatusOK
			})
			results := g.queue.results()
			if len(app.delivered) != 7 || results[store.Done] != 7 || results[store.Again] != 1 {
				t.Errorf("event %d refused: got %q delivered and the results %v, want the others once, and that one again", poison, app.delivered, results)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		app, g := run(func(string) int { return http.StatusServiceUnavailable })
		if n := len(app.requests); n != 1 || g.queue.results()[store.Again] != 8 {
			t.Errorf("the app is down: got %d requests and the results %v, want one, and all events again", n, g.queue.results())
		}
	})
}

// TestWholeNotificationIsNoPartOfABatch has notifications stored as Meta sent them
// before the destination got batches.
func TestWholeNotificationIsNoPartOfABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := new(testApp)
		d := to(app, func(d *Destination) { d.Deliver = Original })
		g := newGateway(t, d)
		body := message([2]int{1, 0})
		_ = g.accept(body)
		d.Deliver, d.MaxEvents = Batch, 10
		_ = g.accept(message([2]int{2, 0}))
		_ = g.accept(message([2]int{3, 0}))
		g.run(func() { time.Sleep(time.Second) })
		whole, others := 0, 0
		for _, r := range app.requests {
			switch sent := bodyOf(r); {
			case sent == body && r.Header.Get(signatureHeader) != "":
				whole++
			case strings.HasPrefix(sent, "[") && r.Header.Get(signatureHeader) == "":
				others += len(eventsOf(sent))
			}
		}
		if whole != 1 || others != 2 || g.queue.left() != 0 {
			t.Errorf("got %d notifications and %d events in %d requests, want 1 and 2", whole, others, len(app.requests))
		}
	})
}

// TestAttemptEndsBeforeALeaseThatCannotBeRenewed has a store that fails during an
// attempt, and stands still later. Another instance may take over once the lease
// has ended.
func TestAttemptEndsBeforeALeaseThatCannotBeRenewed(t *testing.T) {
	for after := time.Duration(0); after < renewEvery; after += 700 * time.Millisecond { // the last look at the leases
		synctest.Test(t, func(t *testing.T) {
			var took time.Duration
			g := newGateway(t)
			set := func(fail error, stalls bool) {
				g.queue.mu.Lock()
				defer g.queue.mu.Unlock()
				g.queue.fail, g.queue.stalls = fail, stalls
			}
			g.Destinations = []*Destination{to(&testApp{answer: func(_ http.ResponseWriter, r *http.Request, _ string) error {
				if took != 0 {
					return nil
				}
				began := time.Now()
				set(errors.New("out of order"), false)
				stall := time.AfterFunc(leaseTime*5/6, func() { set(nil, true) })
				<-r.Context().Done()
				stall.Stop()
				took = time.Since(began)
				set(nil, false)
				return r.Context().Err()
			}}, func(d *Destination) { d.Timeout = caddy.Duration(time.Hour) })}
			g.run(func() {
				time.Sleep(after)
				_ = g.accept(message([2]int{1, 0}))
				time.Sleep(2 * time.Minute)
			})
			if took == 0 || took >= leaseTime {
				t.Errorf("begun %v after a look at the leases: got the end of the attempt after %v, want it before the %v of the lease", after, took, leaseTime)
			}
			if g.queue.left() != 0 {
				t.Errorf("begun %v after a look at the leases: got the event left, want it delivered when the store is back", after)
			}
		})
	}
}
