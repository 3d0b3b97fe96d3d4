package observe

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
)

// The events that the handler emits through Caddy's events app.
const (
	eventRefused = "meta_webhook.refused"
	eventFailed  = "meta_webhook.failed"
	eventDead    = "meta_webhook.dead"
	eventDown    = "meta_webhook.destination_down"
	eventUp      = "meta_webhook.destination_up"
)

// An emitter emits events to their subscribers in the configuration.
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
		return emitter{}, fmt.Errorf("events: %v", err)
	}
	return emitter{ctx, app.(*caddyevents.App)}, nil
}

// emit emits an event. Its data is made only for a subscriber.
func (e emitter) emit(name string, data func() map[string]any) {
	if e.app != nil && e.app.ShouldEmit(name) {
		e.app.Emit(e.ctx, name, data())
	}
}

// emitRefused emits that a request was refused.
func (o *Observer) emitRefused(r *http.Request, reason string, status int, suppressed int64) {
	o.events.emit(eventRefused, func() map[string]any {
		return map[string]any{
			"name":       o.name,
			"reason":     reason,
			"status":     status,
			"client_ip":  clientIP(r),
			"suppressed": suppressed,
		}
	})
}

// emitFailed emits that a message was not delivered.
func (o *Observer) emitFailed(m Message, f *Failure, suppressed int64) {
	o.events.emit(eventFailed, func() map[string]any {
		return map[string]any{
			"name":            o.name,
			"id":              m.ID,
			"type":            m.Attributes.Attribute("type"),
			"events":          m.Events,
			"upstream_status": f.Status,
			"error":           f.Err.Error(),
			"suppressed":      suppressed,
		}
	})
}
