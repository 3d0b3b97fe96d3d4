package inspector

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func TestWhoMaySeeThePage(t *testing.T) {
	type change func(*http.Request)
	from := func(addr string) change { return func(r *http.Request) { r.RemoteAddr = addr } }
	header := func(name, value string) change { return func(r *http.Request) { r.Header.Set(name, value) } }
	host := func(host string) change { return func(r *http.Request) { r.Host = host } }
	proxied := func(client string) change {
		return func(r *http.Request) {
			r.Header.Set("X-Forwarded-For", client)
			caddyhttp.SetVar(r.Context(), caddyhttp.TrustedProxyVarKey, true)
			caddyhttp.SetVar(r.Context(), caddyhttp.ClientIPVarKey, client)
		}
	}
	overTLS := func(r *http.Request) { r.TLS = new(tls.ConnectionState) }
	const allowed, alsoAllowed, stranger = "192.0.2.7:1", "[fd00::7]:1", "198.51.100.7:1"

	for name, tc := range map[string]struct {
		changes []change
		want    refusal
	}{
		"loopback":                             {nil, ""},
		"another loopback address":             {[]change{from("127.1.2.3:1")}, ""},
		"loopback over IPv6":                   {[]change{from("[::1]:1"), host("[::1]:8080")}, ""},
		"loopback in IPv6":                     {[]change{from("[::ffff:127.0.0.1]:1")}, ""},
		"loopback, asked for by address":       {[]change{host("127.0.0.1:8080")}, ""},
		"loopback, without a port":             {[]change{host("localhost")}, ""},
		"loopback, a name of localhost":        {[]change{host("shop.localhost:8080")}, ""},
		"allowed address":                      {[]change{from(allowed), host("192.0.2.1:8080")}, ""},
		"allowed range":                        {[]change{from(alsoAllowed), host("[fd00::1]:8080")}, ""},
		"allowed, over TLS and by name":        {[]change{from(allowed), host("gateway.example"), overTLS}, ""},
		"stranger":                             {[]change{from(stranger)}, errClient},
		"stranger who says he is here":         {[]change{from(stranger), header("X-Forwarded-For", "127.0.0.1")}, errProxy},
		"no address":                           {[]change{from("@")}, errClient},
		"empty address":                        {[]change{from("")}, errClient},
		"loopback, through a proxy":            {[]change{header("X-Forwarded-For", "198.51.100.7")}, errProxy},
		"through a proxy that is loopback":     {[]change{header("X-Forwarded-For", "127.0.0.1")}, errProxy},
		"through a proxy with Forwarded":       {[]change{header("Forwarded", "for=127.0.0.1")}, errProxy},
		"through a proxy with Via":             {[]change{header("Via", "1.1 proxy")}, errProxy},
		"through a proxy with X-Real-IP":       {[]change{header("X-Real-IP", "127.0.0.1")}, errProxy},
		"allowed, through a proxy":             {[]change{from(allowed), header("X-Forwarded-For", "192.0.2.7")}, errProxy},
		"stranger through a trusted proxy":     {[]change{proxied("198.51.100.7")}, errClient},
		"loopback through a trusted proxy":     {[]change{proxied("127.0.0.1")}, errClient},
		"allowed through a trusted proxy":      {[]change{proxied("192.0.2.7")}, ""},
		"allowed through a proxy, by name":     {[]change{proxied("192.0.2.7"), host("gateway.example")}, errHost},
		"allowed through a proxy with TLS":     {[]change{proxied("192.0.2.7"), host("gateway.example"), header("X-Forwarded-Proto", "https")}, ""},
		"by a stranger's name":                 {[]change{host("evil.example:8080")}, errHost},
		"by a name that looks like localhost":  {[]change{host("localhost.evil.example")}, errHost},
		"by a name that ends like localhost":   {[]change{host("evillocalhost")}, errHost},
		"by a name that looks like an address": {[]change{host("127.0.0.1.evil.example")}, errHost},
		"by no name":                           {[]change{host("")}, errHost},
		"allowed, by a stranger's name":        {[]change{from(allowed), host("evil.example")}, errHost},
		"own script":                           {[]change{header("Sec-Fetch-Site", "same-origin")}, ""},
		"address typed in":                     {[]change{header("Sec-Fetch-Site", "none")}, ""},
		"page of another site":                 {[]change{header("Sec-Fetch-Site", "cross-site"), header("Sec-Fetch-Mode", "no-cors")}, errCrossSite},
		"page of another port":                 {[]change{header("Sec-Fetch-Site", "same-site"), header("Sec-Fetch-Mode", "cors")}, errCrossSite},
		"frame of another site":                {[]change{header("Sec-Fetch-Site", "cross-site"), header("Sec-Fetch-Mode", "navigate"), header("Sec-Fetch-Dest", "iframe")}, errCrossSite},
		"link to the data":                     {[]change{header("Sec-Fetch-Site", "cross-site"), header("Sec-Fetch-Mode", "navigate"), header("Sec-Fetch-Dest", "document")}, errCrossSite},
		"another origin, by an old browser":    {[]change{header("Origin", "http://evil.example")}, errCrossSite},
		"own origin, by an old browser":        {[]change{header("Origin", "http://localhost:8080")}, ""},
		"unknown origin, by an old browser":    {[]change{header("Origin", "null")}, errCrossSite},
	} {
		t.Run(name, func(t *testing.T) {
			h := provisioned(t, func(h *Handler) { h.Allow = []string{"192.0.2.7", "fd00::/8"} })
			for _, target := range []string{"/inspector/events", "/inspector/event?id=x-1", "/inspector/destinations", "/inspector/dropped", "/inspector/stream", "/inspector/payload?of=x-1", "/inspector/app.js"} {
				r := newRequest(http.MethodHead, target, "")
				for _, change := range tc.changes {
					change(r)
				}
				w, status := serve(h, r, new(app))
				reason, _ := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer).GetString("http.meta_webhook_inspector.error")
				if reason != string(tc.want) || (tc.want != "") != (status == http.StatusForbidden) {
					t.Errorf("%s: got %d and reason %q, want reason %q", target, status, reason, tc.want)
				}
				if tc.want != "" && w.Body.Len() > 0 {
					t.Errorf("%s: got the body %q, want an error that writes nothing", target, w.Body)
				}
			}
		})
	}
}

func TestLinkToThePageMayBeFollowed(t *testing.T) {
	h := provisioned(t)
	for target, want := range map[string]int{"/inspector": http.StatusFound, "/inspector/": http.StatusOK} {
		r := newRequest(http.MethodGet, target, "")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		r.Header.Set("Sec-Fetch-Dest", "document")
		if _, status := serve(h, r, new(app)); status != want {
			t.Errorf("%s: got %d, want %d", target, status, want)
		}
		r.Header.Set("Sec-Fetch-Dest", "iframe")
		if _, status := serve(h, r, new(app)); status != http.StatusForbidden {
			t.Errorf("%s in a frame: got %d, want 403", target, status)
		}
	}
}

// TestRefusalsTellNothing makes sure that who is refused learns not even
// whether an event is there.
func TestRefusalsTellNothing(t *testing.T) {
	h := provisioned(t)
	serve(h, newDelivery(testEvent), new(app))
	r := newRequest(http.MethodGet, "/inspector/payload?of="+h.journal.id(1), "")
	r.RemoteAddr = "198.51.100.7:1"
	if w, status := serve(h, r, new(app)); status != http.StatusForbidden || strings.Contains(w.Body.String(), "data") {
		t.Errorf("got %d %q, want 403 and nothing", status, w.Body)
	}
}
