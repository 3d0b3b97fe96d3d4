package inspector

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// A refusal is why a client may not see the page, as a fixed word.
type refusal string

// Error implements error.
func (f refusal) Error() string { return string(f) }

// The refusals.
const (
	errClient    refusal = "client_not_allowed"
	errProxy     refusal = "untrusted_proxy"
	errHost      refusal = "host_not_allowed"
	errCrossSite refusal = "cross_site"
	errOperate   refusal = "operate_off"
	errToken     refusal = "token_mismatch"
	errPages     refusal = "too_many_pages"
)

// refuse returns the error that answers a request with a refusal, and logs it.
func (h *Handler) refuse(r *http.Request, reason refusal) error {
	return h.refuseWith(r, http.StatusForbidden, reason)
}

// refuseWith is refuse with another status.
func (h *Handler) refuseWith(r *http.Request, status int, reason refusal) error {
	h.refusals.Do(func() {
		h.logger.Warn("refused",
			zap.String("name", h.Name),
			zap.String("reason", string(reason)),
			zap.String("remote_addr", r.RemoteAddr),
			zap.String("host", r.Host),
		)
	})
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		repl.Set("http.meta_webhook_inspector.error", string(reason))
	}
	return caddyhttp.Error(status, reason)
}

// check finds out whether the sender of the request may see the page. It
// returns the empty refusal if so.
func (h *Handler) check(r *http.Request, isDocument bool) refusal {
	if reason := h.checkClient(r); reason != "" {
		return reason
	}
	if !isSecure(r) && !isOwnName(r.Host) {
		return errHost
	}
	if isCrossSite(r, isDocument) {
		return errCrossSite
	}
	return ""
}

// checkClient judges where the request is from.
func (h *Handler) checkClient(r *http.Request) refusal {
	if isForwarded(r.Header) {
		// What a proxy forwards is from anywhere, though the proxy be on this
		// machine; and only a trusted one says from where.
		if !isFromTrustedProxy(r) {
			return errProxy
		}
		ip, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
		return h.allows(ip, false)
	}
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return errClient
	}
	return h.allows(ip, true)
}

// allows judges an address.
func (h *Handler) allows(ip string, direct bool) refusal {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return errClient
	}
	addr = addr.Unmap().WithZone("")
	if direct && addr.IsLoopback() {
		return ""
	}
	if slices.ContainsFunc(h.allowed, func(p netip.Prefix) bool { return p.Contains(addr) }) {
		return ""
	}
	return errClient
}

// forwardingHeaders are those by which proxies tell of themselves.
var forwardingHeaders = []string{
	"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port",
	"X-Forwarded-Server", "X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "X-Original-Forwarded-For",
	"Cf-Connecting-Ip", "True-Client-Ip", "Fly-Client-Ip", "Fastly-Client-Ip",
}

// isForwarded reports whether a request has come through a proxy.
func isForwarded(header http.Header) bool {
	return slices.ContainsFunc(forwardingHeaders, func(name string) bool {
		_, ok := header[name]
		return ok
	})
}

func isFromTrustedProxy(r *http.Request) bool {
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	return trusted
}

// isSecure reports whether the browser has checked whose name it asks for.
func isSecure(r *http.Request) bool {
	return r.TLS != nil || isFromTrustedProxy(r) && r.Header.Get("X-Forwarded-Proto") == "https"
}

// isOwnName reports whether a host is an address, or localhost. Any other name
// may be a stranger's whose page has it resolve to this machine, and who would
// then be of one origin with ours.
func isOwnName(host string) bool {
	name := (&url.URL{Host: host}).Hostname()
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}

// isCrossSite reports whether a page of another origin has sent the request.
// Following a link to the page is no harm.
func isCrossSite(r *http.Request, isDocument bool) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return false
	case "": // an old browser, or not over a connection it trusts, or no browser
		origin := r.Header.Get("Origin")
		if origin == "" {
			return false
		}
		u, err := url.Parse(origin)
		return err != nil || !strings.EqualFold(u.Host, r.Host)
	}
	return !isDocument || r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document"
}
