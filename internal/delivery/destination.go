package delivery

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/rule"
)

// The orders that a destination keeps.
const (
	orderConversation = "conversation"
	orderEntry        = "entry"
	orderNone         = "none"
)

// The defaults of a destination's options.
const (
	defaultFirstPause   = caddy.Duration(5 * time.Second)
	defaultLongestPause = caddy.Duration(time.Hour)
	defaultGiveUp       = caddy.Duration(72 * time.Hour)
)

// Destination is where stored events are delivered: a queue of its own, and
// handlers of its own.
//
// Events of one conversation are delivered one after another, in the order in
// which they were accepted. One that fails is tried again until `give_up`, and
// holds its conversation, and no other, until then; after that it is dead,
// and waits for a person to replay or discard it. A destination that is down is
// not hammered: one probe at a time goes out until an attempt succeeds.
//
// A message was delivered if the handlers have answered 2xx, with a body that
// came to its end, within `timeout`.
type Destination struct {
	// What the destination is called, in the store, the metrics and the log.
	// Events that are stored wait for the name: under another name, the
	// destination is another one. Required.
	Name string `json:"name,omitempty"`

	// Which events the destination gets, by the placeholders of the event,
	// `{http.meta_webhook.event.*}`. They are evaluated once, when the event is
	// stored. Default: all events.
	MatcherSetsRaw caddyhttp.RawMatcherSets `json:"match,omitempty" caddy:"namespace=http.matchers"`

	Options

	// What order is kept in. Default: `conversation`.
	//
	// - `conversation`: the events of one conversation are delivered one after
	// another.
	// - `entry`: those of one Page, account or phone number.
	// - `none`: no order is kept.
	Order string `json:"order,omitempty"`

	// The pause before a second attempt. It doubles with each attempt, up to
	// `max_retry_pause`, and varies by a fifth, so that attempts spread. A
	// longer Retry-After of the app's answer, with 429 or 503, counts.
	// Default: 5s.
	RetryPause caddy.Duration `json:"retry_pause,omitempty"`

	// The longest pause between attempts. Default: 1h.
	MaxRetryPause caddy.Duration `json:"max_retry_pause,omitempty"`

	// How long an event is tried before it is dead, from the moment at which Meta
	// was answered; and at least three times. Default: 72h.
	GiveUp caddy.Duration `json:"give_up,omitempty"`

	// How many requests are made in a second at most. Default: no limit.
	Rate float64 `json:"rate,omitempty"`

	// How many events are replayed in a second at most, by all who ask
	// together, so that live events do not notice. At least 1. Default: 500, or
	// half of what `rate` lets through if that is less.
	ReplayRate float64 `json:"replay_rate,omitempty"`

	// The handlers that get the events.
	Routes caddyhttp.RouteList `json:"routes,omitempty"`

	matchers caddyhttp.MatcherSets
	chain    Chain
	keys     SigningKeys
}

// SetDefaults sets the options that are not given: to those that the handler
// gives to all destinations, or else to their defaults.
func (d *Destination) SetDefaults(of *Options) {
	d.inherit(of)
	d.Options.SetDefaults()
	if d.Parallel == 0 {
		d.Parallel = defaultParallel
	}
	if d.Deliver == Batch && d.MaxEvents == 0 {
		d.MaxEvents = defaultMaxEvents
	}
	if d.Order == "" {
		d.Order = orderConversation
	}
	if d.RetryPause == 0 {
		d.RetryPause = defaultFirstPause
	}
	if d.MaxRetryPause == 0 {
		d.MaxRetryPause = max(defaultLongestPause, d.RetryPause)
	}
	if d.GiveUp == 0 {
		d.GiveUp = defaultGiveUp
	}
	if d.ReplayRate == 0 {
		d.ReplayRate = d.defaultReplayRate()
	}
}

// Validate reports options that have no meaning.
func (d *Destination) Validate() error {
	if err := d.validate(); err != nil {
		return fmt.Errorf("destination %s: %v", d.Name, err)
	}
	return nil
}

func (d *Destination) validate() error {
	err := cmp.Or(
		rule.For("name", rule.NotEmpty(d.Name)),
		d.validateMessage(),
		rule.For("parallel", rule.AtLeastOne(d.Parallel)),
		rule.For("order", ValidateOrder(d.Order)),
		rule.For("retry", rule.Positive(d.RetryPause)),
		rule.For("give_up", rule.Positive(d.GiveUp)),
		rule.For("replay_rate", rule.AtLeastOne(d.ReplayRate)),
	)
	switch {
	case err != nil:
		return err
	case strings.ContainsFunc(d.Name, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return errors.New("name: must not hold white space")
	case d.MaxRetryPause < d.RetryPause:
		return errors.New("retry: the longest pause must not be shorter than the first")
	case d.Deliver == Batch && d.MaxEvents < 1:
		return errors.New("deliver: a batch has at least 1 event")
	case d.Rate < 0:
		return errors.New("rate: must be more than 0/s")
	case len(d.Routes) == 0:
		return errors.New("no handler: name one that takes the events, such as reverse_proxy")
	}
	return nil
}

// ValidateOrder reports an order that does not exist.
func ValidateOrder(order string) error {
	return rule.OneOf(order, orderConversation, orderEntry, orderNone)
}

// Provision loads the matchers and the handlers. The keys are those that
// messages are signed with.
func (d *Destination) Provision(ctx caddy.Context, keys SigningKeys) error {
	d.keys = keys
	if d.MatcherSetsRaw != nil {
		loaded, err := ctx.LoadModule(d, "MatcherSetsRaw")
		if err != nil {
			return fmt.Errorf("destination %s: match: %v", d.Name, err)
		}
		if err := d.matchers.FromInterface(loaded); err != nil {
			return fmt.Errorf("destination %s: match: %v", d.Name, err)
		}
	}
	if err := d.Routes.Provision(ctx); err != nil {
		return fmt.Errorf("destination %s: %v", d.Name, err)
	}
	server, _ := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if server == nil {
		server = new(caddyhttp.Server)
	}
	d.chain = Chain{Handler: d.Routes.Compile(untaken), Server: server}
	return nil
}

// untaken is the end of a destination's handlers, as Caddy has it.
var untaken = caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
	caddyhttp.SetVar(r.Context(), "unhandled", true)
	return nil
})

// pause returns how long to wait after an attempt that failed.
func (d *Destination) pause(attempt int, asked time.Duration) time.Duration {
	pause, longest := time.Duration(d.RetryPause), time.Duration(d.MaxRetryPause)
	for ; attempt > 1 && pause < longest; attempt-- {
		pause *= 2
	}
	pause = min(pause, longest)
	pause += time.Duration((rand.Float64()*2 - 1) / 5 * float64(pause)) //nolint:gosec // spreads, and hides nothing
	return max(pause, asked)
}
