package delivery

import (
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// A Policy is how events are remembered.
type Policy interface {
	// WindowOf returns how long an event is remembered after its delivery.
	WindowOf(e *event.Event) time.Duration

	// Rejects reports whether notifications are refused while the store fails,
	// rather than delivered without a claim.
	Rejects() bool
}
