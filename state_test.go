// What is known of a name over reloads.

package metawebhook

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/observe"
)

// TestOldestUndeliveredEvent has events that are in flight, that fail, that
// Meta sends again, and that it gives up.
func TestOldestUndeliveredEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := newContext(t)
		h := &Handler{Name: t.Name(), VerifyToken: []string{testToken}, AppSecret: []string{testSecret}}
		if err := provision(t, ctx, h); err != nil {
			t.Fatal(err)
		}
		want := func(when string, age time.Duration, owed int) {
			t.Helper()
			got := scraped(t, ctx, h.Name)["oldest_undelivered_age_seconds"]
			if n := shownStatus(t, h.Name)["undelivered"].(float64); got != age.Seconds() || int(n) != owed {
				t.Errorf("%s: got %v seconds and %d events, want %v and %d", when, got, int(n), age.Seconds(), owed)
			}
		}
		slow := &app{answer: func(http.ResponseWriter, *http.Request, string) error {
			time.Sleep(5 * time.Second)
			want("in flight", 5*time.Second, 0)
			return nil
		}}
		const other = `{"object":"page","entry":{"id":"3","changed_fields":["about"]}}`
		want("at first", 0, 0)
		wantAnswer(t, h, other, slow, 200, "")
		want("delivered", 0, 0)

		wantAnswer(t, h, testBody, &app{answer: failing(`"n":2`)}, 502, observe.DeliveryFailed)
		time.Sleep(time.Hour)
		wantAnswer(t, h, strings.Replace(other, "3", "4", 1), new(app), 200, "")
		want("an hour after a failure", time.Hour, 1)
		wantAnswer(t, h, testBody, &app{answer: failing(`"n":2`)}, 502, observe.DeliveryFailed)
		time.Sleep(time.Hour)
		want("after another", 2*time.Hour, 1)
		wantAnswer(t, h, testBody, new(app), 200, "")
		want("delivered at last", 0, 0)

		wantAnswer(t, h, strings.Replace(testBody, "page", "user", 1), &app{answer: failing(`"n"`)}, 502, observe.DeliveryFailed)
		wantAnswer(t, h, strings.Replace(testBody, "page", "whatsapp_business_account", 1), &app{answer: failing(`"n"`)}, 502, observe.DeliveryFailed)
		time.Sleep(36 * time.Hour)
		want("before Meta gives up", 36*time.Hour, 6)
		time.Sleep(time.Second)
		want("given up, but for WhatsApp", 36*time.Hour+time.Second, 3)
		time.Sleep(6 * 24 * time.Hour)
		want("all given up", 0, 0)
	})
}
