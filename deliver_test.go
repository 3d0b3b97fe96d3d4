// What the next handler gets, and what becomes of its answers.

package metawebhook

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/delivery"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/observe"
)

// events returns what the notification's events look like as CloudEvents.
func events(t testing.TB, body string) (ids, encoded []string) {
	t.Helper()
	parsed, err := event.Parse([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := range parsed {
		ids = append(ids, parsed[i].ID().String())
		encoded = append(encoded, string(parsed[i].AppendJSON(nil)))
	}
	return ids, encoded
}

func TestEachHandsOnOneRequestForEachEvent(t *testing.T) {
	ids, want := events(t, testBody)
	next := new(app)
	w, status, _ := serve(provisioned(t), newNotification(testBody), next)
	if status != 0 || w.Code != 200 || w.Body.Len() > 0 {
		t.Fatalf("got error %d, status %d, body %q; want 200 and an empty body", status, w.Code, w.Body)
	}
	if got, want := slices.Sorted(slices.Values(next.bodies)), slices.Sorted(slices.Values(want)); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	// the first two are of one entry
	if slices.Index(next.bodies, want[0]) > slices.Index(next.bodies, want[1]) {
		t.Errorf("the events of one entry came in the order %q", next.bodies)
	}
	for i, r := range next.requests {
		id := r.Header.Get("Webhook-Id")
		if !slices.Contains(ids, id) || r.Header.Get("Idempotency-Key") != id || !strings.Contains(next.bodies[i], id) {
			t.Errorf("got Webhook-Id %q and Idempotency-Key %q for %s", id, r.Header.Get("Idempotency-Key"), next.bodies[i])
		}
	}
}

func TestBatchHandsOnOneArray(t *testing.T) {
	_, encoded := events(t, testBody)
	next := new(app)
	serve(provisioned(t, func(h *Handler) { h.Deliver = delivery.Batch }), newNotification(testBody), next)
	if want := "[" + strings.Join(encoded, ",") + "]"; len(next.bodies) != 1 || next.bodies[0] != want {
		t.Errorf("got  %q\nwant %q", next.bodies, want)
	}
}

func TestOriginalHandsOnMetasBytes(t *testing.T) {
	body := " " + testBody + "\n"
	next := new(app)
	serve(provisioned(t, func(h *Handler) { h.Deliver = delivery.Original }), newNotification(body), next)
	if len(next.bodies) != 1 || next.bodies[0] != body {
		t.Fatalf("got %q, want %q once", next.bodies, body)
	}
	if got, want := next.requests[0].Header[signatureHeader], sign(testSecret, body); len(got) != 1 || got[0] != want {
		t.Errorf("got signature %q, want %q", got, want)
	}
}

func TestMediaTypes(t *testing.T) {
	for _, tc := range []struct {
		deliver     string
		cloudEvents bool
		want        string
	}{
		{delivery.Each, false, "application/json"},
		{delivery.Each, true, "application/cloudevents+json"},
		{delivery.Batch, false, "application/json"},
		{delivery.Batch, true, "application/cloudevents-batch+json"},
		{delivery.Original, false, "application/json"},
	} {
		next := new(app)
		serve(provisioned(t, func(h *Handler) { h.Deliver, h.CloudEvents = tc.deliver, tc.cloudEvents }), newNotification(testBody), next)
		for _, r := range next.requests {
			if got := r.Header.Get("Content-Type"); got != tc.want {
				t.Errorf("%s, cloudevents %t: got %q, want %q", tc.deliver, tc.cloudEvents, got, tc.want)
			}
		}
	}
}

func TestOnlySuccessIsAnswered200(t *testing.T) {
	status := func(code int) func(http.ResponseWriter, *http.Request, string) error {
		return func(w http.ResponseWriter, _ *http.Request, _ string) error {
			w.WriteHeader(code)
			_, err := w.Write([]byte("dropped"))
			return err
		}
	}
	fails := func(err error) func(http.ResponseWriter, *http.Request, string) error {
		return func(http.ResponseWriter, *http.Request, string) error { return err }
	}
	for _, tc := range []struct {
		name   string
		answer func(http.ResponseWriter, *http.Request, string) error
		want   int
	}{
		{"200", status(200), 200},
		{"201", status(201), 200},
		{"204", status(204), 200},
		{"299", status(299), 200},
		{"nothing written", fails(nil), 502},
		{"a body alone", func(w http.ResponseWriter, _ *http.Request, _ string) error {
			_, err := w.Write([]byte("x"))
			return err
		}, 200},
		{"early hints, then 200", func(w http.ResponseWriter, _ *http.Request, _ string) error {
			w.WriteHeader(103)
			w.WriteHeader(200)
			return nil
		}, 200},
		{"101", status(101), 502},
		{"302", status(302), 502},
		{"304", status(304), 502},
		{"404", status(404), 502},
		{"500", status(500), 502},
		{"error", fails(errors.New("x")), 502},
		{"error with a status", fails(caddyhttp.Error(503, errors.New("x"))), 503},
		{"error with a client's status", fails(caddyhttp.Error(404, errors.New("x"))), 404},
		{"error with the status of a success", fails(caddyhttp.Error(200, errors.New("x"))), 502},
		{"error without a status", fails(caddyhttp.HandlerError{Err: errors.New("x")}), 502},
		{"a body that is cut off", func(w http.ResponseWriter, _ *http.Request, _ string) error {
			w.Header().Set("Content-Length", "10")
			_, err := w.Write([]byte("x"))
			return err
		}, 502},
		{"early hints alone", func(w http.ResponseWriter, _ *http.Request, _ string) error {
			w.WriteHeader(103)
			return nil
		}, 502},
		{"error after 200", func(w http.ResponseWriter, _ *http.Request, _ string) error {
			w.WriteHeader(200)
			return errors.New("x")
		}, 502},
		{"aborted", func(w http.ResponseWriter, _ *http.Request, _ string) error {
			w.WriteHeader(200)
			panic(http.ErrAbortHandler)
		}, 502},
		{"panic", func(http.ResponseWriter, *http.Request, string) error { panic("x") }, 502},
		{"no upstream", func(_ http.ResponseWriter, r *http.Request, _ string) error {
			caddyhttp.SetVar(r.Context(), "unhandled", true) // as the end of Caddy's handler chain does
			return nil
		}, 502},
	} {
		for _, deliver := range []string{delivery.Each, delivery.Batch, delivery.Original} {
			t.Run(tc.name+"/"+deliver, func(t *testing.T) {
				w, status, reason := serve(provisioned(t, func(h *Handler) { h.Deliver = deliver }), newNotification(testBody), &app{answer: tc.answer, silent: true})
				got, wantReason := status, observe.DeliveryFailed
				if status == 0 {
					got = w.Code
				}
				if tc.want == 200 {
					wantReason = ""
				}
				if got != tc.want || reason != wantReason {
					t.Errorf("got %d %q, want %d %q", got, reason, tc.want, wantReason)
				}
				if w.Body.Len() > 0 {
					t.Errorf("got body %q, want none", w.Body)
				}
			})
		}
	}
}

func TestFailureDoesNotStopOthers(t *testing.T) {
	next := &app{answer: func(w http.ResponseWriter, _ *http.Request, body string) error {
		if strings.Contains(body, `{"n":1}`) {
			return caddyhttp.Error(504, errors.New("x"))
		}
		w.WriteHeader(200)
		return nil
	}}
	_, status, reason := serve(provisioned(t), newNotification(testBody), next)
	if len(next.bodies) != 3 || status != 504 || reason != observe.DeliveryFailed {
		t.Errorf("got %d requests and error %d %q, want 3 and 504 %q", len(next.bodies), status, reason, observe.DeliveryFailed)
	}
}

func TestAtMostParallelEntriesAtOnce(t *testing.T) {
	var body strings.Builder
	body.WriteString(`{"object":"page","entry":[`)
	for i := range 50 {
		if i > 0 {
			body.WriteByte(',')
		}
		body.WriteString(`{"id":"` + strconv.Itoa(i) + `","time":1,"changed_fields":["feed","name"]}`)
	}
	body.WriteString(`]}`)

	const parallel = 3
	var running, most atomic.Int32
	arrived := make(chan struct{}, 100)
	release := make(chan struct{})
	next := &app{answer: func(w http.ResponseWriter, _ *http.Request, _ string) error {
		if now := running.Add(1); now > most.Load() {
			most.Store(now)
		}
		arrived <- struct{}{}
		<-release
		running.Add(-1)
		w.WriteHeader(200)
		return nil
	}}
	done := make(chan int)
	h := provisioned(t, func(h *Handler) { h.Parallel = parallel })
	go func() {
		w, _, _ := serve(h, newNotification(body.String()), next)
		done <- w.Code
	}()
	for range parallel {
		<-arrived // that many come without any of them being answered
	}
	close(release)
	if code := <-done; code != 200 {
		t.Errorf("got status %d, want 200", code)
	}
	if most.Load() > parallel {
		t.Errorf("got %d requests at once, want at most %d", most.Load(), parallel)
	}
	if len(next.bodies) != 100 {
		t.Errorf("got %d events, want 100", len(next.bodies))
	}
}

func TestSenderThatHangsUpAbortsNothing(t *testing.T) {
	ctx, hangUp := context.WithCancel(context.Background())
	r := newNotification(testBody)
	r = r.WithContext(context.WithValue(ctx, caddyhttp.VarsCtxKey, map[string]any{}))
	next := &app{answer: func(w http.ResponseWriter, r *http.Request, _ string) error {
		hangUp()
		if err := r.Context().Err(); err != nil {
			return err
		}
		w.WriteHeader(200)
		return nil
	}}
	w := httptest.NewRecorder()
	if err := provisioned(t).ServeHTTP(w, r, next); err != nil {
		t.Error(err)
	}
	if len(next.bodies) != 3 {
		t.Errorf("got %d events, want 3", len(next.bodies))
	}
}

func TestShutdownCancelsWhatNobodyWaitsFor(t *testing.T) {
	ctx, hangUp := context.WithCancel(context.Background())
	r := newNotification(`{"object":"page","entry":[{"id":"1","changed_fields":["a","b"]}]}`).WithContext(ctx)
	h := provisioned(t)
	next := &app{answer: func(_ http.ResponseWriter, r *http.Request, _ string) error {
		h.stop() // alone, it lets the requests under way come to an end
		if err := r.Context().Err(); err != nil {
			t.Errorf("the server's shutdown cancelled a request that is waited for: %v", err)
		}
		hangUp()
		<-r.Context().Done()
		return r.Context().Err()
	}}
	err := h.ServeHTTP(httptest.NewRecorder(), r, next)
	if handlerErr, ok := errors.AsType[caddyhttp.HandlerError](err); !ok || handlerErr.StatusCode < 500 {
		t.Errorf("got %v, want an error of the server", err)
	}
	if n := len(next.bodies); n != 1 {
		t.Errorf("got %d events delivered, want none after the end", n-1)
	}
}

func TestIDOfSeveralEventsDependsOnAllOfThem(t *testing.T) {
	id := func(body string) string {
		next := new(app)
		serve(provisioned(t, func(h *Handler) { h.Deliver, h.Dedup = delivery.Batch, &delivery.Dedup{Off: true} }), newNotification(body), next)
		return next.requests[0].Header.Get("Webhook-Id")
	}
	whole, again := id(testBody), id(" "+testBody)
	other := id(strings.Replace(testBody, `{"n":3}`, `{"n":4}`, 1))
	if len(whole) != 32 || whole != again || whole == other {
		t.Errorf("got %q, %q for the same events, %q for others", whole, again, other)
	}
}

func TestNoBodyInErrors(t *testing.T) {
	_, encoded := events(t, testBody)
	h := provisioned(t)
	err := h.ServeHTTP(httptest.NewRecorder(), newNotification(testBody), &app{answer: func(http.ResponseWriter, *http.Request, string) error {
		return errors.New(encoded[0])
	}})
	text, _ := json.Marshal(err.Error())
	if strings.Contains(string(text), "feed") {
		t.Errorf("the error holds a body: %v", err)
	}
}

// TestAttemptEndsWithTheTimeout has an app that stalls before it answers, or
// within its answer.
func TestAttemptEndsWithTheTimeout(t *testing.T) {
	for _, begins := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			h := provisioned(t, func(h *Handler) { h.Timeout = caddy.Duration(20 * time.Second) })
			stalls := &app{answer: func(w http.ResponseWriter, r *http.Request, _ string) error {
				if begins {
					w.WriteHeader(http.StatusOK)
				}
				<-r.Context().Done()
				panic(http.ErrAbortHandler) // as reverse_proxy does
			}}
			began := time.Now()
			wantAnswer(t, h, oneEvent, stalls, 504, observe.DeliveryFailed)
			if took := time.Since(began); took != 20*time.Second {
				t.Errorf("answer begun %t: got the answer after %v, want 20s", begins, took)
			}
			again := new(app)
			wantAnswer(t, h, oneEvent, again, 200, "")
			if len(again.bodies) != 1 {
				t.Errorf("answer begun %t: got %d events when Meta sends it again, want 1", begins, len(again.bodies))
			}
		})
	}
}
