// Package metawebhook is a Caddy HTTP handler that receives Meta's webhooks
// (Facebook, Messenger, Instagram, WhatsApp, Threads) on behalf of an app: it
// answers verification requests, lets only authentic notifications pass, and
// hands them to the next handler as normalized events.
package metawebhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
	_ "github.com/caddy-meta-webhook/caddy-meta-webhook/inspector" // comes with the plugin
	_ "github.com/caddy-meta-webhook/caddy-meta-webhook/internal/command"
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
// in it, and hands those that are new to the next handler. It answers 200 once
// every event has been answered 2xx there, now or before, and otherwise an
// error, so that Meta sends the notification again. Nothing that fails a check
// reaches the next handler.
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
	// the configuration is loaded; an empty token is an error.
	VerifyToken []string `json:"verify_token,omitempty"`

	// The app secrets. A notification is authentic if its signature was made
	// with any one of them: give several while you rotate the secret, for
	// several apps on one callback URL, or for an Instagram app with a secret
	// of its own. At least one is required. Placeholders are replaced when
	// the configuration is loaded; an empty secret is an error, because it
	// would authenticate anyone.
	AppSecret []string `json:"app_secret,omitempty"`

	// Accept only requests from whoever presents Meta's client certificate.
	// Default: anyone who knows the token or the secret.
	ClientCert *ClientCert `json:"client_cert,omitempty"`

	// How events are handed to the next handler. Default: `each`.
	//
	// - `each`: one request for each event, whose body is the event as a
	// CloudEvent in JSON. The events of one entry come one after another, in
	// order. An event that fails does not stop the others.
	// - `batch`: one request for each notification, whose body is a JSON
	// array of its events. It succeeds or fails as a whole.
	// - `original`: one request for each notification, with the bytes and the
	// signature that Meta sent, unless every event in it was delivered before.
	Deliver string `json:"deliver,omitempty"`

	// Label bodies with the media types of CloudEvents,
	// `application/cloudevents+json` and, for `batch`,
	// `application/cloudevents-batch+json`, instead of `application/json`.
	// Not for `original`.
	CloudEvents bool `json:"cloudevents,omitempty"`

	// With `each`: from how many entries of one notification events may be
	// handed on at the same time. Default: 16.
	Parallel int `json:"parallel,omitempty"`

	// Sign what is handed on by the
	// [Standard Webhooks](https://www.standardwebhooks.com) specification, so
	// that the app can check that it came from here: `Webhook-Signature` is
	// over `Webhook-Id`, `Webhook-Timestamp` and the body. Each secret is
	// `whsec_` and 24 to 64 bytes in base64; with several, there is a
	// signature by each, for the app to change from one to another.
	// Placeholders are replaced when the configuration is loaded. Default: no
	// signature.
	Sign []string `json:"sign,omitempty"`

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

	// How to drop the repeats of events that were delivered. Default: they are
	// remembered in memory.
	Dedup *Dedup `json:"dedup,omitempty"`

	tokens  tokens
	secrets secrets
	signing signingKeys

	store *sharedStore  // what was delivered
	lease time.Duration // of claims

	meter  *meter
	record *record
	events emitter

	named    *nameKey        // what this handler has to give back in Cleanup
	stopping context.Context // ends when the server begins to shut down
	stop     context.CancelFunc
	logger   *zap.Logger
}

// CaddyModule returns the Caddy module information.
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.meta_webhook",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision sets the defaults, claims the name, resolves the secrets, loads
// the trust pool, opens the record of the name and the store of what was
// delivered.
func (h *Handler) Provision(ctx caddy.Context) error {
	h.logger = ctx.Logger()
	h.setDefaults()
	if err := h.claimName(ctx); err != nil {
		return err
	}

	var err error
	if h.tokens, err = newTokens(h.VerifyToken); err != nil {
		return fmt.Errorf("verify_token: %v", err)
	}
	if h.secrets, err = newSecrets(h.AppSecret); err != nil {
		return fmt.Errorf("app_secret: %v", err)
	}
	if h.signing, err = newSigningKeys(h.Sign); err != nil {
		return fmt.Errorf("sign: %v", err)
	}

	if h.ClientCert != nil {
		if err := h.ClientCert.provision(ctx, h.logger); err != nil {
			return fmt.Errorf("client_cert: %v", err)
		}
	}

	if h.events, err = newEmitter(ctx); err != nil {
		return fmt.Errorf("events: %v", err)
	}
	h.record = openRecord(h.Name)
	if h.meter, err = newMeter(ctx, h.Name); err != nil {
		return fmt.Errorf("metrics: %v", err)
	}
	h.lease = defaultLease
	if !h.Dedup.Off {
		if h.store, err = h.Dedup.provision(ctx, h.Name); err != nil {
			return fmt.Errorf("dedup: %v", err)
		}
	}

	h.stopping, h.stop = context.WithCancel(context.Background())
	context.AfterFunc(h.stopping, h.endUnwaited)
	if server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok && server != nil {
		server.RegisterOnShutdown(h.stop)
	}
	return nil
}

func (h *Handler) setDefaults() {
	if h.Name == "" {
		h.Name = defaultName
	}
	if h.Deliver == "" {
		h.Deliver = deliverEach
	}
	if h.Deliver == deliverEach && h.Parallel == 0 {
		h.Parallel = defaultParallel
	}
	if h.MaxSize == 0 {
		h.MaxSize = defaultMaxSize
	}
	if h.MaxBuffered == 0 {
		h.MaxBuffered = max(defaultMaxBuffered, buffersOfMaxSize*h.MaxSize)
	}
	if h.BodyTimeout == 0 {
		h.BodyTimeout = defaultBodyTimeout
	}
	if h.ClientCert != nil {
		h.ClientCert.setDefaults()
	}
	if h.Dedup == nil {
		h.Dedup = new(Dedup)
	}
	h.Dedup.setDefaults()
}

// Validate reports options that have no meaning.
func (h *Handler) Validate() error {
	switch {
	case !slices.Contains(deliverModes, h.Deliver):
		return fmt.Errorf("deliver: %q is none of %s", h.Deliver, strings.Join(deliverModes, ", "))
	case h.CloudEvents && h.Deliver == deliverOriginal:
		return fmt.Errorf("cloudevents: with deliver original, bodies are Meta's own and no CloudEvents")
	case h.Parallel != 0 && h.Deliver != deliverEach:
		return fmt.Errorf("parallel: with deliver %s, there is one request for each notification", h.Deliver)
	case h.Parallel < 0:
		return fmt.Errorf("parallel: must be at least 1")
	case h.MaxSize < 0:
		return fmt.Errorf("max_size: must be at least 1")
	case h.MaxSize > event.MaxSize:
		return fmt.Errorf("max_size: must be at most %d", event.MaxSize)
	case h.MaxBuffered/leastBuffersOfMaxSize < h.MaxSize:
		return fmt.Errorf("max_buffered: must be at least %d times max_size", leastBuffersOfMaxSize)
	case h.BodyTimeout < 0:
		return fmt.Errorf("body_timeout: must be longer than 0s")
	}
	if h.ClientCert != nil {
		if err := h.ClientCert.validate(); err != nil {
			return fmt.Errorf("client_cert: %v", err)
		}
	}
	if err := h.Dedup.validate(); err != nil {
		return fmt.Errorf("dedup: %v", err)
	}
	return nil
}

// Cleanup gives the store, the record and the name back.
func (h *Handler) Cleanup() error {
	if h.stop != nil {
		h.stop()
	}
	var err error
	if h.store != nil {
		err = h.store.release()
	}
	if h.record != nil {
		err = errors.Join(err, h.record.close())
	}
	return errors.Join(err, h.releaseName())
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		return h.refuseUnread(w, r, errMethod)
	}
	if c := h.ClientCert; c != nil && (r.Method == http.MethodPost || c.Require == requireAll) {
		if shown, err := c.check(r); err != nil {
			return h.refuseUnread(w, r, err, shown...)
		}
	}
	if r.Method == http.MethodGet {
		return h.serveVerification(w, r)
	}
	return h.serveNotification(w, r, next)
}

// serveNotification takes a notification through the checks, the cheapest
// first, and hands its events on.
func (h *Handler) serveNotification(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	signature, err := parseSignature(r.Header)
	if err != nil {
		return h.refuseUnread(w, r, err)
	}
	mem := h.share()
	defer mem.free()
	body, err := h.readBody(w, r, mem)
	if err != nil {
		if err == errOverloaded {
			h.retryLater(w)
		}
		return h.refuseUnread(w, r, err)
	}
	if !h.secrets.signed(body, signature) {
		return h.refuse(r, errSignature)
	}
	d := h.newDelivery(r, next, body)
	defer d.cancel()
	h.meter.sizes.Observe(float64(len(body)))
	h.begin(d)
	err = h.serveAuthentic(w, d, mem)
	result := resultOf(err)
	h.record.end(d, result)
	h.logNotification(d, result)
	return err
}

// serveAuthentic hands the events of an authentic notification on, and answers
// it.
func (h *Handler) serveAuthentic(w http.ResponseWriter, d *delivery, mem *share) (err error) {
	room := int64(event.Room(d.body))
	if !mem.take(room, mem.forAuthentic()) {
		return h.refuseForNow(w, d.original, errOverloaded, zap.Int64("needed", room))
	}
	if d.all, err = event.Parse(d.body); err != nil {
		return h.refuse(d.original, refusedBody(err))
	}
	mem.give(room - int64(event.Held(d.all)))
	if room := h.encodingRoom(d.all); !mem.take(room, mem.forAuthentic()) {
		return h.refuseForNow(w, d.original, errOverloaded, zap.Int64("needed", room))
	}
	if len(d.all) > 0 {
		if err := h.deliver(w, d); err != nil {
			return err
		}
	}
	h.answered(d.original, resultOK)
	w.WriteHeader(http.StatusOK)
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.Validator             = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
