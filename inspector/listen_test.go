package inspector

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// listening configures tokens of listeners.
func listening(tokens ...string) func(*Handler) {
	return func(h *Handler) { h.Listen = &Listen{Tokens: tokens} }
}

// newListener returns the request of a listener on another machine, over TLS,
// whose context has ended: a stream to it ends as soon as it has begun.
func newListener(t *testing.T, authorization ...string) *http.Request {
	t.Helper()
	r := newRequest(http.MethodGet, "/inspector/listen", "")
	r.RemoteAddr, r.Host, r.TLS = "192.0.2.7:5000", "webhooks.example.com", new(tls.ConnectionState)
	if authorization != nil {
		r.Header["Authorization"] = authorization
	}
	return r
}

// reasonOf returns the reason of a refusal.
func reasonOf(r *http.Request) string {
	reason, _ := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer).GetString("http.meta_webhook_inspector.error")
	return reason
}

func TestWhoMayListen(t *testing.T) {
	plain := func(r *http.Request) { r.TLS = nil }
	from := func(address string) func(*http.Request) { return func(r *http.Request) { r.RemoteAddr = address } }
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	trusted := func(r *http.Request) { caddyhttp.SetVar(r.Context(), caddyhttp.TrustedProxyVarKey, true) }
	for name, tc := range map[string]struct {
		authorization []string
		change        []func(*http.Request)
		status        int
		reason        string
	}{
		"the token":             {[]string{"Bearer one"}, nil, 200, ""},
		"another of the tokens": {[]string{"Bearer two"}, nil, 200, ""},
		"scheme in lower case":  {[]string{"bearer one"}, nil, 200, ""},

		"no token":            {nil, nil, 401, "token_missing"},
		"empty":               {[]string{""}, nil, 401, "token_missing"},
		"no scheme":           {[]string{"one"}, nil, 401, "token_missing"},
		"another scheme":      {[]string{"Basic one"}, nil, 401, "token_missing"},
		"two tokens":          {[]string{"Bearer one", "Bearer one"}, nil, 401, "token_missing"},
		"a wrong token":       {[]string{"Bearer three"}, nil, 401, "token_wrong"},
		"an empty token":      {[]string{"Bearer "}, nil, 401, "token_wrong"},
		"the start of one":    {[]string{"Bearer on"}, nil, 401, "token_wrong"},
		"more than one":       {[]string{"Bearer one "}, nil, 401, "token_wrong"},
		"the placeholder":     {[]string{"Bearer {env.LISTEN_TOKEN}"}, nil, 401, "token_wrong"},
		"token, in the query": {nil, []func(*http.Request){func(r *http.Request) { r.URL.RawQuery = "token=one" }}, 401, "token_missing"},

		"plain HTTP":                                 {[]string{"Bearer one"}, []func(*http.Request){plain}, 403, "insecure_connection"},
		"plain HTTP on this machine":                 {[]string{"Bearer one"}, []func(*http.Request){plain, from("127.0.0.1:1")}, 200, ""},
		"plain HTTP on this machine, IPv6":           {[]string{"Bearer one"}, []func(*http.Request){plain, from("[::1]:1")}, 200, ""},
		"plain HTTP through a proxy on this machine": {[]string{"Bearer one"}, []func(*http.Request){plain, from("127.0.0.1:1"), header("X-Forwarded-For", "192.0.2.7")}, 403, "insecure_connection"},
		"a stranger who says https":                  {[]string{"Bearer one"}, []func(*http.Request){plain, header("X-Forwarded-Proto", "https")}, 403, "insecure_connection"},
		"a trusted proxy that says https":            {[]string{"Bearer one"}, []func(*http.Request){plain, trusted, header("X-Forwarded-Proto", "https")}, 200, ""},
		"a trusted proxy that says http":             {[]string{"Bearer one"}, []func(*http.Request){plain, trusted, header("X-Forwarded-Proto", "http")}, 403, "insecure_connection"},
	} {
		t.Run(name, func(t *testing.T) {
			h := provisioned(t, listening("one", "two"))
			h.stop() // so that the stream ends
			r := newListener(t, tc.authorization...)
			for _, change := range tc.change {
				change(r)
			}
			w, status := serve(h, r, new(app))
			if status != tc.status || reasonOf(r) != tc.reason {
				t.Errorf("got %d and reason %q, want %d and %q", status, reasonOf(r), tc.status, tc.reason)
			}
			if got := w.Header().Get("WWW-Authenticate"); (got != "") != (status == 401) {
				t.Errorf("got WWW-Authenticate %q with %d, want it with 401 alone", got, status)
			}
		})
	}
}

func TestListenersHaveToBeConfigured(t *testing.T) {
	next := &app{status: http.StatusTeapot}
	if _, status := serve(provisioned(t), newListener(t, "Bearer one"), next); status != http.StatusTeapot {
		t.Errorf("got %d without the option, want the next handler's answer", status)
	}
	h := provisioned(t, listening("one"))
	for _, method := range []string{http.MethodPost, http.MethodHead, http.MethodOptions} {
		r := newListener(t, "Bearer one")
		r.Method = method
		if w, status := serve(h, r, next); status != http.StatusMethodNotAllowed || w.Header().Get("Allow") != http.MethodGet {
			t.Errorf("%s: got %d, want 405", method, status)
		}
	}
}

// TestListenersAreBounded has more than may listen.
func TestListenersAreBounded(t *testing.T) {
	h := provisioned(t, listening("one"), func(h *Handler) { h.Listen.MaxListeners = 1 })
	if !h.Listen.server.Enter() {
		t.Fatal("got no place for a listener, want one")
	}
	r := newListener(t, "Bearer one")
	w, status := serve(h, r, new(app))
	if status != http.StatusServiceUnavailable || reasonOf(r) != "too_many_listeners" || w.Header().Get("Retry-After") == "" {
		t.Errorf("got %d and reason %q, want 503 and when to try again", status, reasonOf(r))
	}
	h.Listen.server.Leave()
	h.stop()
	if _, status := serve(h, newListener(t, "Bearer one"), new(app)); status != http.StatusOK {
		t.Errorf("got %d after the other has left, want 200", status)
	}
}

func TestListenOptions(t *testing.T) {
	for text, want := range map[string]string{
		"listen":                                  "listen: token: at least one is required",
		"listen x":                                "wrong argument count",
		"listen {\n}":                             "listen: token: at least one is required",
		"listen {\ntoken\n}":                      "wrong argument count",
		"listen {\ntoken \" a\"\n}":               "token: value 1 begins or ends with white space",
		"listen {\ntoken a\nmax_listeners 0\n}":   "max_listeners: must be at least 1",
		"listen {\ntoken a\nnonsense\n}":          "unrecognized listen option 'nonsense'",
		"listen {\ntoken a\n}\nlisten {\n}":       "listen is given twice",
		"listen {\ntoken a b\n}":                  "",
		"listen {\nmax_listeners 3\ntoken {x}\n}": "",
	} {
		h := new(Handler)
		err := h.UnmarshalCaddyfile(caddyfile.NewTestDispenser("meta_webhook_inspector {\n" + text + "\n}"))
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q", text, err, want)
		}
	}
	for want, l := range map[string]*Listen{
		"listen: token: at least one is required":        {},
		"listen: token: {env.NO_SUCH_VARIABLE} is empty": {Tokens: []string{"{env.NO_SUCH_VARIABLE}"}},
		"listen: token: value 2 has a control character": {Tokens: []string{"a", "se\ncret"}},
		"listen: max_listeners: must be at least 1":      {Tokens: []string{"a"}, MaxListeners: -1},
	} {
		err := provision(t, &Handler{Name: t.Name(), Listen: l})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "cret") {
			t.Errorf("got error %v, want %q and no part of a secret", err, want)
		}
	}
}
