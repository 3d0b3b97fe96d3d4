package metawebhook

import (
	"cmp"
	"errors"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/rule"
)

// What becomes of events when the store fails.
const (
	onErrorDeliver = "deliver"
	onErrorReject  = "reject"
)

// The defaults of the deduplication's options.
const (
	defaultWindow  = caddy.Duration(36 * time.Hour)
	whatsApp       = "whatsapp_business_account"
	whatsAppWindow = caddy.Duration(7 * 24 * time.Hour)
)

// Dedup is how events that were delivered are remembered, so that the repeats
// that Meta sends are not delivered again.
//
// Every accepted event is delivered at least once, and not again within its
// window once a delivery has succeeded and been recorded.
type Dedup struct {
	// Deliver every event as often as Meta sends it.
	Off bool `json:"off,omitempty"`

	// How long to remember an event after its delivery. Default: 36h, for
	// which Meta repeats what has failed.
	Window caddy.Duration `json:"window,omitempty"`

	// The same for events of one object, such as `page` or `instagram`.
	// Default: 7d for `whatsapp_business_account`.
	Windows map[string]caddy.Duration `json:"windows,omitempty"`

	// What to do with events while the store fails. Default: `deliver`.
	//
	// - `deliver`: hand them on, at the risk that some are repeats.
	// - `reject`: answer 503, so that Meta sends them again later.
	OnError string `json:"on_error,omitempty"`
}

func (c *Dedup) setDefaults() {
	if c.Off {
		return
	}
	if c.Window == 0 {
		c.Window = defaultWindow
	}
	if _, ok := c.Windows[whatsApp]; !ok {
		if c.Windows == nil {
			c.Windows = make(map[string]caddy.Duration)
		}
		c.Windows[whatsApp] = whatsAppWindow
	}
	if c.OnError == "" {
		c.OnError = onErrorDeliver
	}
}

func (c *Dedup) validate() error {
	if c.Off {
		if c.Window != 0 || c.Windows != nil || c.OnError != "" {
			return errors.New("off: leaves no use for other options")
		}
		return nil
	}
	for object, window := range c.Windows {
		if err := checkWindowOf(object, window); err != nil {
			return rule.For("windows", err)
		}
	}
	return cmp.Or(
		rule.For("window", rule.Positive(c.Window)),
		rule.For("on_error", checkOnError(c.OnError)),
	)
}

func checkOnError(what string) error { return rule.OneOf(what, onErrorDeliver, onErrorReject) }

// checkWindowOf checks the window of an object.
func checkWindowOf(object string, window caddy.Duration) error {
	return cmp.Or(
		rule.For("object", rule.NotEmpty(object)),
		rule.For(object, rule.Positive(window)),
	)
}

// WindowOf implements delivery.Policy.
func (c *Dedup) WindowOf(e *event.Event) time.Duration {
	if window, ok := c.Windows[e.Object()]; ok {
		return time.Duration(window)
	}
	return time.Duration(c.Window)
}

// Rejects implements delivery.Policy.
func (c *Dedup) Rejects() bool { return c.OnError == onErrorReject }
