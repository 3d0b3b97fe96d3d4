package delivery

import (
	"cmp"
	"errors"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/caddyblock"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/rule"
)

// What becomes of events when the store fails.
const (
	OnErrorDeliver = "deliver"
	OnErrorReject  = "reject"
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
	// Default: `whatsapp_business_account` 7d.
	Windows map[string]caddy.Duration `json:"windows,omitempty"`

	// What to do with events while the store fails. Default: `deliver`.
	//
	// - `deliver`: deliver them, at the risk that some are repeats. A store that
	// is merely busy is no reason for that.
	// - `reject`: answer 503, so that Meta sends them again later.
	OnError string `json:"on_error,omitempty"`
}

// SetDefaults sets the options that are not given.
func (c *Dedup) SetDefaults() {
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
		c.OnError = OnErrorDeliver
	}
}

// Validate reports options that have no meaning.
func (c *Dedup) Validate() error {
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

func checkOnError(what string) error { return rule.OneOf(what, OnErrorDeliver, OnErrorReject) }

// checkWindowOf checks the window of an object.
func checkWindowOf(object string, window caddy.Duration) error {
	return cmp.Or(
		rule.For("object", rule.NotEmpty(object)),
		rule.For(object, rule.Positive(window)),
	)
}

// WindowOf implements Policy.
func (c *Dedup) WindowOf(e *event.Event) time.Duration {
	if window, ok := c.Windows[e.Object()]; ok {
		return time.Duration(window)
	}
	return time.Duration(c.Window)
}

// Rejects implements Policy.
func (c *Dedup) Rejects() bool { return c.OnError == OnErrorReject }

// Unmarshal sets up the deduplication from Caddyfile tokens. Syntax:
//
//	dedup off
//	dedup {
//		window   [<object>] <duration>
//		on_error deliver|reject
//	}
func (c *Dedup) Unmarshal(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return caddyblock.Unmarshal(d, c.unmarshalOption, "window")
	}
	if store := d.Val(); store != "off" {
		return d.Errf("dedup: 'store %s' took the place of 'dedup %[1]s': only window and on_error stay in dedup", store)
	}
	c.Off = true
	if d.NextArg() || d.NextBlock(d.Nesting()) {
		return d.Errf("dedup off has neither arguments nor options")
	}
	return nil
}

func (c *Dedup) unmarshalOption(d *caddyfile.Dispenser, option string) error {
	switch option {
	case "window":
		return c.unmarshalWindow(d)
	case "on_error":
		return caddyblock.Value(d, &c.OnError, caddyblock.Text, checkOnError)
	}
	return caddyblock.Unrecognized(d, "dedup", option)
}

// unmarshalWindow sets up the window of an object, or of all others.
func (c *Dedup) unmarshalWindow(d *caddyfile.Dispenser) error {
	if d.CountRemainingArgs() != 2 {
		if c.Window != 0 {
			return d.Err("window is given twice")
		}
		return caddyblock.Value(d, &c.Window, caddyblock.Duration, rule.Positive)
	}
	d.NextArg()
	object := d.Val()
	if _, ok := c.Windows[object]; ok {
		return d.Errf("window of %s is given twice", object)
	}
	d.NextArg()
	window, err := caddyblock.Duration(d.Val())
	if err == nil {
		err = checkWindowOf(object, window)
	}
	if err != nil {
		return d.Errf("window: %v", err)
	}
	if c.Windows == nil {
		c.Windows = make(map[string]caddy.Duration)
	}
	c.Windows[object] = window
	return nil
}

// Interface guard
var _ Policy = (*Dedup)(nil)
