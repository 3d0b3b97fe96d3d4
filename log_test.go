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
)

// logging has the handler log to what is returned.
func logging(h *Handler) *observer.ObservedLogs {
	core, logs := observer.New(zap.DebugLevel)
	h.logger = zap.New(core)
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
	h.Dedup.OnError = onErrorReject
	watch(t, h).fail = func(string) error { return errors.New("out of order") }
	want(send(new(app)), "dedup_unavailable", 3, 0, 0)
	h.Deliver = deliverBatch
	h.Dedup.OnError = onErrorDeliver
	want(send(&app{answer: func(w http.ResponseWriter, _ *http.Request, _ string) error {
		w.WriteHeader(http.StatusNotFound)
		return nil
	}}), "delivery_failed", 3, 0, 3)
}
