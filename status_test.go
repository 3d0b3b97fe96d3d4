// The status of a name in the admin API.

package metawebhook

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/admin"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/delivery"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/observe"
)

// shownStatus returns the status of a name, as the admin API shows it.
func shownStatus(t *testing.T, name string) map[string]any {
	t.Helper()
	w := httptest.NewRecorder()
	if err := (admin.StatusAPI{}).Routes()[0].Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, admin.StatusPath, nil)); err != nil {
		t.Fatal(err)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("got Content-Type %q, want application/json", got)
	}
	var all []map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &all); err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if s["name"] == name {
			return s
		}
	}
	t.Fatalf("got %v, want a status of %s", all, name)
	return nil
}

func TestStatusTellsWhatHasBecomeOfEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &Handler{Name: t.Name(), VerifyToken: []string{testToken}, AppSecret: []string{testSecret}}
		if err := provision(t, newContext(t), h); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		at := func(minutes int) string {
			return start.Add(time.Duration(minutes) * time.Minute).Format(time.RFC3339Nano)
		}
		type results = map[string]any
		want := func(when string, want map[string]any) {
			t.Helper()
			want["name"], want["since"] = h.Name, at(0)
			for _, counted := range []string{"verifications", "notifications"} {
				if want[counted] == nil {
					want[counted] = results{"ok": 0.0}
				}
			}
			for _, counted := range []string{"events", "store_errors"} {
				if want[counted] == nil {
					want[counted] = results{}
				}
			}
			if got := shownStatus(t, h.Name); !reflect.DeepEqual(got, want) {
				t.Errorf("%s:\ngot  %v\nwant %v", when, got, want)
			}
		}
		want("at first", map[string]any{"in_flight": 0.0, "undelivered": 0.0})

		time.Sleep(time.Minute)
		serve(h, newRequest(http.MethodGet, "https://example.com/", ""), new(app))
		serve(h, newRequest(http.MethodPost, "https://example.com/", testBody), new(app))
		wantAnswer(t, h, `{"object":"page","entry":[]}`, new(app), 200, "")
		want("after refusals and a success", map[string]any{
			"in_flight": 0.0, "undelivered": 0.0, "last_notification": at(1), "last_success": at(1),
			"verifications": results{"ok": 0.0, "verification_malformed": 1.0},
			"notifications": results{"ok": 1.0, "signature_missing": 1.0},
		})

		time.Sleep(time.Minute)
		wantAnswer(t, h, testBody, &app{answer: failing(`"n":2`)}, 502, observe.DeliveryFailed)
		time.Sleep(time.Minute)
		watch(t, h).fail = func(call string) error { return errors.New(call) }
		h.Dedup.OnError = delivery.OnErrorReject
		wantAnswer(t, h, testBody, new(app), 503, "store_unavailable")
		want("failing", map[string]any{
			"in_flight": 0.0, "undelivered": 3.0, "last_notification": at(3), "last_success": at(1), "failing_since": at(2), "oldest_undelivered": at(2),
			"verifications": results{"ok": 0.0, "verification_malformed": 1.0},
			"notifications": results{"ok": 1.0, "signature_missing": 1.0, "delivery_failed": 1.0, "store_unavailable": 1.0},
			"events":        results{"delivered": 2.0, "failed": 1.0},
			"store_errors":  results{"claim": 1.0},
		})

		h.Dedup.OnError = delivery.OnErrorDeliver
		wantAnswer(t, h, testBody, &app{answer: func(http.ResponseWriter, *http.Request, string) error {
			if got := shownStatus(t, h.Name)["in_flight"]; got != 1.0 {
				t.Errorf("got %v in flight while one was, want 1", got)
			}
			return nil
		}}, 200, "")
		want("delivered at last", map[string]any{
			"in_flight": 0.0, "undelivered": 0.0, "last_notification": at(3), "last_success": at(3),
			"verifications": results{"ok": 0.0, "verification_malformed": 1.0},
			"notifications": results{"ok": 2.0, "signature_missing": 1.0, "delivery_failed": 1.0, "store_unavailable": 1.0},
			"events":        results{"delivered": 5.0, "failed": 1.0},
			"store_errors":  results{"claim": 2.0},
		})
	})
}
