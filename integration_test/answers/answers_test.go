package answers

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
)

// maxSize is the max_size of the gateways in the tests of answers.
const maxSize = 2000

// A row is one of the table of answers.
type row struct {
	name    string
	request func(*harness.Gateway) *http.Request
	status  int
	reason  string // {http.meta_webhook.error}
	reached bool   // whether it reaches the upstream
}

// get returns a verification request with a raw query.
func get(query string) func(*harness.Gateway) *http.Request {
	return func(g *harness.Gateway) *http.Request {
		return g.Request(http.MethodGet, harness.Callback+"?"+query, nil)
	}
}

// method returns a request with another method, otherwise authentic.
func method(name string) func(*harness.Gateway) *http.Request {
	return func(g *harness.Gateway) *http.Request {
		r := g.Notification(harness.Page([]string{"a"}))
		r.Method = name
		return r
	}
}

// signed returns a notification with the right signature.
func signed(body []byte) func(*harness.Gateway) *http.Request {
	return func(g *harness.Gateway) *http.Request { return g.Notification(body) }
}

// table returns the table of answers. It is made anew for each gateway,
// because slow bodies serve once.
func table() []row {
	body := harness.Page([]string{"a"})
	right := harness.Sign(harness.AppSecret, body)
	digits := harness.Digest(harness.AppSecret, body)
	escaped := []byte(`{"object":"page","entry":[{"id":"1","time":1,"changes":[{"field":"feed","value":{"message":"caf\u00e9 \/"}}]}]}`)
	reserialised := []byte(`{"object":"page","entry":[{"id":"1","time":1,"changes":[{"field":"feed","value":{"message":"café /"}}]}]}`)

	const challenge, mode = "hub.challenge=1158201444", "hub.mode=subscribe"
	const rightToken = "hub.verify_token=" + harness.Token
	malformed := func(name, query string) row {
		return row{"verification: " + name, get(query), 400, "verification_malformed", false}
	}
	signature := func(name, reason string, values ...string) row {
		return row{"signature: " + name, harness.WithSignatures(values...), 401, "signature_" + reason, false}
	}
	return []row{
		{"right token", get(harness.Verification(harness.Token, "1158201444")), 200, "", false},
		{"another right token", get(harness.Verification("second-token", "1158201444")), 200, "", false},
		{"wrong token", get(harness.Verification("wrong", "1")), 403, "verify_token_mismatch", false},
		{"empty token", get(harness.Verification("", "1")), 403, "verify_token_mismatch", false},
		{"part of the token", get(harness.Verification(harness.Token[:5], "1")), 403, "verify_token_mismatch", false},
		{"more than the token", get(harness.Verification(harness.Token+"x", "1")), 403, "verify_token_mismatch", false},
		{"token in other case", get(harness.Verification(strings.ToUpper(harness.Token), "1")), 403, "verify_token_mismatch", false},
		{"app secret for a token", get(harness.Verification(harness.AppSecret, "1")), 403, "verify_token_mismatch", false},

		malformed("no parameters", ""),
		malformed("no mode", challenge+"&"+rightToken),
		malformed("no challenge", mode+"&"+rightToken),
		malformed("no token", mode+"&"+challenge),
		malformed("empty mode", "hub.mode=&"+challenge+"&"+rightToken),
		malformed("empty challenge", mode+"&hub.challenge=&"+rightToken),
		malformed("two modes", mode+"&"+mode+"&"+challenge+"&"+rightToken),
		malformed("two challenges", mode+"&"+challenge+"&hub.challenge=2&"+rightToken),
		malformed("two tokens", mode+"&"+challenge+"&"+rightToken+"&hub.verify_token=wrong"),
		malformed("other mode", "hub.mode=unsubscribe&"+challenge+"&"+rightToken),
		malformed("mode in other case", "hub.mode=Subscribe&"+challenge+"&"+rightToken),

		{"PUT", method(http.MethodPut), 405, "method_not_allowed", false},
		{"DELETE", method(http.MethodDelete), 405, "method_not_allowed", false},
		{"HEAD", method(http.MethodHead), 405, "method_not_allowed", false},
		{"OPTIONS", method(http.MethodOptions), 405, "method_not_allowed", false},
		{"PATCH", method(http.MethodPatch), 405, "method_not_allowed", false},
		{"post", method("post"), 405, "method_not_allowed", false},

		signature("none", "missing"),
		signature("twice", "repeated", right, right),
		signature("right and wrong", "repeated", right, harness.Sign("wrong", body)),
		signature("two joined by a comma", "malformed", right+", "+right),
		signature("empty", "malformed", ""),
		signature("only the prefix", "malformed", "sha256="),
		signature("no prefix", "malformed", digits),
		signature("wrong prefix", "malformed", "sha512="+digits),
		signature("prefix of SHA-1", "malformed", "sha1="+digits),
		signature("prefix in upper case", "malformed", "SHA256="+digits),
		signature("63 digits", "malformed", "sha256="+digits[:63]),
		signature("65 digits", "malformed", "sha256="+digits+"0"),
		signature("half of the digits", "malformed", "sha256="+digits[:32]),
		signature("no hex digit", "malformed", "sha256="+digits[:63]+"g"),
		signature("space behind the prefix", "malformed", "sha256= "+digits),
		signature("space for a digit", "malformed", "sha256="+digits[:63]+" "+digits[63:]),
		signature("wrong digest", "mismatch", "sha256="+strings.Repeat("0", 64)),
		signature("wrong secret", "mismatch", harness.Sign("wrong", body)),
		signature("empty secret", "mismatch", harness.Sign("", body)),
		signature("verify token for a secret", "mismatch", harness.Sign(harness.Token, body)),
		signature("right, of another body", "mismatch", harness.Sign(harness.AppSecret, harness.Page([]string{"b"}))),
		{"signature: only the one of SHA-1", func(g *harness.Gateway) *http.Request {
			r := harness.WithSignatures()(g)
			r.Header.Set("X-Hub-Signature", "sha1="+digits[:40])
			return r
		}, 401, "signature_missing", false},
		{"signature: right, of the body serialised again", func(g *harness.Gateway) *http.Request {
			r := g.Notification(escaped)
			r.Header.Set(harness.SignatureHeader, harness.Sign(harness.AppSecret, reserialised))
			return r
		}, 401, "signature_mismatch", false},
		{"signature: right, of the body serialised before", func(g *harness.Gateway) *http.Request {
			r := g.Notification(reserialised)
			r.Header.Set(harness.SignatureHeader, harness.Sign(harness.AppSecret, escaped))
			return r
		}, 401, "signature_mismatch", false},
		{"signature: of the second secret", harness.WithSignatures(harness.Sign("second-secret", body)), 200, "", true},

		{"body over max_size, declared", signed(harness.Sized(maxSize + 1)), 413, "body_too_large", false},
		{"body over max_size, found", harness.Chunked(harness.Sized(maxSize + 1)), 413, "body_too_large", false},
		{"body far over max_size, found", harness.Chunked(harness.Sized(40 * maxSize)), 413, "body_too_large", false},
		{"body of max_size, declared", signed(harness.Sized(maxSize)), 200, "", true},
		{"body of max_size, found", harness.Chunked(harness.Sized(maxSize)), 200, "", true},
		{"body stalls", harness.Slow(harness.Stalling()), 408, "body_timeout", false},
		{"body trickles", harness.Slow(harness.Trickling(body)), 408, "body_timeout", false},

		{"body: empty", signed(nil), 400, "body_not_json", false},
		{"body: no JSON", signed([]byte(`hello world`)), 400, "body_not_json", false},
		{"body: half an object", signed(body[:len(body)/2]), 400, "body_not_json", false},
		{"body: two values", signed(append(bytes.Clone(body), body...)), 400, "body_not_json", false},
		{"body: duplicate member", signed([]byte(`{"object":"page","object":"user","entry":[]}`)), 400, "body_duplicate_name", false},
		{"body: duplicate member deep down", signed([]byte(`{"object":"page","entry":[{"id":"1","changes":[{"field":"feed","value":{"a":{"b":1,"b":2}}}]}]}`)), 400, "body_duplicate_name", false},
		{"body: duplicate member, once escaped", signed([]byte(`{"object":"page","\u006fbject":"user","entry":[]}`)), 400, "body_duplicate_name", false},
		{"body: not UTF-8", signed([]byte("{\"object\":\"page\",\"entry\":[{\"id\":\"\xff\"}]}")), 400, "body_not_utf8", false},

		{"no updates: no entry", signed([]byte(`{"object":"page","entry":[]}`)), 200, "", false},
		{"no updates: no change", signed([]byte(`{"object":"page","entry":[{"id":"1","time":1,"changes":[]}]}`)), 200, "", false},
		{"no updates: no notification", signed([]byte(`[]`)), 200, "", false},
		{"one update", signed(body), 200, "", true},
		{"one update, length not declared", harness.Chunked(body), 200, "", true},
		{"not recognized", signed([]byte(`{"hello":"world"}`)), 200, "", true},
	}
}

// answersSite is the site for the table of answers, with further directives.
func answersSite(u *harness.Upstream, more ...string) string {
	return fmt.Sprintf(`
		meta_webhook %s {
			verify_token %s second-token
			app_secret %s second-secret
			max_size %d
			body_timeout 1s
			dedup off
		}
		reverse_proxy %s
		%s`, harness.Callback, harness.Token, harness.AppSecret, maxSize, u.Addr, harness.Lines(more...))
}

func TestAnswers(t *testing.T) {
	for _, via := range []harness.Transport{harness.PlainHTTP1, harness.TLSHTTP1, harness.TLSHTTP2} {
		t.Run(string(via), func(t *testing.T) {
			u := harness.NewUpstream(t, nil)
			g := harness.StartVia(t, via, answersSite(u))
			for _, row := range table() {
				t.Run(row.name, func(t *testing.T) {
					u.Forget()
					got := g.Do(row.request(g))
					harness.WantStatus(t, got, row.status)
					harness.WantReached(t, u, row.reached)
					if wantProto := map[bool]string{true: "HTTP/2.0", false: "HTTP/1.1"}[via == harness.TLSHTTP2]; got.Proto != wantProto {
						t.Errorf("got protocol %s, want %s", got.Proto, wantProto)
					}
					if isVerified := row.status == 200 && strings.HasSuffix(row.name, "right token"); !isVerified && got.Body != "" {
						t.Errorf("got body %q, want none", got.Body)
					}
					if got, want := got.Header.Get("Allow"), map[bool]string{true: "GET, POST"}[row.status == 405]; got != want {
						t.Errorf("got Allow: %q, want %q", got, want)
					}
					if challenge := got.Header.Get("WWW-Authenticate"); challenge != "" {
						t.Errorf("got WWW-Authenticate: %q, want none", challenge)
					}
				})
			}
		})
	}
}

// TestErrorRoutesGetTheReason goes through the table with a handle_errors
// that answers with the reason.
func TestErrorRoutesGetTheReason(t *testing.T) {
	u := harness.NewUpstream(t, nil)
	g := harness.Start(t, answersSite(u, `handle_errors {`, `respond "{err.status_code} {http.meta_webhook.error}"`, `}`))
	seen := make(map[string]bool)
	for _, row := range table() {
		t.Run(row.name, func(t *testing.T) {
			u.Forget()
			r := row.request(g)
			got := g.Do(r)
			harness.WantStatus(t, got, row.status)
			harness.WantReached(t, u, row.reached)
			if row.reason == "" || r.Method == http.MethodHead {
				return
			}
			seen[row.reason] = true
			if want := strconv.Itoa(row.status) + " " + row.reason; got.Body != want {
				t.Errorf("got %q from handle_errors, want %q", got.Body, want)
			}
			if row.status == 405 && got.Header.Get("Allow") != "GET, POST" {
				t.Errorf("got Allow: %q behind handle_errors, want %q", got.Header.Get("Allow"), "GET, POST")
			}
		})
	}
	for _, reason := range []string{
		"method_not_allowed", "verification_malformed", "verify_token_mismatch",
		"signature_missing", "signature_repeated", "signature_malformed", "signature_mismatch",
		"body_too_large", "body_timeout", "body_not_utf8", "body_duplicate_name", "body_not_json",
	} {
		if !seen[reason] {
			t.Errorf("got no answer with the reason %s, want a row with it", reason)
		}
	}
}

func TestRightVerificationGetsTheChallengeVerbatim(t *testing.T) {
	for _, via := range []harness.Transport{harness.PlainHTTP1, harness.TLSHTTP1, harness.TLSHTTP2} {
		t.Run(string(via), func(t *testing.T) {
			u := harness.NewUpstream(t, nil)
			g := harness.StartVia(t, via, harness.Lines(harness.Hook(), "reverse_proxy "+u.Addr))
			for _, challenge := range []string{
				"1158201444", "0", "-1", "aB3_x~Z.9", "two words", "a+b", "100%", "<script>alert(1)</script>",
				"{http.request.host}", "ünïcode", `"quoted"`, "line\nbreak", strings.Repeat("long", 500),
			} {
				got := g.Verify(harness.Token, challenge)
				if got.Status != 200 || got.Body != challenge {
					t.Errorf("challenge %.40q: got answer %d %.40q, want 200 and the challenge", challenge, got.Status, got.Body)
				}
				for name, want := range map[string]string{
					"Content-Type":           "text/plain; charset=utf-8",
					"X-Content-Type-Options": "nosniff",
					"Cache-Control":          "no-store",
				} {
					if value := got.Header.Values(name); len(value) != 1 || value[0] != want {
						t.Errorf("challenge %.40q: got %s: %q, want %q", challenge, name, value, want)
					}
				}
			}
			u.WantNone()
		})
	}
}

func TestFurtherParametersOfAVerificationDoNotMatter(t *testing.T) {
	u := harness.NewUpstream(t, nil)
	g := harness.Start(t, harness.Lines(harness.Hook(), "reverse_proxy "+u.Addr))
	got := g.Do(g.Request(http.MethodGet, harness.Callback+"?tenant=1&tenant=2&"+harness.Verification(harness.Token, "42"), nil))
	if got.Status != 200 || got.Body != "42" {
		t.Errorf("got answer %d %q, want 200 and the challenge", got.Status, got.Body)
	}
	u.WantNone()
}

func TestOnlyTheCallbackIsTheHandlers(t *testing.T) {
	u := harness.NewUpstream(t, nil)
	g := harness.Start(t, harness.Lines(harness.Hook(), "reverse_proxy "+u.Addr))
	got := g.Do(g.Request(http.MethodPut, "/elsewhere", strings.NewReader("x")))
	harness.WantStatus(t, got, 200)
	if r := u.Only(); r.Method != http.MethodPut || r.URI != "/elsewhere" || r.Body != "x" {
		t.Errorf("got %s %s %q upstream, want the request as it was sent", r.Method, r.URI, r.Body)
	}
}

// TestSuccessKeepsTheConnection makes sure that what ends connections on
// refusals does not do so otherwise.
func TestSuccessKeepsTheConnection(t *testing.T) {
	u := harness.NewUpstream(t, nil)
	g := harness.Start(t, harness.Lines(harness.Hook(), "reverse_proxy "+u.Addr))
	for name, got := range map[string]harness.Answer{
		"notification": g.Post(harness.Page([]string{"a"})),
		"verification": g.Verify(harness.Token, "1"),
		"wrong token":  g.Verify("wrong", "1"),
	} {
		if got.Closed {
			t.Errorf("%s: got an answer that ends the connection, want it kept", name)
		}
	}
}
