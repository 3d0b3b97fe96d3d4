package metawebhook

import (
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/time/rate"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// answered notes what a request is answered with.
func (h *Handler) answered(r *http.Request, result string) {
	h.meter.answered(r.Method, result)
	if extra := accessLog(r); extra != nil {
		extra.Set(zap.String("meta_webhook.result", result))
	}
	describe(r.Context(), func() []attribute.KeyValue {
		return []attribute.KeyValue{attribute.String("meta_webhook.name", h.Name), attribute.String("meta_webhook.result", result)}
	})
}

// resultOf returns the result of a notification that was answered with err.
func resultOf(err error) string {
	if err == nil {
		return resultOK
	}
	if f, ok := errors.AsType[refusal](err); ok {
		return f.reason
	}
	return deliveryFailed
}

// logNotification logs what has become of an authentic notification.
func (h *Handler) logNotification(d *delivery, result string) {
	if extra := accessLog(d.original); extra != nil {
		extra.Set(zap.Int("meta_webhook.events", len(d.all)))
		extra.Set(zap.Int("meta_webhook.duplicates", d.duplicates))
		extra.Set(zap.Int("meta_webhook.failed", d.failed))
	}
	describe(d.original.Context(), func() []attribute.KeyValue {
		return []attribute.KeyValue{
			attribute.Int("meta_webhook.events", len(d.all)),
			attribute.Int("meta_webhook.duplicates", d.duplicates),
			attribute.Int("meta_webhook.failed", d.failed),
		}
	})
	if c := h.logger.Check(zapcore.DebugLevel, "notification"); c != nil {
		c.Write(
			zap.String("name", h.Name),
			zap.String("result", result),
			zap.Int("bytes", len(d.body)),
			zap.Int("events", len(d.all)),
			zap.Int("duplicates", d.duplicates),
			zap.Int("failed", d.failed),
			zap.Duration("duration", time.Since(d.start)),
		)
	}
}

// logRefusal logs a refusal with what the request has shown of itself.
func (h *Handler) logRefusal(r *http.Request, f refusal, suppressed int64, shown []zap.Field) {
	c := h.logger.Check(zapcore.WarnLevel, "refused")
	if c == nil {
		return
	}
	fields := h.fields(suppressed, zap.String("reason", f.reason), zap.Int("status", f.status), zap.String("client_ip", clientIP(r)))
	c.Write(append(fields, shown...)...)
}

// clientIP returns the address that a request came from, as Caddy has it.
func clientIP(r *http.Request) string {
	ip, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	return ip
}

// logFailure logs a message that was not delivered.
func (h *Handler) logFailure(m message, f *failure, suppressed int64) {
	c := h.logger.Check(zapcore.ErrorLevel, "not delivered")
	if c == nil {
		return
	}
	fields := h.fields(suppressed,
		zap.Stringer("id", m.id),
		zap.Int("events", len(m.events)),
		zap.String("type", m.shared((*event.Event).Type)),
		zap.Int("upstream_status", f.answered),
		zap.Error(f.err),
	)
	if f.stack != nil {
		fields = append(fields, zap.ByteString("stack", f.stack))
	}
	c.Write(fields...)
}

// fields returns the fields of a line whose number is limited.
func (h *Handler) fields(suppressed int64, more ...zap.Field) []zap.Field {
	fields := append([]zap.Field{zap.String("name", h.Name)}, more...)
	if suppressed > 0 {
		fields = append(fields, zap.Int64("suppressed", suppressed))
	}
	return fields
}

// accessLog returns what is added to the request's line in the access log, nil
// without one.
func accessLog(r *http.Request) *caddyhttp.ExtraLogFields {
	if server, _ := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); server != nil && server.Logs == nil {
		return nil
	}
	extra, _ := r.Context().Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields)
	return extra
}

// A lineRate is how many lines about one thing are logged: some at once, then
// one in a while.
type lineRate struct {
	atOnce int
	every  time.Duration
}

var (
	fewLines  = lineRate{5, 10 * time.Second} // where one line says what all of them do
	moreLines = lineRate{100, time.Second}    // where each is about something else
)

// A lineLimit keeps a flood of requests, or a long failure, from filling the
// disk. Each reason has lines of its own, so that a flood of one does not hide
// the others.
type lineLimit struct {
	reasons sync.Map // *limitedReason by the reason, of which there is a fixed set
}

type limitedReason struct {
	*rate.Limiter
	suppressed atomic.Int64
}

// allow tells whether to log a line, and how many were suppressed before it.
func (l *lineLimit) allow(reason string, r lineRate) (suppressed int64, ok bool) {
	known, ok := l.reasons.Load(reason)
	if !ok {
		known, _ = l.reasons.LoadOrStore(reason, &limitedReason{Limiter: rate.NewLimiter(rate.Every(r.every), r.atOnce)})
	}
	limit := known.(*limitedReason)
	if !limit.Allow() {
		limit.suppressed.Add(1)
		return 0, false
	}
	return limit.suppressed.Swap(0), true
}
