package metawebhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/delivery"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A watchedStore notes the calls to a store, and can make them fail.
type watchedStore struct {
	store.Ledger
	fail func(call string) error

	mu    sync.Mutex
	calls []string
}

// watch puts a watchedStore in front of the handler's store.
func watch(t testing.TB, h *Handler) *watchedStore {
	t.Helper()
	w := new(watchedStore)
	wrapLedger(t, h, func(ledger store.Ledger) store.Ledger {
		w.Ledger = ledger
		return w
	})
	return w
}

// wrapLedger puts another ledger in front of the handler's.
func wrapLedger(t testing.TB, h *Handler, wrap func(store.Ledger) store.Ledger) {
	t.Helper()
	before := h.inline.Ledger
	ledger, err := before.Acquire()
	if err != nil {
		t.Fatal(err)
	}
	wrapped := wrap(ledger)
	h.inline.Ledger = &delivery.Shared[store.Ledger]{Open: func() (store.Ledger, error) { return wrapped, nil }}
	if err := h.inline.Ledger.Start(); err != nil {
		t.Fatal(err)
	}
	if err := before.Release(); err != nil {
		t.Fatal(err)
	}
}

func (w *watchedStore) note(format string, args ...any) error {
	call := fmt.Sprintf(format, args...)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, call)
	if w.fail != nil {
		return w.fail(call)
	}
	return nil
}

func (w *watchedStore) Claim(ctx context.Context, token store.Token, events []store.Key, lease time.Duration) ([]store.State, error) {
	if err := w.note("claim %d for %v", len(events), lease); err != nil {
		return nil, err
	}
	return w.Ledger.Claim(ctx, token, events, lease)
}

func (w *watchedStore) Commit(ctx context.Context, token store.Token, events []store.Key, window time.Duration) error {
	if err := w.note("commit %d for %v", len(events), window); err != nil {
		return err
	}
	return w.Ledger.Commit(ctx, token, events, window)
}

func (w *watchedStore) Release(ctx context.Context, token store.Token, events []store.Key) error {
	if err := w.note("release %d", len(events)); err != nil {
		return err
	}
	return w.Ledger.Release(ctx, token, events)
}

func (w *watchedStore) want(t testing.TB, calls ...string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.calls, calls) {
		t.Errorf("got the calls %q to the store, want %q", w.calls, calls)
	}
	w.calls = nil
}

func TestWindowsOfObjects(t *testing.T) {
	h := provisioned(t, func(h *Handler) {
		h.Dedup = &delivery.Dedup{Window: caddy.Duration(time.Hour), Windows: map[string]caddy.Duration{"user": caddy.Duration(time.Minute)}}
	})
	ledger := watch(t, h)
	entry := `"entry":[{"id":"1","time":1,"changes":[{"field":"a"}]}]`
	wantAnswer(t, h, `[{"object":"page",`+entry+`},{"object":"user",`+entry+`},{"object":"instagram",`+entry+`}]`, new(app), 200, "")
	ledger.want(t, "claim 3 for 15s", "commit 2 for 1h0m0s", "commit 1 for 1m0s")
	wantAnswer(t, h, `{"object":"whatsapp_business_account",`+entry+`}`, new(app), 200, "")
	ledger.want(t, "claim 1 for 15s", "commit 1 for 168h0m0s")
}

func TestStoreThatFails(t *testing.T) {
	const secretly = "the store's own words"
	for _, tc := range []struct {
		name     string
		onError  string
		call     string // that fails
		status   int
		reason   string
		handedOn int
	}{
		{"claim, deliver", delivery.OnErrorDeliver, "claim", 200, "", 3},
		{"claim, reject", delivery.OnErrorReject, "claim", 503, "store_unavailable", 0},
		{"commit, deliver", delivery.OnErrorDeliver, "commit", 200, "", 3},
		{"commit, reject", delivery.OnErrorReject, "commit", 200, "", 3},
		{"open, deliver", delivery.OnErrorDeliver, "open", 200, "", 3},
		{"open, reject", delivery.OnErrorReject, "open", 503, "store_unavailable", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := provisioned(t, func(h *Handler) { h.Dedup = &delivery.Dedup{OnError: tc.onError} })
			ledger := watch(t, h)
			ledger.fail = func(call string) error {
				if strings.HasPrefix(call, tc.call) {
					return errors.New(secretly)
				}
				return nil
			}
			if tc.call == "open" {
				opened := h.inline.Ledger
				h.inline.Ledger = &delivery.Shared[store.Ledger]{Open: func() (store.Ledger, error) { return nil, errors.New(secretly) }}
				defer func() { h.inline.Ledger = opened }()
			}
			core, logs := observer.New(zap.ErrorLevel)
			h.observer.SetLogger(zap.New(core))
			next := new(app)
			wantAnswer(t, h, testBody, next, tc.status, tc.reason)
			if len(next.bodies) != tc.handedOn {
				t.Errorf("got %d events delivered, want %d", len(next.bodies), tc.handedOn)
			}
			if n := logs.FilterMessage("store failed").Len(); n != 1 {
				t.Errorf("got %d lines in the log, want 1: %v", n, logs.All())
			}
		})
	}
}

// TestStoreThatIsBusyIsNoReasonToDeliver has a claim wait for a connection in
// vain.
func TestStoreThatIsBusyIsNoReasonToDeliver(t *testing.T) {
	for _, onError := range []string{delivery.OnErrorDeliver, delivery.OnErrorReject} {
		h := provisioned(t, func(h *Handler) { h.Dedup = &delivery.Dedup{OnError: onError} })
		watch(t, h).fail = func(string) error { return fmt.Errorf("waiting for a connection: %w", store.ErrBusy) }
		next := new(app)
		wantAnswer(t, h, testBody, next, 503, "store_busy")
		if len(next.bodies) != 0 {
			t.Errorf("on_error %s: got %d events delivered, want none", onError, len(next.bodies))
		}
	}
}

// TestStoreStaysOpenForRequestsThatOutliveTheConfiguration ends a
// configuration, as a reload does, while a delivery is under way.
func TestStoreStaysOpenForRequestsThatOutliveTheConfiguration(t *testing.T) {
	h := &Handler{VerifyToken: []string{testToken}, AppSecret: []string{testSecret}}
	if err := h.Provision(newContext(t)); err != nil {
		t.Fatal(err)
	}
	h.observer.SetLogger(zap.NewNop())
	closing := new(closingStore)
	wrapLedger(t, h, func(ledger store.Ledger) store.Ledger {
		closing.watchedStore = &watchedStore{Ledger: ledger}
		return closing
	})
	opened := 0
	h.inline.Ledger.Open = func() (store.Ledger, error) {
		opened++
		closing.closed = false
		return closing, nil
	}
	next := &app{answer: func(http.ResponseWriter, *http.Request, string) error {
		if err := h.Cleanup(); err != nil {
			t.Errorf("Cleanup: got error %v, want none", err)
		}
		if closing.closed {
			t.Error("the store was closed under a delivery")
		}
		return nil
	}}
	const body = `{"object":"page","entry":[{"id":"1","time":1,"changes":[{"field":"feed"}]}]}`
	wantAnswer(t, h, body, next, 200, "")
	if !closing.closed || opened != 0 {
		t.Errorf("got the store closed %v and opened %d times, want it closed with the delivery", closing.closed, opened)
	}
	// a connection may bring a request even later
	wantAnswer(t, h, body, &app{answer: failing("feed")}, 200, "")
	if !closing.closed || opened != 1 {
		t.Errorf("got the store closed %v and opened %d times, want it opened for one more request", closing.closed, opened)
	}
	if err := closing.Ledger.Close(); err != nil {
		t.Fatal(err)
	}
}

// A closingStore knows whether it is closed.
type closingStore struct {
	*watchedStore
	closed bool
}

func (s *closingStore) Close() error {
	s.closed = true
	return nil
}
