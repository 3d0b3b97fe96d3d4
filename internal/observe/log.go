package observe

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/time/rate"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// logNotification logs what became of an authentic notification.
func (o *Observer) logNotification(n *Notification, result string) {
	if extra := accessLog(n.r); extra != nil {
		extra.Set(zap.Int("meta_webhook.events", n.events))
		extra.Set(zap.Int("meta_webhook.duplicates", n.repeats))
		extra.Set(zap.Int("meta_webhook.failed", n.failed))
	}
	describe(n.r.Context(), func() []attribute.KeyValue {
		return []attribute.KeyValue{
			attribute.Int("meta_webhook.events", n.events),
			attribute.Int("meta_webhook.duplicates", n.repeats),
			attribute.Int("meta_webhook.failed", n.failed),
		}
	})
	if c := o.logger.Check(zapcore.DebugLevel, "notification"); c != nil {
		c.Write(
			zap.String("name", o.name),
			zap.String("result", result),
			zap.Int("bytes", n.size),
			zap.Int("events", n.events),
			zap.Int("duplicates", n.repeats),
			zap.Int("failed", n.failed),
			zap.Duration("duration", time.Since(n.start)),
		)
	}
}

// logRefusal logs a refusal with what the request has shown of itself.
func (o *Observer) logRefusal(r *http.Request, reason string, status int, suppressed int64, shown []zap.Field) {
	c := o.logger.Check(zapcore.WarnLevel, "refused")
	if c == nil {
		return
	}
	fields := o.fields(suppressed, zap.String("reason", reason), zap.Int("status", status), zap.String("client_ip", clientIP(r)))
	c.Write(append(fields, shown...)...)
}

// logFailure logs a message that was not delivered.
func (o *Observer) logFailure(m Message, f *Failure, suppressed int64) {
	c := o.logger.Check(zapcore.ErrorLevel, "not delivered")
	if c == nil {
		return
	}
	fields := o.fields(suppressed,
		zap.String("id", m.ID),
		zap.Int("events", m.Events),
		zap.String("type", m.Attributes.Attribute("type")),
		zap.Int("upstream_status", f.Status),
		zap.Error(f.Err),
	)
	if f.Stack != nil {
		fields = append(fields, zap.ByteString("stack", f.Stack))
	}
	c.Write(fields...)
}

// fields returns the fields of a line whose number is limited.
func (o *Observer) fields(suppressed int64, more ...zap.Field) []zap.Field {
	fields := append([]zap.Field{zap.String("name", o.name)}, more...)
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

// allow reports whether to log a line, and how many were suppressed before it.
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
