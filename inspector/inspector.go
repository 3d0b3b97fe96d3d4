// Package inspector is a Caddy HTTP handler that tells on a page what becomes
// of the events that meta_webhook takes: those it delivers inline, as they pass
// the handler, and those it stores, from the store.
package inspector

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"path"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/rule"
)

func init() {
	caddy.RegisterModule(Handler{})
}

// The defaults of the handler's options.
const (
	defaultName      = "default"
	defaultPath      = "/inspector"
	defaultMaxEvents = 1000
	defaultMaxBytes  = 16_000_000
)

// Handler tells the story of events on a page: what they are, when they came,
// every attempt to deliver them and what the app has answered, and what was
// refused or has come again.
//
// Where the `meta_webhook` handler of its name has destinations, the page shows
// what is stored, also of before a restart; with `operate`, events are replayed
// and discarded there, and destinations paused.
//
// Where that handler delivers inline, the page shows what has passed this one,
// which stands where the app would, and answers 200 to every event; or, with
// `pass`, in front of the app, and shows what that has answered as well. What
// is no delivery of `meta_webhook` and does not ask for the page goes to the
// next handler: only events that `meta_webhook` has let through get onto the
// page.
//
// The page shows customers' data. It is for clients on the same machine, and
// for addresses that `allow` names; others are answered 403, as an error
// that has one of these words in `{http.meta_webhook_inspector.error}`:
//
// Reason | Description
// -------|------------
// `client_not_allowed` | The client is neither on this machine nor in `allow`
// `untrusted_proxy` | The request came through a proxy that is not among the server's `trusted_proxies`
// `host_not_allowed` | Over plain HTTP, the page was asked for by a name other than `localhost`, which could be any name that was made to resolve to this machine
// `cross_site` | Another website asked for it
// `operate_off` | Something was to be changed without `operate`
// `too_many_pages` | 503: a hundred pages are told of changes already
// `token_mismatch` | Something was to be changed, but not by the page as it was served since the process began
type Handler struct {
	// What ties the page to the events it shows, over reloads of the
	// configuration, too: it is the name of the `meta_webhook` handler whose
	// stored events the page shows. Handlers of one name show the same events.
	// Default: `default`.
	Name string `json:"name,omitempty"`

	// Where the page is, for GET. Events are taken at whatever path they are
	// delivered to. Default: `/inspector`.
	Path string `json:"path,omitempty"`

	// Pass events to the next handler instead of answering 200. An event
	// is shown once that has answered, with the status of the answer.
	Pass bool `json:"pass,omitempty"`

	// How many events that were delivered inline to keep, in memory. The oldest
	// are dropped first. Default: 1000.
	MaxEvents int `json:"max_events,omitempty"`

	// About how many bytes of them to keep. What is delivered in one request
	// and is larger than that is shown without its payload. Default: 16000000.
	MaxBytes int64 `json:"max_bytes,omitempty"`

	// Who may see the page, beside clients on this machine: IP addresses
	// and CIDR ranges. It is the connection's address that counts, or, behind
	// one of the server's `trusted_proxies`, the client's address that the
	// proxy reports; set `trusted_proxies_strict` where a proxy adds to what
	// the client has reported itself. A client behind a proxy is not on this
	// machine, wherever the proxy is. Default: no one else.
	Allow []string `json:"allow,omitempty"`

	// Let anyone who can see the page replay and discard stored events, and
	// pause destinations. Default: the page only shows.
	Operate bool `json:"operate,omitempty"`

	// Let `caddy meta-webhook listen` have a copy of every event, on any
	// machine, with a token. Default: no copies.
	Listen *Listen `json:"listen,omitempty"`

	allowed  []netip.Prefix
	journal  *journal
	refusals *rate.Sometimes // to log
	stopping chan struct{}   // closed when the server begins to shut down
	stop     func()
	logger   *zap.Logger
}

// CaddyModule returns the Caddy module information.
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.meta_webhook_inspector",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision sets the defaults, reads who may see the page, and takes up the
// events that the handlers of this name have kept.
func (h *Handler) Provision(ctx caddy.Context) error {
	h.logger = ctx.Logger()
	h.refusals = &rate.Sometimes{First: 5, Interval: 10 * time.Second}
	h.setDefaults()
	var err error
	if h.allowed, err = parseAllow(h.Allow); err != nil {
		return rule.For("allow", err)
	}

	// a stream would keep the server from shutting down for as long as the
	// page is open
	h.stopping = make(chan struct{})
	h.stop = sync.OnceFunc(func() { close(h.stopping) })
	if server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok && server != nil {
		server.RegisterOnShutdown(h.stop)
	}

	if h.journal, err = openJournal(h.Name); err != nil || h.Listen == nil {
		return err
	}
	return rule.For("listen", h.Listen.provision(h))
}

func (h *Handler) setDefaults() {
	if h.Name == "" {
		h.Name = defaultName
	}
	if h.Path == "" {
		h.Path = defaultPath
	}
	if h.MaxEvents == 0 {
		h.MaxEvents = defaultMaxEvents
	}
	if h.MaxBytes == 0 {
		h.MaxBytes = defaultMaxBytes
	}
}

// Validate reports options that have no meaning.
func (h *Handler) Validate() error {
	if h.Listen != nil {
		if err := rule.AtLeastOne(h.Listen.MaxListeners); err != nil {
			return rule.For("listen", rule.For("max_listeners", err))
		}
	}
	return cmp.Or(
		rule.For("path", checkPath(h.Path)),
		rule.For("max_events", rule.AtLeastOne(h.MaxEvents)),
		rule.For("max_bytes", rule.AtLeastOne(h.MaxBytes)),
	)
}

// checkPath reports a path at which the page cannot be.
func checkPath(p string) error {
	if !strings.HasPrefix(p, "/") || path.Clean(p) != p {
		return fmt.Errorf("must be a path such as %s, not %q", defaultPath, p)
	}
	return nil
}

func checkAllow(addresses []string) error {
	_, err := parseAllow(addresses)
	return err
}

func parseAllow(addresses []string) ([]netip.Prefix, error) {
	var allowed []netip.Prefix
	for _, address := range addresses {
		prefix, err := caddyhttp.CIDRExpressionToPrefix(address)
		if err != nil {
			return nil, fmt.Errorf("must be IP addresses or CIDR ranges, not %q", address)
		}
		allowed = append(allowed, prefix.Masked())
	}
	return allowed, nil
}

// Cleanup ends the streams of events, and gives the journal back.
func (h *Handler) Cleanup() error {
	if h.stop != nil {
		h.stop()
	}
	err := h.Listen.close()
	if h.journal == nil {
		return err
	}
	return errors.Join(err, h.journal.close())
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if isDelivery(r) {
		return h.take(w, r, next)
	}
	if h.isListener(r) {
		return h.serveListener(w, r)
	}
	if serve := h.resource(r.URL.Path); serve != nil {
		return h.servePage(w, r, serve)
	}
	return next.ServeHTTP(w, r)
}

// isDelivery reports whether a request is one that meta_webhook has made. It
// is the only one for which this placeholder has a value; nothing that a
// sender can send gives it one.
func isDelivery(r *http.Request) bool {
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok || r.Method != http.MethodPost {
		return false
	}
	_, ok = repl.Get("http.meta_webhook.event.id")
	return ok
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.Validator             = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
