package metawebhook

import (
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/time/rate"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// logNotification logs what has become of an authentic notification.
func (h *Handler) logNotification(d *delivery, took time.Duration, err error) {
	accessLog(d.original,
		zap.Int("meta_webhook.events", len(d.all)),
		zap.Int("meta_webhook.duplicates", d.duplicates),
		zap.Int("meta_webhook.failed", d.failed),
	)
	if c := h.logger.Check(zapcore.DebugLevel, "notification"); c != nil {
		result := resultOK
		if err != nil {
			result = deliveryFailed
		}
		if f, ok := errors.AsType[refusal](err); ok {
			result = f.reason
		}
		c.Write(
			zap.String("name", h.Name),
			zap.String("result", result),
			zap.Int("bytes", len(d.body)),
			zap.Int("events", len(d.all)),
			zap.Int("duplicates", d.duplicates),
			zap.Int("failed", d.failed),
			zap.Duration("duration", took),
		)
	}
}

// accessLog adds fields to the request's line in the access log.
func accessLog(r *http.Request, fields ...zap.Field) {
	extra, ok := r.Context().Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields)
	if !ok {
		return
	}
	for _, field := range fields {
		extra.Set(field)
	}
}

// How many lines about one thing are logged: some at once, then one in a while.
const (
	logAtOnce = 5
	logEvery  = 10 * time.Second
)

// A logLimit keeps a flood of refusals from filling the disk. Each reason has
// lines of its own, so that a flood of one does not hide the others.
type logLimit struct {
	reasons sync.Map // *limitedReason by the reason, of which there is a fixed set
}

type limitedReason struct {
	*rate.Limiter
	suppressed atomic.Int64
}

// allow tells whether to log a line, and how many were suppressed before it.
func (l *logLimit) allow(reason string) (suppressed int64, ok bool) {
	known, ok := l.reasons.Load(reason)
	if !ok {
		known, _ = l.reasons.LoadOrStore(reason, &limitedReason{Limiter: rate.NewLimiter(rate.Every(logEvery), logAtOnce)})
	}
	limit := known.(*limitedReason)
	if !limit.Allow() {
		limit.suppressed.Add(1)
		return 0, false
	}
	return limit.suppressed.Swap(0), true
}
