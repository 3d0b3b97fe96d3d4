package inspector

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"path"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/caddyblock"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/listen"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/loopback"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/rule"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/secret"
)

const (
	// listenName is where the stream is, in the page's path.
	listenName = "listen"

	defaultMaxListeners = 8
)

// Listen lets `caddy meta-webhook listen`, on any machine, have a copy of every
// event: of what is stored for destinations, or, inline, of what is delivered to
// this handler. The copies are a stream at the page's path with `/listen`
// behind it, `/inspector/listen` by default.
//
// A listener shows one of the tokens, as `Authorization: Bearer …`, over HTTPS
// or from this machine; `allow` does not count for it. The others are answered
// with an error that has one of these words in
// `{http.meta_webhook_inspector.error}`:
//
// Status | Reason | Description
// -------|--------|------------
// 401 | `token_missing` | There is no token, or more than one
// 401 | `token_wrong` | The token is not configured
// 403 | `insecure_connection` | The request came over plain HTTP from another machine, or through a proxy that does not say otherwise or is not trusted
// 503 | `too_many_listeners` | There are as many listeners as `max_listeners`
//
// Nothing waits for a listener: one that does not read is cut off.
type Listen struct {
	// The tokens, any of which opens the stream. With it one reads customers'
	// data: make it of 32 random bytes. Placeholders are replaced when the
	// configuration is loaded. Required.
	Tokens []string `json:"tokens,omitempty"`

	// How many listeners there may be at the same time. Default: 8.
	MaxListeners int `json:"max_listeners,omitempty"`

	accepted [][sha256.Size]byte // the digests of the tokens
	server   *listen.Server
}

// The refusals of listeners.
const (
	errTokenMissing refusal = "token_missing"
	errTokenWrong   refusal = "token_wrong"
	errInsecure     refusal = "insecure_connection"
	errTooMany      refusal = "too_many_listeners"
)

// unmarshal sets up the option from Caddyfile tokens.
func (l *Listen) unmarshal(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	err := caddyblock.Unmarshal(d, func(d *caddyfile.Dispenser, option string) error {
		switch option {
		case "token":
			return caddyblock.Values(d, &l.Tokens, secret.CheckAll)
		case "max_listeners":
			return caddyblock.Value(d, &l.MaxListeners, caddyblock.Number, rule.AtLeastOne)
		}
		return caddyblock.Unrecognized(d, "listen", option)
	})
	if err == nil && len(l.Tokens) == 0 {
		return d.Err("listen: token: at least one is required")
	}
	return err
}

// provision resolves the tokens, and takes up the messages that are kept.
func (l *Listen) provision(h *Handler) error {
	if l.MaxListeners == 0 {
		l.MaxListeners = defaultMaxListeners
	}
	tokens, err := secret.ResolveAll(l.Tokens)
	if err != nil {
		return rule.For("token", err)
	}
	for _, token := range tokens {
		l.accepted = append(l.accepted, sha256.Sum256([]byte(token)))
	}
	l.server = &listen.Server{
		Name: h.Name, MaxListeners: l.MaxListeners, MaxEvents: h.MaxEvents, MaxBytes: h.MaxBytes,
		Stopping: h.stopping, Logger: h.logger,
	}
	return l.server.Open()
}

// close gives the messages back.
func (l *Listen) close() error {
	if l == nil || l.server == nil {
		return nil
	}
	return l.server.Close()
}

// take copies a delivery to the listeners, and returns what is to be called
// once the app has answered.
func (l *Listen) take(r *http.Request, d *delivery) (answered func(*delivery)) {
	if l == nil {
		return func(*delivery) {}
	}
	told := l.server.Take(r, d.body, d.received)
	return func(d *delivery) { told(d.failure != "" || d.answer != 0 && (d.answer < 200 || d.answer > 299)) }
}

// isListener reports whether a request asks for the stream of listeners.
func (h *Handler) isListener(r *http.Request) bool {
	return h.Listen != nil && r.URL.Path == path.Join(h.Path, listenName)
}

// serveListener serves the stream to a listener that may have it.
func (h *Handler) serveListener(w http.ResponseWriter, r *http.Request) error {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	if !isPrivate(r) {
		return h.refuseWith(r, http.StatusForbidden, errInsecure)
	}
	if r.Method != http.MethodGet {
		header.Set("Allow", http.MethodGet)
		return caddyhttp.Error(http.StatusMethodNotAllowed, nil)
	}
	if reason := h.Listen.checkToken(r); reason != "" {
		header.Set("WWW-Authenticate", `Bearer realm="meta_webhook"`)
		return h.refuseWith(r, http.StatusUnauthorized, reason)
	}
	if !h.Listen.server.Enter() {
		header.Set("Retry-After", "5")
		return h.refuseWith(r, http.StatusServiceUnavailable, errTooMany)
	}
	defer h.Listen.server.Leave()
	h.Listen.server.ServeHTTP(w, r)
	return nil
}

// isPrivate reports whether no one between the listener and here can read what
// it is sent, or the token.
func isPrivate(r *http.Request) bool {
	if isSecure(r) {
		return true
	}
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	return err == nil && !isForwarded(r.Header) && loopback.Is(ip)
}

// checkToken judges the token of a request. All tokens are compared, in a time
// that tells nothing.
func (l *Listen) checkToken(r *http.Request) refusal {
	values := r.Header["Authorization"]
	if len(values) != 1 {
		return errTokenMissing
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return errTokenMissing
	}
	given, equal := sha256.Sum256([]byte(token)), 0
	for i := range l.accepted {
		equal |= subtle.ConstantTimeCompare(l.accepted[i][:], given[:])
	}
	if equal == 0 {
		return errTokenWrong
	}
	return ""
}
