package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/observe"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A testApp is the app at a destination. It keeps what it gets, in the order
// in which requests end, and how many there were at once.
type testApp struct {
	answer func(w http.ResponseWriter, r *http.Request, body string) error

	mu        sync.Mutex
	requests  []*http.Request
	delivered []string // subjects
	running   map[string]int
	most      int // requests at once
	overlap   bool
}

func (a *testApp) ServeHTTP(w http.ResponseWriter, r *http.Request) error {
	body := bodyOf(r)
	var subjects []string
	for _, e := range eventsOf(body) {
		subjects = append(subjects, e.Subject)
	}
	a.mu.Lock()
	a.requests = append(a.requests, r)
	if a.running == nil {
		a.running = make(map[string]int)
	}
	seen := make(map[string]bool)
	for _, s := range subjects {
		if c := conversationOf(s); !seen[c] {
			seen[c] = true
			a.running[c]++
			a.overlap = a.overlap || a.running[c] > 1
		}
	}
	all := 0
	for _, n := range a.running {
		all += n
	}
	a.most = max(a.most, all)
	a.mu.Unlock()
	var err error
	status := &answer{header: w.Header()}
	if a.answer != nil {
		err = a.answer(status, r, body)
	}
	a.mu.Lock()
	for c := range seen {
		a.running[c]--
	}
	if status.status == 0 {
		status.status = http.StatusOK
	}
	if err == nil && status.status/100 == 2 {
		a.delivered = append(a.delivered, subjects...)
	}
	a.mu.Unlock()
	w.WriteHeader(status.status)
	return err
}

// count returns how many events were delivered.
func (a *testApp) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.delivered)
}

func bodyOf(r *http.Request) string {
	reader, _ := r.GetBody()
	var b strings.Builder
	buffer := make([]byte, 4096)
	for {
		n, err := reader.Read(buffer)
		b.Write(buffer[:n])
		if err != nil {
			return b.String()
		}
	}
}

type sent struct{ Subject string }

func eventsOf(body string) (events []sent) {
	if strings.HasPrefix(body, "[") {
		_ = json.Unmarshal([]byte(body), &events)
		return events
	}
	events = make([]sent, 1)
	_ = json.Unmarshal([]byte(body), &events[0])
	return events
}

// conversationOf returns the conversation of a subject such as wamid.7.3. A whole
// notification has none.
func conversationOf(subject string) string {
	return subject[:max(0, strings.LastIndexByte(subject, '.'))]
}

// message returns a notification of WhatsApp messages, each given by its
// conversation and number.
func message(ids ...[2]int) string {
	var list []string
	for _, id := range ids {
		list = append(list, fmt.Sprintf(`{"id":"7","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"5"},`+
			`"messages":[{"from":"%d","id":"wamid.%d.%d","timestamp":"1700000000","type":"text"}]}}]}`, id[0], id[0], id[1]))
	}
	return `{"object":"whatsapp_business_account","entry":[` + strings.Join(list, ",") + `]}`
}

// A gatewayTest is stored delivery to an app.
type gatewayTest struct {
	*Stored
	t     *testing.T
	queue *testQueue
	o     *observe.Observer
}

// observerOf returns an observer with a logger.
func observerOf(t *testing.T, logger *zap.Logger) *observe.Observer {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	o, err := observe.New(ctx, t.Name(), logger)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	return o
}

// newGateway returns a gateway with destinations, which has not started yet.
func newGateway(t *testing.T, destinations ...*Destination) *gatewayTest {
	t.Helper()
	o := observerOf(t, zap.NewNop())
	g := &gatewayTest{t: t, queue: newTestQueue(), o: o}
	g.Stored = &Stored{
		Observer: o, Policy: everWindow{}, Destinations: destinations, ReadAhead: 1 << 20,
		Queue: &Shared[store.Queue]{Open: func() (store.Queue, error) { return g.queue, nil }},
	}
	return g
}

// to returns a destination whose handler is the app.
func to(app caddyhttp.Handler, options ...func(*Destination)) *Destination {
	d := &Destination{Name: "app", chain: Chain{Handler: app, Server: new(caddyhttp.Server)}}
	for _, option := range options {
		option(d)
	}
	d.SetDefaults(new(Options))
	return d
}

// accept has the gateway accept a notification.
func (g *gatewayTest) accept(body string) error { return g.acceptFrom(g.t.Context(), body) }

// acceptFrom has the gateway accept a notification of a sender that waits as long
// as the context.
func (g *gatewayTest) acceptFrom(ctx context.Context, body string) error {
	g.t.Helper()
	events, err := event.Parse([]byte(body))
	if err != nil {
		g.t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "https://example.com/webhooks?app=1", nil)
	r.Header.Set(signatureHeader, "sha256=00")
	r = r.WithContext(ctx)
	r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), httptest.NewRecorder(), nil)
	told := g.o.Received(r, len(body))
	defer told.Answered(observe.ResultOK)
	return g.Deliver(&Notification{Request: r, Body: []byte(body), Events: events, Told: told})
}

// run starts the gateway, and stops it after f.
func (g *gatewayTest) run(f func()) {
	g.t.Helper()
	if err := g.Start(); err != nil {
		g.t.Fatal(err)
	}
	f()
	g.Stop()
	g.Finish(0)
}

func inOrder(t *testing.T, delivered []string) {
	t.Helper()
	last := make(map[string]int)
	for _, subject := range delivered {
		c := conversationOf(subject)
		var n int
		if _, err := fmt.Sscanf(subject[len(c):], ".%d", &n); err != nil || n < last[c] {
			t.Errorf("got %s after number %d of its conversation", subject, last[c])
		}
		last[c] = n
	}
}

// TestStoredNotificationsAreAnsweredBeforeTheyAreDelivered has an app that
// takes ten seconds.
func TestStoredNotificationsAreAnsweredBeforeTheyAreDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := &testApp{answer: func(http.ResponseWriter, *http.Request, string) error {
			time.Sleep(10 * time.Second)
			return nil
		}}
		g := newGateway(t, to(app))
		g.run(func() {
			began := time.Now()
			for n := range 3 {
				if err := g.accept(message([2]int{1, n}, [2]int{2, n})); err != nil {
					t.Fatal(err)
				}
			}
			if took := time.Since(began); took > 0 {
				t.Errorf("got the answers after %v, want them at once", took)
			}
			if err := g.accept(message([2]int{1, 0})); err != nil { // a repeat
				t.Fatal(err)
			}
			time.Sleep(31 * time.Second)
		})
		inOrder(t, app.delivered)
		if len(app.delivered) != 6 || app.overlap || g.queue.left() != 0 {
			t.Errorf("got %q, two of one conversation at once: %t, %d left; want 6 events, false, 0", app.delivered, app.overlap, g.queue.left())
		}
		first := app.requests[0]
		if first.Method != http.MethodPost || first.RequestURI != "/webhooks?app=1" && first.URL.Path != "/webhooks" ||
			first.Header.Get("Webhook-Attempt") != "1" || first.Header.Get("Webhook-Replay") != "" {
			t.Errorf("got %s %s with the header %v", first.Method, first.URL, first.Header)
		}
		repl := first.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
		if got := repl.ReplaceAll("{http.meta_webhook.event.object} {http.meta_webhook.event.kind} {http.meta_webhook.attempt}", ""); got != "whatsapp_business_account messages 1" {
			t.Errorf("got the placeholders %q", got)
		}
	})
}

// TestFailedAttemptsAreRepeated has an event that fails four times, and its
// conversation wait for it.
func TestFailedAttemptsAreRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		began := time.Now()
		app := &testApp{answer: func(w http.ResponseWriter, r *http.Request, body string) error {
			if strings.Contains(body, "wamid.1.0") {
				if at = append(at, time.Since(began)); len(at) < 5 {
					w.WriteHeader(http.StatusInternalServerError)
				}
			}
			return nil
		}}
		g := newGateway(t, to(app))
		g.run(func() {
			for n := range 3 {
				_ = g.accept(message([2]int{1, n}, [2]int{2, n}))
			}
			time.Sleep(5 * time.Minute)
		})
		if want := []string{"wamid.2.0", "wamid.2.1", "wamid.2.2", "wamid.1.0", "wamid.1.1", "wamid.1.2"}; !slices.Equal(app.delivered, want) {
			t.Errorf("got %q, want %q", app.delivered, want)
		}
		total, want := time.Duration(0), 5*time.Second
		for i := 1; i < len(at); i++ {
			if pause := at[i] - at[i-1]; pause < want*8/10 || pause > want*12/10 {
				t.Errorf("got a pause of %v before attempt %d, want about %v", pause, i+1, want)
			}
			total, want = total+want, 2*want
		}
	})
}

// TestPausesHaveALimit has an event fail until it is given up. The pauses grow up
// to the longest, and the last attempt is made when its time is over.
func TestPausesHaveALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		began := time.Now()
		app := &testApp{answer: func(w http.ResponseWriter, _ *http.Request, _ string) error {
			at = append(at, time.Since(began))
			w.WriteHeader(http.StatusInternalServerError)
			return nil
		}}
		const longest, giveUp = 12 * time.Second, 10 * time.Minute
		g := newGateway(t, to(app, func(d *Destination) {
			d.MaxRetryPause, d.GiveUp = caddy.Duration(longest), caddy.Duration(giveUp)
		}))
		g.run(func() {
			_ = g.accept(message([2]int{1, 0}))
			time.Sleep(time.Hour)
		})
		for i := 1; i < len(at); i++ {
			if pause := at[i] - at[i-1]; pause > longest*12/10 || i > 2 && i < len(at)-1 && pause < longest*8/10 {
				t.Errorf("got a pause of %v before attempt %d, want up to about %v", pause, i+1, longest)
			}
		}
		if last := at[len(at)-1]; last != giveUp || g.queue.results()[store.Dead] != 1 {
			t.Errorf("got the last attempt after %v, and the results %v, want it after %v, and the event dead", last, g.queue.results(), giveUp)
		}
	})
}

// TestRetryAfterCounts has an app that asks for a minute.
func TestRetryAfterCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, calls := time.Now(), 0
		var again time.Duration
		app := &testApp{answer: func(w http.ResponseWriter, _ *http.Request, _ string) error {
			if calls++; calls == 1 {
				w.Header().Set("Retry-After", "60")
				w.WriteHeader(http.StatusTooManyRequests)
			}
			again = time.Since(began)
			return nil
		}}
		g := newGateway(t, to(app))
		g.run(func() {
			_ = g.accept(message([2]int{1, 0}))
			time.Sleep(2 * time.Minute)
		})
		if again != time.Minute || calls != 2 {
			t.Errorf("got attempt %d after %v, want the second after 1m", calls, again)
		}
	})
}

// TestPoisonousEventDies has one event in a conversation of ten that always
// fails, among a hundred other conversations. The one behind it, which has waited
// as long, may fail twice.
func TestPoisonousEventDies(t *testing.T) {
	for _, mode := range []string{Each, Batch} {
		t.Run(mode, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var failed atomic.Int32 // attempts of the one behind it
				app := &testApp{answer: func(w http.ResponseWriter, _ *http.Request, body string) error {
					if strings.Contains(body, "wamid.0.3") || strings.Contains(body, "wamid.0.4") && failed.Add(1) <= 2 {
						w.WriteHeader(http.StatusUnprocessableEntity)
					}
					return nil
				}}
				g := newGateway(t, to(app, func(d *Destination) {
					d.Deliver, d.GiveUp = mode, caddy.Duration(time.Hour)
				}))
				g.run(func() {
					for n := range 10 {
						_ = g.accept(message([2]int{0, n}))
					}
					for c := range 100 {
						_ = g.accept(message([2]int{1 + c, 0}))
					}
					time.Sleep(time.Second)
					if got := app.count(); got != 103 {
						t.Errorf("got %d events at once, want the hundred others and the three before it", got)
					}
					time.Sleep(2 * time.Hour)
				})
				inOrder(t, app.delivered)
				if got := g.queue.results()[store.Dead]; len(app.delivered) != 109 || got != 1 || g.queue.left() != 0 {
					t.Errorf("got %d events delivered, %d dead, %d left; want 109, 1, 0", len(app.delivered), got, g.queue.left())
				}
			})
		})
	}
}

// TestDestinationThatIsDown has an app that is away for an hour, with 5000
// events waiting in 1000 conversations.
func TestDestinationThatIsDown(t *testing.T) {
	for name, fails := range map[string]func(w http.ResponseWriter) error{
		"connection refused": func(http.ResponseWriter) error {
			return caddyhttp.Error(http.StatusBadGateway, &net.OpError{Op: "dial", Err: errors.New("refused")})
		},
		"503": func(w http.ResponseWriter) error {
			w.WriteHeader(http.StatusServiceUnavailable)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				const away = time.Hour
				attempts, atOnce, most := 0, 0, 0
				var mu sync.Mutex
				app := &testApp{answer: func(w http.ResponseWriter, _ *http.Request, _ string) error {
					if time.Since(began) >= away {
						return nil
					}
					mu.Lock()
					attempts++
					if atOnce++; time.Since(began) > time.Minute {
						most = max(most, atOnce)
					}
					mu.Unlock()
					time.Sleep(time.Millisecond)
					mu.Lock()
					atOnce--
					mu.Unlock()
					return fails(w)
				}}
				g := newGateway(t, to(app))
				g.run(func() {
					for n := range 5 {
						for c := 0; c < 1000; c += 10 {
							var ids [][2]int
							for i := range 10 {
								ids = append(ids, [2]int{c + i, n})
							}
							_ = g.accept(message(ids...))
						}
					}
					time.Sleep(away - time.Second)
					if goroutines := runtime.NumGoroutine(); goroutines > 100 {
						t.Errorf("got %d goroutines with 5000 events waiting", goroutines)
					}
					mu.Lock()
					tried, side := attempts, most
					mu.Unlock()
					if tried > 16+5+3600/20 || side > 1 {
						t.Errorf("got %d attempts in an hour, up to %d at once; want a probe in 30s", tried, side)
					}
					time.Sleep(2 * time.Minute)
				})
				inOrder(t, app.delivered)
				if len(app.delivered) != 5000 || g.queue.left() != 0 || app.overlap {
					t.Errorf("got %d events a minute after the app was back, %d left, want 5000, 0", len(app.delivered), g.queue.left())
				}
			})
		})
	}
}

// TestBatchesCollect has batches of several notifications, with consecutive
// events of one conversation.
func TestBatchesCollect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := new(testApp)
		g := newGateway(t, to(app, func(d *Destination) { d.Deliver, d.MaxEvents = Batch, 4 }))
		for n := range 5 {
			_ = g.accept(message([2]int{1, n}, [2]int{2, n}))
		}
		g.run(func() { time.Sleep(time.Second) })
		inOrder(t, app.delivered)
		if len(app.delivered) != 10 || len(app.requests) != 3 {
			t.Errorf("got %d events in %d requests, want 10 in 3", len(app.delivered), len(app.requests))
		}
		if got := app.requests[0].Header.Get("Content-Type"); got != "application/json" {
			t.Errorf("got Content-Type %q", got)
		}
	})
}

func TestOriginalsAreDeliveredAsMetaSentThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := new(testApp)
		g := newGateway(t, to(app, func(d *Destination) { d.Deliver = Original }))
		body := message([2]int{1, 0}, [2]int{2, 0})
		g.run(func() {
			_ = g.accept(body)
			_ = g.accept(body)
			time.Sleep(time.Second)
		})
		if len(app.requests) != 1 || bodyOf(app.requests[0]) != body || app.requests[0].Header.Get(signatureHeader) != "sha256=00" {
			t.Errorf("got %d requests, want Meta's bytes and signature once", len(app.requests))
		}
		if g.queue.left() != 0 {
			t.Errorf("got %d deliveries left, want none", g.queue.left())
		}
	})
}

// TestShutdownLetsAttemptsEnd has an attempt under way that takes 20 s.
func TestShutdownLetsAttemptsEnd(t *testing.T) {
	for grace, done := range map[time.Duration]bool{0: true, time.Minute: true, 5 * time.Second: false} {
		synctest.Test(t, func(t *testing.T) {
			app := &testApp{answer: func(_ http.ResponseWriter, r *http.Request, _ string) error {
				select {
				case <-time.After(20 * time.Second):
				case <-r.Context().Done():
					return r.Context().Err()
				}
				return nil
			}}
			g := newGateway(t, to(app))
			if err := g.Start(); err != nil {
				t.Fatal(err)
			}
			_ = g.accept(message([2]int{1, 0}, [2]int{1, 1}))
			time.Sleep(time.Second)
			g.Stop()
			began := time.Now()
			g.Finish(grace)
			if took := time.Since(began); took > 20*time.Second || grace > 0 && took > grace {
				t.Errorf("a grace period of %v: got %v", grace, took)
			}
			synctest.Wait()
			want := map[store.Result]int{store.Done: 1}
			left := 1
			if !done {
				want, left = map[store.Result]int{store.Returned: 1}, 2
			}
			if got := g.queue.results(); fmt.Sprint(got) != fmt.Sprint(want) || g.queue.left() != left {
				t.Errorf("a grace period of %v: got %v and %d left, want %v and %d", grace, got, g.queue.left(), want, left)
			}
		})
	}
}

// TestStoreThatFailsIsNoSuccess has a store that fails when a notification
// comes, and when a delivery is to be settled.
func TestStoreThatFailsIsNoSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := new(testApp)
		g := newGateway(t, to(app))
		for err, want := range map[error]error{
			errors.New("x"): ErrStore, store.ErrFull: ErrStoreFull, fmt.Errorf("no connection: %w", store.ErrBusy): ErrStoreBusy,
		} {
			g.queue.fail = err
			if got := g.accept(message([2]int{1, 0})); got != want {
				t.Errorf("%v: got %v, want %v", err, got, want)
			}
		}
		g.queue.fail = nil
		app.answer = func(http.ResponseWriter, *http.Request, string) error {
			g.queue.mu.Lock()
			g.queue.fail = errors.New("out of order")
			g.queue.mu.Unlock()
			time.AfterFunc(3*time.Second, func() {
				g.queue.mu.Lock()
				defer g.queue.mu.Unlock()
				g.queue.fail = nil
			})
			return nil
		}
		g.run(func() {
			_ = g.accept(message([2]int{1, 0}))
			time.Sleep(10 * time.Second)
		})
		if len(app.delivered) != 1 || g.queue.left() != 0 {
			t.Errorf("got %q, %d left; want one delivery, recorded once the store is back", app.delivered, g.queue.left())
		}
	})
}

// TestLostLeaseEndsTheAttempt has another instance take over what is under way.
func TestLostLeaseEndsTheAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan time.Duration, 2)
		app := &testApp{answer: func(_ http.ResponseWriter, r *http.Request, _ string) error {
			began := time.Now()
			select {
			case <-r.Context().Done():
			case <-time.After(time.Minute):
			}
			ended <- time.Since(began)
			return r.Context().Err()
		}}
		g := newGateway(t, to(app, func(d *Destination) { d.Timeout = caddy.Duration(time.Hour) }))
		g.run(func() {
			_ = g.accept(message([2]int{1, 0}))
			time.Sleep(time.Second)
			g.queue.mu.Lock()
			g.queue.waiting[0].Token++ // it is another's
			g.queue.waiting[0].due = time.Now().Add(time.Hour)
			g.queue.mu.Unlock()
			if took := <-ended; took > leaseTime {
				t.Errorf("got the end of the attempt after %v, want it within the lease", took)
			}
		})
	})
}

// A failingMatcher fails for one conversation.
type failingMatcher struct{}

func (failingMatcher) Match(*http.Request) bool { return false }

func (failingMatcher) MatchWithError(r *http.Request) (bool, error) {
	if repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); repl.ReplaceAll("{http.meta_webhook.event.conversation}", "") == "5/2" {
		return false, errors.New("no such key")
	}
	return true, nil
}

// TestMatcherThatFailsDropsNothing has a destination whose matcher fails for
// some events. They might be for the destination, so Meta has to send them
// again.
func TestMatcherThatFailsDropsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, deliver := range []string{Each, Original} {
			g := newGateway(t, to(new(testApp), func(d *Destination) {
				d.Deliver, d.matchers = deliver, caddyhttp.MatcherSets{{failingMatcher{}}}
			}))
			if got := g.accept(message([2]int{1, 0}, [2]int{2, 0})); got != ErrMatcher {
				t.Errorf("%s: got %v, want ErrMatcher", deliver, got)
			}
			if n := g.queue.left(); n != 0 {
				t.Errorf("%s: got %d events stored, want none", deliver, n)
			}
			if got := g.accept(message([2]int{1, 0})); got != nil {
				t.Errorf("%s: got %v for another conversation, want nil", deliver, got)
			}
		}
	})
}

// TestEventsOfARemovedDestinationWait has events stored for a destination that
// the next configuration does not have.
func TestEventsOfARemovedDestinationWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, next := range map[string][]*Destination{
			"another destination": {to(new(testApp), func(d *Destination) { d.Name = "crm" })},
			"none":                nil,
		} {
			g := newGateway(t, to(new(testApp)))
			core, logs := observer.New(zap.InfoLevel)
			g.Observer = observerOf(t, zap.New(core))
			_ = g.accept(message([2]int{1, 0}, [2]int{2, 0}))
			g.Destinations = next
			g.run(func() { synctest.Wait() })
			synctest.Wait()
			lines := logs.FilterMessage("events wait for a destination that is not configured").All()
			if len(lines) == 0 || lines[0].ContextMap()["destination"] != "app" || lines[0].ContextMap()["events"] != int64(2) {
				t.Errorf("%s: got the lines %v, want one of two events for app", name, lines)
			}
			if n := g.queue.left(); n != 2 {
				t.Errorf("%s: got %d events left, want 2", name, n)
			}
		}
	})
}

// TestQueueIsClosedWhenAProcessExits has the configuration end its use of the
// queue before the deliveries end theirs.
func TestQueueIsClosedWhenAProcessExits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := &testApp{answer: func(http.ResponseWriter, *http.Request, string) error {
			time.Sleep(time.Second)
			return nil
		}}
		g := newGateway(t, to(app))
		if err := g.Queue.Start(); err != nil {
			t.Fatal(err)
		}
		_ = g.accept(message([2]int{1, 0}))
		g.run(func() {
			synctest.Wait()
			if err := g.Queue.End(); err != nil {
				t.Errorf("End: got error %v, want none", err)
			}
			if g.queue.closed {
				t.Error("got a closed queue during an attempt, want it open")
			}
		})
		if !g.queue.closed || g.queue.left() != 0 {
			t.Errorf("got closed: %t and %d events left, want the queue closed and none", g.queue.closed, g.queue.left())
		}
	})
}
