package delivery

import (
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// A Policy is how events are remembered.
type Policy interface {
	// WindowOf returns how long events of an event's object are remembered
	// after their delivery.
	WindowOf(e *event.Event) time.Duration

	// Rejects reports whether notifications are refused while the store fails,
	// rather than delivered without a claim.
	Rejects() bool
}

// brief is how long an event is remembered of which neither Meta nor its data
// says when it happened: long enough to drop a repeat, and short enough to let
// tomorrow's pass, which looks the same.
const brief = 10 * time.Minute

// window returns how long an event is remembered, 0 if it is not at all.
func window(p Policy, e *event.Event) time.Duration {
	switch e.Retention() {
	case event.RetainNever:
		return 0
	case event.RetainBriefly:
		return min(brief, p.WindowOf(e))
	case event.RetainWindow:
	}
	return p.WindowOf(e)
}
