// What is logged, and what is not.

package metawebhook

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/delivery"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/observe"
)

// logging has the handler log to what is returned.
func logging(h *Handler) *observer.ObservedLogs {
	core, logs := observer.New(zap.DebugLevel)
	h.observer.SetLogger(zap.New(core))
	return logs
}

// TestFloodOfRefusalsIsNotLogged refuses ten thousand requests, fifty a
// second, and one of another kind among them.
func TestFloodOfRefusalsIsNotLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := provisioned(t)
		logs := logging(h)
		refused := func(signature string) {
			r := newNotification(testBody)
			r.Header.Set(signatureHeader, signature)
			serve(h, r, new(app))
		}
		for i := range 10_000 {
			refused(sign("wrong", testBody))
			if i == 5000 {
				refused("sha1=0")
			}
			time.Sleep(20 * time.Millisecond)
		}
		lines := logs.FilterMessage("refused")
		if n := lines.Len(); n < 10 || n >= 50 {
			t.Errorf("got %d lines, want fewer than 50, but not none", n)
		}
		if n := lines.FilterField(zap.String("reason", "signature_malformed")).Len(); n != 1 {
			t.Errorf("got %d lines about the other kind, want 1", n)
		}
		var told int64
		for _, line := range lines.All() {
			suppressed, _ := line.ContextMap()["suppressed"].(int64)
			told += suppressed + 1
		}
		if told < 9000 || told > 10_001 {
			t.Errorf("got %d refusals by the log, want about 10001", told)
		}
	})
}

// TestFloodOfFailuresIsNotLogged has an app and a store that are down for an
// hour, in which ten events come each second. The configuration is loaded
// again half way.
func TestFloodOfFailuresIsNotLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var body strings.Builder
		body.WriteString(`{"object":"page","entry":{"id":"1","changed_fields":["a"`)
		body.WriteString(strings.Repeat(`,"a"`, 9))
		body.WriteString("]}}")
		var lines []observer.LoggedEntry
		seconds := 0
		for range 2 {
			h := provisioned(t, mode(delivery.Each))
			logs := logging(h)
			watch(t, h).fail = func(string) error { return errors.New("out of order") }
			for range 1800 {
				wantAnswer(t, h, body.String(), &app{answer: failing("a")}, 502, observe.DeliveryFailed)
				seconds++
				time.Sleep(time.Second)
			}
			lines = append(lines, logs.TakeAll()...)
		}
		count := func(message string) (n, told int) {
			for _, line := range lines {
				if line.Message == message {
					suppressed, _ := line.ContextMap()["suppressed"].(int64)
					n, told = n+1, told+1+int(suppressed)
				}
			}
			return n, told
		}
		if n, told := count("not delivered"); n < seconds || n > seconds+100 || told < 10*seconds-20 || told > 10*seconds {
			t.Errorf("got %d lines about %d failures in %d s, want one a second, and 100 more at first, about %d", n, told, seconds, 10*seconds)
		}
		if n, told := count("store failed"); n < seconds/10 || n > seconds/10+5 || told < seconds-20 || told > seconds {
			t.Errorf("got %d lines about %d failures of the store in %d s, want one in ten seconds, and 5 more at first", n, told, seconds)
		}
	})
}

func TestNotificationsAreLoggedOnce(t *testing.T) {
	h := provisioned(t)
	logs := logging(h)
	send := func(next *app) map[string]any {
		t.Helper()
		fields := new(caddyhttp.ExtraLogFields)
		r := newNotification(testBody)
		r = r.WithContext(context.WithValue(r.Context(), caddyhttp.ExtraLogFieldsCtxKey, fields))
		serve(h, r, next)
		lines := logs.FilterMessage("notification").TakeAll()
		logs.TakeAll()
		if len(lines) != 1 || lines[0].Level != zap.DebugLevel {
			t.Fatalf("got %v, want one line at debug", lines)
		}
		return lines[0].ContextMap()
	}
	want := func(got map[string]any, result string, events, duplicates, failed int64) {
		t.Helper()
		if got["name"] != "default" || got["result"] != result || got["events"] != events || got["duplicates"] != duplicates || got["failed"] != failed {
			t.Errorf("got %v, want %s, %d events, %d duplicates, %d failed", got, result, events, duplicates, failed)
		}
		for _, secret := range []string{testSecret, testToken, "feed"} {
			for _, value := range got {
				if text, ok := value.(string); ok && strings.Contains(text, secret) {
					t.Errorf("got %v, want nothing of the notification in it", got)
				}
			}
		}
	}
	want(send(&app{answer: failing(`"n":2`)}), "delivery_failed", 3, 0, 1)
	want(send(new(app)), "ok", 3, 2, 0)
	want(send(new(app)), "ok", 3, 3, 0)
	h.Dedup.OnError = delivery.OnErrorReject
	watch(t, h).fail = func(string) error { return errors.New("out of order") }
	want(send(new(app)), "store_unavailable", 3, 0, 0)
	h.Deliver = delivery.Batch
	h.Dedup.OnError = delivery.OnErrorDeliver
	want(send(&app{answer: func(w http.ResponseWriter, _ *http.Request, _ string) error {
		w.WriteHeader(http.StatusNotFound)
		return nil
	}}), "delivery_failed", 3, 0, 3)
}
