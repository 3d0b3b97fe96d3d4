package hostile

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/quic-go/quic-go/http3"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
)

// startAll runs a gateway of all versions of HTTP, and returns a client for
// each.
func startAll(t *testing.T, site string) (*harness.Gateway, map[string]*http.Client) {
	t.Helper()
	g := harness.NewGateway(t, harness.TLSHTTP2)
	config, err := harness.Adapt(strings.Replace(g.Caddyfile(site), "protocols h1 h2", "protocols h1 h2 h3", 1))
	if err == nil {
		err = caddy.Load(config, true)
	}
	if err != nil {
		t.Fatal(err)
	}
	h3 := &http3.Transport{TLSClientConfig: g.TLS.Clone()}
	t.Cleanup(func() { _ = h3.Close() })
	h1 := &http.Transport{TLSClientConfig: g.TLS.Clone()}
	t.Cleanup(h1.CloseIdleConnections)
	return g, map[string]*http.Client{
		"HTTP/1.1": {Transport: h1, Timeout: harness.Patience},
		"HTTP/2.0": {Transport: g.Client.Transport, Timeout: harness.Patience},
		"HTTP/3.0": {Transport: h3, Timeout: harness.Patience},
	}
}

// TestHostileRequestsOfEveryVersion sends what every version of HTTP can say.
func TestHostileRequestsOfEveryVersion(t *testing.T) {
	u := harness.NewUpstream(t, nil)
	g, clients := startAll(t, harness.Lines(harness.Hook("dedup off", "max_size 100kB"), "reverse_proxy "+u.Addr))
	body := harness.Page([]string{"a"})
	change := func(f func(*http.Request)) func() *http.Request {
		return func() *http.Request {
			r := g.Notification(body)
			f(r)
			return r
		}
	}
	many := strings.Repeat("a=1&", 100_000)
	for _, c := range []struct {
		name    string
		request func() *http.Request
		want    []int // any of them
		reached bool
	}{
		{"authentic", change(func(*http.Request) {}), []int{200}, true},
		{"no signature", change(func(r *http.Request) { r.Header.Del(harness.SignatureHeader) }), []int{401}, false},
		{"wrong signature", change(func(r *http.Request) { r.Header.Set(harness.SignatureHeader, harness.Sign("wrong", body)) }), []int{401}, false},
		{"two signatures", change(func(r *http.Request) { r.Header.Add(harness.SignatureHeader, harness.Sign(harness.AppSecret, body)) }), []int{401}, false},
		{"the signature in a trailer", change(func(r *http.Request) {
			r.Trailer = http.Header{harness.SignatureHeader: r.Header[harness.SignatureHeader]}
			r.Header.Del(harness.SignatureHeader)
			r.ContentLength = -1
		}), []int{401}, false},
		{"another signature in a trailer", change(func(r *http.Request) {
			r.Trailer = http.Header{harness.SignatureHeader: {harness.Sign("wrong", body)}}
			r.ContentLength = -1
		}), []int{200}, true},
		{"too large, declared", change(func(r *http.Request) {
			r.Body = io.NopCloser(bytes.NewReader(make([]byte, 200_000)))
			r.ContentLength = 200_000
		}), []int{413}, false},
		{"too large, found", change(func(r *http.Request) {
			r.Body = io.NopCloser(bytes.NewReader(make([]byte, 200_000)))
			r.ContentLength = -1
		}), []int{413}, false},
		{"gzip that nobody unpacks", change(func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }), []int{200}, true},
		{"a hundred thousand parameters", change(func(r *http.Request) { r.URL.RawQuery = many }), []int{431}, false},
		{"a verification of a hundred thousand parameters", func() *http.Request {
			return g.Request(http.MethodGet, harness.Callback+"?"+many+harness.Verification(harness.Token, "1"), nil)
		}, []int{431}, false},
		{"a verification with a hundred thousand tokens", func() *http.Request {
			return g.Request(http.MethodGet, harness.Callback+"?"+harness.Verification(harness.Token, "1")+strings.Repeat("&hub.verify_token=x", 40_000), nil)
		}, []int{400, 431}, false},
		{"a signature of a megabyte", change(func(r *http.Request) { r.Header.Set(harness.SignatureHeader, "sha256="+strings.Repeat("0", 1<<20)) }), []int{401, 431}, false},
		{"headers that the app believes", change(func(r *http.Request) {
			for _, name := range believed {
				r.Header.Set(name, "from-outside")
			}
		}), []int{200}, true},
	} {
		for version, client := range clients {
			t.Run(c.name+" "+version, func(t *testing.T) {
				u.Forget()
				got, err := harness.Send(client, c.request())
				if err != nil {
					if c.want[len(c.want)-1] != 431 {
						t.Fatalf("got error %.200q, want an answer", err)
					}
				} else {
					ok := false
					for _, status := range c.want {
						ok = ok || got.Status == status
					}
					if !ok || got.Proto != version {
						t.Errorf("got answer %d over %s, want one of %d over %s", got.Status, got.Proto, c.want, version)
					}
				}
				harness.WantReached(t, u, c.reached)
				for _, r := range u.Requests() {
					if r.Body == "" || len(r.Trailer) > 0 || strings.Contains(headerText(r.Header), "from-outside") {
						t.Errorf("got %q with the headers %v and trailer %v upstream, want none from outside", r.Body, r.Header, r.Trailer)
					}
				}
			})
		}
	}
}

// TestManyParameters has a server that lets them through.
func TestManyParameters(t *testing.T) {
	u := harness.NewUpstream(t, nil)
	g := harness.NewGateway(t, harness.PlainHTTP1)
	g.LogLevel = "ERROR"
	g.Servers = "max_header_size 4MB"
	g.MustLoad(harness.Lines(harness.Hook(), "reverse_proxy "+u.Addr))
	many := strings.Repeat("a=1&", 100_000)
	get := func(query string) harness.Answer {
		t.Helper()
		r := g.Request(http.MethodGet, harness.Callback, nil)
		r.URL.RawQuery = query
		a, err := g.Try(r)
		if err != nil {
			t.Fatalf("got error %.200q, want an answer", err)
		}
		return a
	}
	harness.WantStatus(t, get(many+harness.Verification(harness.Token, "42")), 400) // Go reads ten thousand at most
	harness.WantStatus(t, get(harness.Verification(harness.Token, "42")+strings.Repeat("&hub.verify_token=x", 100_000)), 400)
	if got := get(many[:4*5000] + harness.Verification(harness.Token, "42")); got.Status != 200 || got.Body != "42" {
		t.Errorf("got answer %d %.100q behind 5,000 parameters, want 200 and the challenge", got.Status, got.Body)
	}
	u.WantNone()
	r := g.Notification(harness.Page([]string{"a"}))
	r.URL.RawQuery = many
	if a, err := g.Try(r); err != nil || a.Status != 200 {
		t.Errorf("got answer %d and error %.200q for a notification, want 200", a.Status, err)
	}
	u.WantPosts("a")
}

// believed are headers that apps and their frameworks act upon.
var believed = []string{
	"Webhook-Id", "Idempotency-Key", "Webhook-Signature", "Webhook-Timestamp", "X-Hub-Signature",
	"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix", "X-Forwarded-User", "X-Real-Ip", "Forwarded",
	"X-Original-Url", "X-Rewrite-Url", "X-Http-Method-Override", "Authorization", "Cookie", "Content-Encoding", "Ce-Id", "Ce-Type",
}

func headerText(h http.Header) string {
	var b strings.Builder
	_ = h.Write(&b)
	return b.String()
}
