// Package metawebhook is a Caddy HTTP handler that receives Meta's webhooks
// (Facebook, Messenger, Instagram, WhatsApp, Threads) on behalf of an app: it
// answers verification requests, lets only authentic notifications pass, and
// hands them to the next handler as normalized events.
package metawebhook

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
	_ "github.com/caddy-meta-webhook/caddy-meta-webhook/inspector" // comes with the plugin
	_ "github.com/caddy-meta-webhook/caddy-meta-webhook/internal/admin"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/budget"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/callback"
	_ "github.com/caddy-meta-webhook/caddy-meta-webhook/internal/command"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/delivery"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/lifecycle"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/name"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/observe"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/rule"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/secret"
	_ "github.com/caddy-meta-webhook/caddy-meta-webhook/store/file"
	_ "github.com/caddy-meta-webhook/caddy-meta-webhook/store/memory"
	_ "github.com/caddy-meta-webhook/caddy-meta-webhook/store/postgres"
)

func init() {
	caddy.RegisterModule(Handler{})
}

// The defaults of the handler's options.
const (
	defaultName        = "default"
	defaultParallel    = 16
	defaultMaxSize     = 4_000_000
	defaultBodyTimeout = caddy.Duration(10 * time.Second)
)

// Handler receives Meta's webhooks for the app behind it.
//
// It answers verification requests (GET) itself. Of notifications (POST), it
// authenticates the signature, turns each into events, one for every update
// in it, and delivers those that are new to the next handler. It answers 200
// once every event has been answered 2xx there, now or before, and otherwise an
// error, so that Meta sends the notification again. Nothing that fails a check
// reaches the next handler.
//
// With a destination or more, it answers 200 once the events are stored, and
// delivers them to the handlers of each destination afterwards: in the order of
// their conversations, again and again where that fails, until they are dead.
//
// Requests that are refused are errors, for `handle_errors` to shape. These
// placeholders are set:
//
// Placeholder | Description
// ------------|---------------
// `{http.meta_webhook.error}` | Why the request was refused, as a fixed word such as `signature_mismatch`; in error routes
// `{http.meta_webhook.event.id}` | The event's id, 32 hex digits: the same on every retry
// `{http.meta_webhook.event.type}` | The event's CloudEvents type, such as `com.facebook.page.feed`
// `{http.meta_webhook.event.source}` | The event's CloudEvents source, such as `https://graph.facebook.com/1234`
// `{http.meta_webhook.event.subject}` | The update's own id, such as a message's; empty if it has none
// `{http.meta_webhook.event.object}` | What the notification is about, such as `page` or `whatsapp_business_account`
// `{http.meta_webhook.event.entry}` | The id of the page or account
// `{http.meta_webhook.event.field}` | The subscribed field
// `{http.meta_webhook.event.kind}` | What happened, such as `messages`, `statuses` or `message_reads`
// `{http.meta_webhook.event.conversation}` | What order is kept in, such as a customer's messages to one phone number
// `{http.meta_webhook.event.data.<path>}` | A member of the event's data by dotted path, such as `data.metadata.phone_number_id`; empty if there is none
// `{http.meta_webhook.attempt}` | At a destination, which attempt to deliver this is, from 1
//
// The event's placeholders are for the handlers behind this one. With
// `deliver` set to `batch` or `original`, there may be many events in one
// request: a placeholder then has the value that all of them share, and is
// empty where they differ; the id is the request's own.
type Handler struct {
	// What ties the handler to what it remembers, and labels its metrics,
	// logs and status. Give each callback URL with a backend of its own a
	// name of its own. Two handlers of one name in one configuration must be
	// equal. Default: `default`.
	Name string `json:"name,omitempty"`

	// The verify tokens, as set in Meta's App Dashboard beside the callback
	// URL. Any one of them is accepted; give the old and the new one while
	// you change it. At least one is required. Placeholders are replaced when
	// the configuration is loaded. A token is an error if it is empty, has a
	// control character, or begins or ends with white space or a byte order
	// mark.
	VerifyToken []string `json:"verify_token,omitempty"`

	// The app secrets. A notification is authentic if its signature was made
	// with any one of them: give several while you rotate the secret, for
	// several apps on one callback URL, or for an Instagram app with a secret
	// of its own. At least one is required. Placeholders are replaced when
	// the configuration is loaded. A secret is an error if it is empty, which
	// would authenticate anyone, has a control character, or begins or ends
	// with white space or a byte order mark.
	AppSecret []string `json:"app_secret,omitempty"`

	// Accept only requests that come with Meta's client certificate. Default:
	// off; the token or the secret is enough.
	ClientCert *ClientCert `json:"client_cert,omitempty"`

	delivery.Options

	// How many bytes the body of a notification may have. A larger one is
	// answered 413. Default: 4000000 (WhatsApp sends up to 3 MB); at most
	// 67108864.
	MaxSize int64 `json:"max_size,omitempty"`

	// How many bytes of memory all notifications together may take, of all
	// handlers of this name: their bodies as they arrive, authentic or not,
	// their events, and the bodies that are made of these. What does not fit is
	// answered 503 with `Retry-After`, so that a flood cannot exhaust the
	// machine. Bodies may take up half of it, bodies of less than 16 kB three
	// quarters, and the rest is for what has been authenticated. It must be at
	// least four times `max_size`. Default: 256000000, or 16 times `max_size`
	// if that is more.
	MaxBuffered int64 `json:"max_buffered,omitempty"`

	// How long the whole body of a notification may take to arrive. A slower
	// one is answered 408. Default: 10s.
	BodyTimeout caddy.Duration `json:"body_timeout,omitempty"`

	// Where to remember which events were delivered: `memory`, `file` or
	// `postgres`. Default: `memory`.
	StoreRaw json.RawMessage `json:"store,omitempty" caddy:"namespace=http.meta_webhook.store inline_key=module"`

	// How to drop the repeats of events that were delivered.
	Dedup *delivery.Dedup `json:"dedup,omitempty"`

	// The app's other two callback URLs, at which Meta says that a user has
	// removed the app or asks for the deletion of their data. What comes there
	// is a form, signed with the app secret; it is delivered like other
	// events. Neither carries Meta's client certificate. A path that none of
	// them has is the callback URL of webhooks. Default: none.
	Callbacks []*callback.Callback `json:"callbacks,omitempty"`

	// Where events are delivered after Meta was answered: the answer is 200 as
	// soon as they are in the store, which must be `file` or `postgres`.
	// Default: none, and events are delivered to the handlers behind this one
	// before Meta is answered. Options of how a message is made, such as
	// `deliver`, then count for every destination that has none of its own.
	Destinations []*delivery.Destination `json:"destinations,omitempty"`

	tokens  tokens
	secrets secrets

	inline   *delivery.Inline // without destinations
	stored   *delivery.Stored // with destinations
	observer *observe.Observer
	budget   *budget.Budget

	named      *name.Claim        // what this handler has to give back in Cleanup
	delivering bool               // likewise: it has started to deliver what is stored
	stop       context.CancelFunc // ends with the server's life, or the configuration's
}

// CaddyModule returns the Caddy module information.
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.meta_webhook",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision sets the defaults, claims the name, resolves the secrets, loads
// the trust pool, and opens the observer and the budget of the name, which are
// in memory. What is outside of the process opens when the configuration runs:
// one that is only validated leaves no trace.
func (h *Handler) Provision(ctx caddy.Context) error {
	err := h.provision(ctx)
	if err != nil {
		// Caddy's own error begins with the path to this handler. This line
		// begins with the option.
		ctx.Logger().Error(err.Error())
	}
	return err
}

func (h *Handler) provision(ctx caddy.Context) error {
	logger := ctx.Logger()
	h.setDefaults()
	var err error
	if h.named, err = name.Of(ctx, h.Name, h); err != nil {
		return fmt.Errorf("name: %v", err)
	}
	if h.tokens, err = newTokens(h.VerifyToken); err != nil {
		return fmt.Errorf("verify_token: %v", err)
	}
	if h.secrets, err = newSecrets(h.AppSecret); err != nil {
		return fmt.Errorf("app_secret: %v", err)
	}
	if h.ClientCert != nil {
		if err := h.ClientCert.provision(ctx, logger); err != nil {
			return fmt.Errorf("client_cert: %v", err)
		}
	}
	if h.observer, err = observe.New(ctx, h.Name, logger); err != nil {
		return err
	}
	h.budget = budget.Open(h.Name)
	if len(h.Destinations) > 0 {
		return h.provisionStored(ctx)
	}
	return h.provisionInline(ctx)
}

// provisionStored sets up the delivery to destinations.
func (h *Handler) provisionStored(ctx caddy.Context) error {
	for _, d := range h.Destinations {
		keys, err := signingKeys(d.Sign)
		if err != nil {
			return fmt.Errorf("destination %s: sign: %v", d.Name, err)
		}
		if err := d.Provision(ctx, keys); err != nil {
			return err
		}
	}
	module, err := h.loadStore(ctx)
	if err != nil {
		return err
	}
	queue, err := delivery.QueueOf(module, h.Name)
	if err != nil {
		return fmt.Errorf("store: %v", err)
	}
	s := &delivery.Stored{
		Name: h.Name, Observer: h.observer, Queue: queue, Destinations: h.Destinations,
		ReadAhead: h.MaxBuffered / 4,
	}
	if !h.Dedup.Off {
		s.Policy = h.Dedup
	}
	h.stored = s
	return lifecycle.Add(ctx, lifecycle.Part{Name: h.Name, Start: h.startStored, Stop: s.Stop})
}

// startStored begins to deliver to the destinations.
func (h *Handler) startStored() error {
	err := h.stored.StartOnce(*h.named)
	h.delivering = err == nil
	return rule.For("store", err)
}

// loadStore loads the module of the store.
func (h *Handler) loadStore(ctx caddy.Context) (any, error) {
	if err := delivery.CheckStore(h.StoreRaw); err != nil {
		return nil, fmt.Errorf("store: %v", err)
	}
	module, err := ctx.LoadModule(h, "StoreRaw")
	return module, rule.For("store", err)
}

// provisionInline sets up the delivery to the next handler.
func (h *Handler) provisionInline(ctx caddy.Context) error {
	keys, err := signingKeys(h.Sign)
	if err != nil {
		return fmt.Errorf("sign: %v", err)
	}
	i := &delivery.Inline{
		Sender:  delivery.Sender{Keys: keys, Observer: h.observer, Timeout: time.Duration(h.Timeout)},
		Options: &h.Options,
		Lease:   delivery.DefaultLease,
	}
	if !h.Dedup.Off {
		i.Policy = h.Dedup
		module, err := h.loadStore(ctx)
		if err != nil {
			return err
		}
		if i.Ledger, err = delivery.LedgerOf(module, h.Name); err != nil {
			return fmt.Errorf("store: %v", err)
		}
		start := func() error { return rule.For("store", i.Ledger.Start()) }
		if err := lifecycle.Add(ctx, lifecycle.Part{Name: h.Name, Start: start}); err != nil {
			return err
		}
	}
	stopping, stop := context.WithCancel(context.Background())
	i.Start(stopping)
	if server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok && server != nil {
		server.RegisterOnShutdown(stop)
	}
	h.inline, h.stop = i, stop
	return nil
}

// signingKeys resolves and parses the secrets that messages are signed with.
func signingKeys(raw []string) (delivery.SigningKeys, error) {
	if raw == nil {
		return nil, nil
	}
	resolved, err := secret.ResolveAll(raw)
	if err != nil {
		return nil, err
	}
	return delivery.ParseSigningKeys(resolved)
}

func (h *Handler) setDefaults() {
	if h.Name == "" {
		h.Name = defaultName
	}
	for _, d := range h.Destinations {
		d.SetDefaults(&h.Options)
	}
	if len(h.Destinations) == 0 {
		h.Options.SetDefaults()
	}
	if h.MaxSize == 0 {
		h.MaxSize = defaultMaxSize
	}
	if h.MaxBuffered == 0 {
		h.MaxBuffered = budget.DefaultMax(h.MaxSize)
	}
	if h.BodyTimeout == 0 {
		h.BodyTimeout = defaultBodyTimeout
	}
	if h.ClientCert != nil {
		h.ClientCert.setDefaults()
	}
	if h.Dedup == nil {
		h.Dedup = new(delivery.Dedup)
	}
	h.Dedup.SetDefaults()
	if h.StoreRaw == nil && !h.Dedup.Off {
		h.StoreRaw = delivery.DefaultStore
	}
}

// Validate reports options that have no meaning.
func (h *Handler) Validate() error {
	err := cmp.Or(
		h.validateDelivery(),
		rule.For("max_size", checkMaxSize(h.MaxSize)),
		rule.For("max_buffered", checkMaxBuffered(h.MaxBuffered)),
		rule.For("body_timeout", rule.Positive(h.BodyTimeout)),
		rule.For("dedup", h.Dedup.Validate()),
	)
	for _, c := range h.Callbacks {
		err = cmp.Or(err, rule.For("callback", c.Validate()))
	}
	switch {
	case err != nil:
		return err
	case h.MaxBuffered/budget.LeastTimes < h.MaxSize:
		return fmt.Errorf("max_buffered: must be at least %d times max_size", budget.LeastTimes)
	case h.Dedup.Off && h.StoreRaw != nil && len(h.Destinations) == 0:
		return errors.New("store: dedup off leaves nothing to remember")
	case h.ClientCert != nil:
		return rule.For("client_cert", h.ClientCert.validate())
	}
	return nil
}

func checkMaxSize(size int64) error { return rule.Between(size, 1, event.MaxSize) }

func checkMaxBuffered(size int64) error { return rule.Between(size, 1, budget.Most) }

// validateDelivery reports options of the delivery that have no meaning.
func (h *Handler) validateDelivery() error {
	if len(h.Destinations) == 0 {
		return h.Options.Validate()
	}
	seen := make(map[string]bool)
	for _, d := range h.Destinations {
		if err := d.Validate(); err != nil {
			return err
		}
		if seen[d.Name] {
			return fmt.Errorf("destination %s: there are two of this name", d.Name)
		}
		seen[d.Name] = true
	}
	return nil
}

// Cleanup gives back what Provision has opened, and the start.
func (h *Handler) Cleanup() error {
	if h.stop != nil {
		h.stop()
	}
	var err error
	if h.inline != nil && h.inline.Ledger != nil {
		err = h.inline.Ledger.End()
	}
	if h.delivering {
		err = delivery.End(*h.named)
	}
	if h.stored != nil {
		err = errors.Join(err, h.stored.Queue.End())
	}
	if h.budget != nil {
		err = errors.Join(err, h.budget.Close())
	}
	if h.observer != nil {
		err = errors.Join(err, h.observer.Close())
	}
	return errors.Join(err, h.named.Release())
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.Validator             = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
