// Deliveries against what is remembered: nothing is lost, and nothing that
// was recorded is delivered again.

package metawebhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/delivery"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/observe"
)

// wantAnswer fails the test unless the handler answers a notification so.
func wantAnswer(t testing.TB, h *Handler, body string, next *app, status int, reason string) {
	t.Helper()
	w, got, gotReason := serve(h, newNotification(body), next)
	if got == 0 {
		got = w.Code
	}
	if got != status || gotReason != reason {
		t.Errorf("got %d %q, want %d %q", got, gotReason, status, reason)
	}
	if retry := w.Header().Get("Retry-After"); (retry != "") != (got == http.StatusServiceUnavailable) {
		t.Errorf("got Retry-After: %q with %d", retry, got)
	}
}

func mode(deliver string) func(*Handler) { return func(h *Handler) { h.Deliver = deliver } }

// failing returns the answer of an app that fails for bodies with a text.
func failing(text string) func(http.ResponseWriter, *http.Request, string) error {
	return func(w http.ResponseWriter, _ *http.Request, body string) error {
		if text != "" && strings.Contains(body, text) {
			w.WriteHeader(http.StatusInternalServerError)
		}
		return nil
	}
}

func TestNothingIsRecordedBeforeItWasDelivered(t *testing.T) {
	for _, deliver := range modes {
		t.Run(deliver, func(t *testing.T) {
			h := provisioned(t, mode(deliver))
			ledger := watch(t, h)
			next := &app{answer: func(http.ResponseWriter, *http.Request, string) error {
				ledger.mu.Lock()
				defer ledger.mu.Unlock()
				if len(ledger.calls) != 1 {
					t.Errorf("got the calls %q before the answer, want only the claim", ledger.calls)
				}
				return nil
			}}
			wantAnswer(t, h, testBody, next, 200, "")
			ledger.want(t, "claim 3 for 15s", "commit 3 for 36h0m0s")
			wantAnswer(t, h, testBody, &app{answer: failing("e")}, 200, "")
			ledger.want(t, "claim 3 for 15s")
		})
	}
}

func TestWhatFailedIsReleased(t *testing.T) {
	for _, tc := range []struct {
		deliver string
		calls   []string // of the first try
		again   []string // what the second one delivers
	}{
		{delivery.Each, []string{"claim 3 for 15s", "commit 2 for 36h0m0s", "release 1"}, []string{`"n":2`}},
		{delivery.Batch, []string{"claim 3 for 15s", "release 3"}, []string{`"n":1`, `"n":2`, `"n":3`}},
		{delivery.Original, []string{"claim 3 for 15s", "release 3"}, []string{`"n":1`, `"n":2`, `"n":3`}},
	} {
		t.Run(tc.deliver, func(t *testing.T) {
			h := provisioned(t, mode(tc.deliver))
			ledger := watch(t, h)
			wantAnswer(t, h, testBody, &app{answer: failing(`"n":2`)}, 502, observe.DeliveryFailed)
			ledger.want(t, tc.calls...)
			next := new(app)
			wantAnswer(t, h, testBody, next, 200, "")
			if len(next.bodies) != 1 || strings.Count(next.bodies[0], `"n":`) != len(tc.again) {
				t.Fatalf("got %q at the second try, want %q", next.bodies, tc.again)
			}
			for _, text := range tc.again {
				if !strings.Contains(next.bodies[0], text) {
					t.Errorf("got %q at the second try, want %s in it", next.bodies, text)
				}
			}
		})
	}
}

func TestNewEventsBesideOldOnes(t *testing.T) {
	first := strings.NewReplacer(`,{"field":"feed","value":{"n":2}}`, "").Replace(testBody)
	_, encoded := events(t, testBody)
	for deliver, want := range map[string]string{
		delivery.Each:     encoded[1],
		delivery.Batch:    "[" + encoded[1] + "]",
		delivery.Original: testBody,
	} {
		t.Run(deliver, func(t *testing.T) {
			h := provisioned(t, mode(deliver))
			wantAnswer(t, h, first, new(app), 200, "")
			next := new(app)
			wantAnswer(t, h, testBody, next, 200, "")
			if !slices.Equal(next.bodies, []string{want}) {
				t.Errorf("got  %q\nwant %q", next.bodies, want)
			}
		})
	}
}

func TestRepeatWithinANotification(t *testing.T) {
	message := func(n int) string {
		return fmt.Sprintf(`{"from":"%d","id":"wamid.%d","timestamp":"1700000000","type":"text"}`, n, n)
	}
	body := func(ids ...int) string {
		list := make([]string, len(ids))
		for i, id := range ids {
			list[i] = message(id)
		}
		return `{"object":"whatsapp_business_account","entry":[{"id":"7","changes":[{"field":"messages","value":` +
			`{"metadata":{"phone_number_id":"5"},"messages":[` + strings.Join(list, ",") + `]}}]}]}`
	}
	h := provisioned(t)
	ledger := watch(t, h)
	next := new(app)
	wantAnswer(t, h, body(1, 2, 1, 3, 3, 1), next, 200, "")
	ledger.want(t, "claim 3 for 15s", "commit 3 for 168h0m0s")
	all := strings.Join(next.bodies, "")
	for _, id := range []string{"wamid.1", "wamid.2", "wamid.3"} {
		if len(next.bodies) != 3 || !strings.Contains(all, id) {
			t.Fatalf("got %q, want the messages 1, 2 and 3 once each", next.bodies)
		}
	}
	off := provisioned(t, func(h *Handler) { h.Name, h.Dedup = "off", &delivery.Dedup{Off: true} })
	next = new(app)
	wantAnswer(t, off, body(1, 2, 1), next, 200, "")
	if len(next.bodies) != 3 {
		t.Errorf("got %d events with dedup off, want 3", len(next.bodies))
	}
}

// TestSamplesAreNeverRemembered presses the Dashboard's Test button ten times,
// and has a batch with two of its samples.
func TestSamplesAreNeverRemembered(t *testing.T) {
	const sample = `{"id":"0","time":1700000000,"changes":[{"field":"feed","value":{"item":"status"}}]}`
	for _, deliver := range modes {
		h := provisioned(t, mode(deliver))
		next := new(app)
		for range 10 {
			wantAnswer(t, h, `{"object":"page","entry":[`+sample+`]}`, next, 200, "")
		}
		wantAnswer(t, h, `{"object":"page","entry":[`+sample+`,`+sample+`]}`, next, 200, "")
		if got := strings.Count(strings.Join(next.bodies, ""), `"item"`); got != 12 {
			t.Errorf("%s: got %d samples, want 12", deliver, got)
		}
	}
}

// TestEventsWithoutATimeAreRememberedBriefly has an alert that looks the same
// each time, of which Meta does not say when it happened.
func TestEventsWithoutATimeAreRememberedBriefly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const alert = `{"object":"application","entry":[{"id":"1","changes":[{"field":"dev_alerts","value":{"type":"x"}}]}]}`
		h := provisioned(t)
		next := new(app)
		for _, tc := range []struct {
			after time.Duration
			want  int
		}{{0, 1}, {5 * time.Minute, 1}, {24 * time.Hour, 2}} {
			time.Sleep(tc.after)
			wantAnswer(t, h, alert, next, 200, "")
			if len(next.bodies) != tc.want {
				t.Errorf("%v later: got %d deliveries, want %d", tc.after, len(next.bodies), tc.want)
			}
		}
	})
}

// TestConversationsKeepTheirOrderOverEntries has Meta cut what a customer wrote
// into an entry for each message.
func TestConversationsKeepTheirOrderOverEntries(t *testing.T) {
	var entries []string
	for n := range 8 {
		for customer := range 3 {
			entries = append(entries, fmt.Sprintf(`{"id":"7","time":%d,"messaging":[{"sender":{"id":"9%d"},"recipient":{"id":"7"},`+
				`"timestamp":%d,"message":{"mid":"m_%d.%d","text":"x"}}]}`, 1_700_000_000_000+n, customer, 1_700_000_000_000+n, customer, n))
		}
	}
	next := new(app)
	wantAnswer(t, provisioned(t), `{"object":"page","entry":[`+strings.Join(entries, ",")+`]}`, next, 200, "")
	last := make(map[string]string)
	for _, body := range next.bodies {
		_, mid, _ := strings.Cut(body, `"subject":"m_`)
		customer, n := mid[:1], mid[2:3]
		if n < last[customer] {
			t.Errorf("got message %s of customer %s after %s", n, customer, last[customer])
		}
		last[customer] = n
	}
	if len(next.bodies) != 24 {
		t.Errorf("got %d events, want 24", len(next.bodies))
	}
}

// TestLongDeliveryKeepsItsClaims has an app that takes longer than the lease.
func TestLongDeliveryKeepsItsClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := provisioned(t)
		ledger := watch(t, h)
		slow := &app{answer: func(http.ResponseWriter, *http.Request, string) error {
			time.Sleep(11 * time.Second)
			return nil
		}}
		var sending sync.WaitGroup
		sending.Go(func() { wantAnswer(t, h, testBody, slow, 200, "") })
		time.Sleep(21 * time.Second)
		ledger.want(t,
			"claim 3 for 15s", "claim 3 for 15s", "claim 3 for 15s", // two are under way from 0s to 11s
			"commit 2 for 36h0m0s", "claim 1 for 15s", "claim 1 for 15s",
		)
		sending.Wait()
		ledger.want(t, "commit 1 for 36h0m0s")
	})
}

// TestDuplicateWaitsForTheOutcome has a second sender while the first is
// waiting for the app.
func TestDuplicateWaitsForTheOutcome(t *testing.T) {
	for _, deliver := range modes {
		for _, tc := range []struct {
			name   string
			takes  time.Duration
			fails  bool
			status int // of the second one
			reason string
			calls  int // of the app, for both
		}{
			{"delivered", 2 * time.Second, false, 200, "", 1},
			{"failed", 2 * time.Second, true, 200, "", 2},
			{"undecided", time.Minute, false, 503, "in_flight", 1},
		} {
			t.Run(deliver+" "+tc.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					const body = `{"object":"page","entry":[{"id":"1","time":1,"changes":[{"field":"feed"}]}]}`
					h := provisioned(t, mode(deliver))
					first := &app{answer: func(w http.ResponseWriter, _ *http.Request, _ string) error {
						time.Sleep(tc.takes)
						if tc.fails {
							w.WriteHeader(http.StatusInternalServerError)
						}
						return nil
					}}
					second := new(app)
					var sending sync.WaitGroup
					sending.Go(func() {
						status, reason := 200, ""
						if tc.fails {
							status, reason = 502, observe.DeliveryFailed
						}
						wantAnswer(t, h, body, first, status, reason)
					})
					time.Sleep(time.Second)
					began := time.Now()
					wantAnswer(t, h, body, second, tc.status, tc.reason)
					if waited := time.Since(began); waited > delivery.DefaultLease || tc.status == 503 && waited < delivery.DefaultLease-time.Second {
						t.Errorf("waited for %v, want no longer than the lease", waited)
					}
					sending.Wait()
					if got := len(first.bodies) + len(second.bodies); got != tc.calls {
						t.Errorf("got %d calls of the app, want %d", got, tc.calls)
					}
				})
			})
		}
	}
}

func TestWaitingEndsWithItsSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := provisioned(t)
		var sending sync.WaitGroup
		sending.Go(func() {
			wantAnswer(t, h, testBody, &app{answer: func(http.ResponseWriter, *http.Request, string) error {
				time.Sleep(10 * time.Second)
				return nil
			}}, 200, "")
		})
		time.Sleep(time.Second)
		r := newNotification(testBody)
		ctx, hangUp := context.WithTimeout(r.Context(), 2*time.Second)
		defer hangUp()
		began, next := time.Now(), new(app)
		if err := h.ServeHTTP(httptest.NewRecorder(), r.WithContext(ctx), next); err == nil {
			t.Error("got no error, want one")
		}
		if waited := time.Since(began); waited != 2*time.Second || len(next.bodies) > 0 {
			t.Errorf("waited %v and handed %q on, want 2s and nothing", waited, next.bodies)
		}
		sending.Wait()
	})
}

// TestLostClaimsAreLeftToWhoHasThem stops a request, as a machine may be
// stopped, until its lease has ended and another one has taken over.
func TestLostClaimsAreLeftToWhoHasThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := provisioned(t, func(h *Handler) { h.Parallel = 1 })
		ledger := watch(t, h)
		var stopped atomic.Bool
		stopped.Store(true)
		ledger.fail = func(call string) error {
			if stopped.Load() && len(ledger.calls) > 1 {
				return errors.New("stopped")
			}
			return nil
		}
		first := &app{answer: func(_ http.ResponseWriter, _ *http.Request, body string) error {
			if strings.Contains(body, `"n":1`) {
				time.Sleep(21 * time.Second)
			}
			return nil
		}}
		var sending sync.WaitGroup
		sending.Go(func() { wantAnswer(t, h, testBody, first, 200, "") })
		time.Sleep(17 * time.Second)
		stopped.Store(false)
		second := &app{answer: func(w http.ResponseWriter, _ *http.Request, body string) error {
			time.Sleep(2 * time.Second)
			return failing(`"n":2`)(w, nil, body)
		}}
		wantAnswer(t, h, testBody, second, 502, observe.DeliveryFailed)
		sending.Wait()
		_, encoded := events(t, testBody)
		if len(second.bodies) != 3 || !slices.Equal(first.bodies, encoded[:2]) {
			t.Errorf("got %q by the first and %d events by the second request, want all 3 by the second, and by the first "+
				"the one before its lease ended and the one that failed then", first.bodies, len(second.bodies))
		}
		wantAnswer(t, h, testBody, &app{answer: failing("n")}, 200, "")
	})
}
