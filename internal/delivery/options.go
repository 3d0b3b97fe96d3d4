// Package delivery brings events to the app: [Inline] while Meta waits for the
// answer, [Stored] after they are stored, by way of a queue.
package delivery

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/rule"
)

// The ways in which events are delivered.
const (
	Each     = "each"
	Batch    = "batch"
	Original = "original"
)

// The defaults of the options.
const (
	defaultParallel  = 16
	defaultMaxEvents = 100
	defaultTimeout   = caddy.Duration(30 * time.Second)
)

// Options are how a message is made.
type Options struct {
	// How events are delivered to the next handler. Default: `each`.
	//
	// - `each`: one request for each event, whose body is the event as a
	// CloudEvent in JSON. The events of one conversation come one after another,
	// in order. An event that fails does not stop the others.
	// - `batch`: one request for the events of a notification, whose body is a
	// JSON array of them. It succeeds or fails as a whole. At a destination, one
	// request for the events that are due, of any notification; a batch that the
	// app refuses is halved until the event that fails stands alone.
	// - `original`: one request for each notification, with the bytes and the
	// signature that Meta sent, unless every event in it was delivered before.
	Deliver string `json:"deliver,omitempty"`

	// How many events a request may carry with `batch`, where events are
	// stored. Default: 100.
	MaxEvents int `json:"max_events,omitempty"`

	// How long to wait with `batch`, where events are stored, for as many
	// events as `max_events` once there is one. Default: 0s, which takes what
	// is there.
	MaxWait caddy.Duration `json:"max_wait,omitempty"`

	// Label bodies with the media types of CloudEvents,
	// `application/cloudevents+json` and, for `batch`,
	// `application/cloudevents-batch+json`, instead of `application/json`.
	// Not for `original`.
	CloudEvents bool `json:"cloudevents,omitempty"`

	// How many conversations are delivered at the same time: with `each`, of
	// one notification; at a destination, of all. Default: 16.
	Parallel int `json:"parallel,omitempty"`

	// Sign requests by the
	// [Standard Webhooks](https://www.standardwebhooks.com) specification, so
	// that the app can check that they come from here: `Webhook-Signature` is
	// over `Webhook-Id`, `Webhook-Timestamp` and the body. Each secret is
	// `whsec_` and 24 to 64 bytes in base64; with several, there is a
	// signature by each, for the app to change from one to another.
	// Placeholders are replaced when the configuration is loaded. Default: nothing
	// is signed.
	Sign []string `json:"sign,omitempty"`

	// How long one attempt to deliver may take, from the request to the end of
	// the answer's body. After it the attempt is cancelled; Meta gets 504, and
	// sends the notification again. Default: 30s.
	Timeout caddy.Duration `json:"timeout,omitempty"`
}

// SetDefaults sets the options that are not given.
func (o *Options) SetDefaults() {
	if o.Deliver == "" {
		o.Deliver = Each
	}
	if o.Deliver == Each && o.Parallel == 0 {
		o.Parallel = defaultParallel
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
}

// ValidateDeliver reports a way of delivery that does not exist.
func ValidateDeliver(mode string) error { return rule.OneOf(mode, Each, Batch, Original) }

// inherit sets the options that are not given to those of others.
func (o *Options) inherit(of *Options) {
	if o.Deliver == "" {
		o.Deliver, o.MaxEvents, o.MaxWait = of.Deliver, of.MaxEvents, of.MaxWait
	}
	o.CloudEvents = o.CloudEvents || of.CloudEvents && o.Deliver != Original
	if o.Parallel == 0 {
		o.Parallel = of.Parallel
	}
	if o.Sign == nil {
		o.Sign = of.Sign
	}
	if o.Timeout == 0 {
		o.Timeout = of.Timeout
	}
}

// Validate reports options that have no meaning for inline delivery.
func (o *Options) Validate() error {
	if err := o.validateMessage(); err != nil {
		return err
	}
	switch {
	case o.Deliver == Each:
		return rule.For("parallel", rule.AtLeastOne(o.Parallel))
	case o.Parallel != 0:
		return fmt.Errorf("parallel: with deliver %s, there is one request for each notification", o.Deliver)
	case o.MaxEvents != 0 || o.MaxWait != 0:
		return errors.New("deliver: without a destination, a batch is the events of one notification")
	}
	return nil
}

// validateMessage reports options that have no meaning wherever a message is
// for.
func (o *Options) validateMessage() error {
	err := cmp.Or(
		rule.For("deliver", ValidateDeliver(o.Deliver)),
		rule.For("timeout", rule.Positive(o.Timeout)),
	)
	switch {
	case err != nil:
		return err
	case o.CloudEvents && o.Deliver == Original:
		return errors.New("cloudevents: with deliver original, bodies are Meta's own")
	case o.Deliver != Batch && (o.MaxEvents != 0 || o.MaxWait != 0):
		return fmt.Errorf("deliver: %s takes no number of events, and no wait", o.Deliver)
	case o.MaxEvents < 0 || o.MaxWait < 0:
		return errors.New("deliver: a batch has at least 1 event, and waits 0s or longer")
	}
	return nil
}

// contentType returns the media type of bodies that CloudEvents calls so.
func (o *Options) contentType(cloudEvents string) string {
	if o.CloudEvents {
		return cloudEvents
	}
	return typeJSON
}

// Room returns how many bytes the bodies that are made of the events take at
// most at any time.
func (o *Options) Room(events []event.Event) int64 {
	if o.Deliver == Original {
		return 0
	}
	var largest, all int64
	for i := range events {
		n := int64(events[i].JSONRoom())
		largest = max(largest, n)
		all += n
	}
	if o.Deliver == Batch {
		return all + int64(len(events)+len("[]"))
	}
	return min(all, int64(min(o.Parallel, len(events)))*largest)
}
