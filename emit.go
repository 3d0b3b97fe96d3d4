package metawebhook

import (
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// The events that the handler emits through Caddy's events app.
const (
	eventRefused = "meta_webhook.refused"
	eventFailed  = "meta_webhook.failed"
)

// An emitter emits events for those in the configuration who subscribe to
// them.
type emitter struct {
	ctx caddy.Context
	app *caddyevents.App // nil without one
}

// newEmitter finds the events app. The HTTP app has loaded it before its
// handlers, if there is one.
func newEmitter(ctx caddy.Context) (emitter, error) {
	app, err := ctx.AppIfConfigured("events")
	if errors.Is(err, caddy.ErrNotConfigured) {
		return emitter{}, nil
	}
	if err != nil {
		return emitter{}, err
	}
	return emitter{ctx, app.(*caddyevents.App)}, nil
}

// emit emits an event, whose data is made only if somebody listens.
func (e emitter) emit(name string, data func() map[string]any) {
	if e.app != nil && e.app.ShouldEmit(name) {
		e.app.Emit(e.ctx, name, data())
	}
}

// emitRefused emits that a request was refused.
func (h *Handler) emitRefused(r *http.Request, f refusal, suppressed int64) {
	h.events.emit(eventRefused, func() map[string]any {
		return map[string]any{
			"name":       h.Name,
			"reason":     f.reason,
			"status":     f.status,
			"client_ip":  clientIP(r),
			"suppressed": suppressed,
		}
	})
}

// emitFailed emits that a message was not delivered.
func (h *Handler) emitFailed(m message, f *failure, suppressed int64) {
	h.events.emit(eventFailed, func() map[string]any {
		return map[string]any{
			"name":            h.Name,
			"id":              m.id.String(),
			"type":            m.shared((*event.Event).Type),
			"events":          len(m.events),
			"upstream_status": f.answered,
			"error":           f.err.Error(),
			"suppressed":      suppressed,
		}
	})
}
