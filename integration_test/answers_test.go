package integration_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// maxSize is the max_size of the gateways in the tests of answers.
const maxSize = 2000

// A row is one of the table of answers.
type row struct {
	name    string
	request func(*gateway) *http.Request
	status  int
	reason  string // {http.meta_webhook.error}
	reached bool   // whether it reaches the upstream
}

// get returns a verification request with a raw query.
func get(query string) func(*gateway) *http.Request {
	return func(g *gateway) *http.Request { return g.request(http.MethodGet, callback+"?"+query, nil) }
}

// method returns a request with another method, otherwise authentic.
func method(name string) func(*gateway) *http.Request {
	return func(g *gateway) *http.Request {
		r := g.notification(page([]string{"a"}))
		r.Method = name
		return r
	}
}

// signed returns a notification with the right signature.
func signed(body []byte) func(*gateway) *http.Request {
	return func(g *gateway) *http.Request { return g.notification(body) }
}

// withSignatures returns a notification with these signature headers.
func withSignatures(values ...string) func(*gateway) *http.Request {
	return func(g *gateway) *http.Request {
		r := g.notification(page([]string{"a"}))
		r.Header[signatureHeader] = values
		return r
	}
}

// chunked returns a notification that does not declare its length.
func chunked(body []byte) func(*gateway) *http.Request {
	return func(g *gateway) *http.Request {
		r := g.notification(body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.GetBody, r.ContentLength = nil, -1
		return r
	}
}

// slow returns a notification whose body comes slowly.
func slow(body io.ReadCloser) func(*gateway) *http.Request {
	return func(g *gateway) *http.Request {
		r := g.notification(page([]string{"a"}))
		r.Body, r.GetBody = body, nil
		return r
	}
}

// A stalling body gives one byte and no more.
type stalling struct {
	closed chan struct{}
	begun  bool
}

func (s *stalling) Read(p []byte) (int, error) {
	if !s.begun {
		s.begun = true
		return copy(p, "{"), nil
	}
	<-s.closed
	return 0, io.ErrClosedPipe
}

func (s *stalling) Close() error {
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	return nil
}

// A trickling body gives a byte at a time.
type trickling struct {
	stalling
	body []byte
}

func (s *trickling) Read(p []byte) (int, error) {
	select {
	case <-s.closed:
		return 0, io.ErrClosedPipe
	case <-time.After(20 * time.Millisecond):
	}
	n := copy(p[:1], s.body)
	s.body = s.body[n:]
	return n, nil
}

// sized returns a notification of n bytes.
func sized(n int) []byte {
	body := page([]string{"sized"})
	return append(body, bytes.Repeat([]byte(" "), n-len(body))...)
}

// table returns the table of answers. It is made anew for each gateway,
// because slow bodies serve once.
func table() []row {
	body := page([]string{"a"})
	right := sign(appSecret, body)
	digits := digest(appSecret, body)
	escaped := []byte(`{"object":"page","entry":[{"id":"1","time":1,"changes":[{"field":"feed","value":{"message":"caf\u00e9 \/"}}]}]}`)
	reserialised := []byte(`{"object":"page","entry":[{"id":"1","time":1,"changes":[{"field":"feed","value":{"message":"café /"}}]}]}`)

	const challenge, mode = "hub.challenge=1158201444", "hub.mode=subscribe"
	const rightToken = "hub.verify_token=" + token
	malformed := func(name, query string) row {
		return row{"verification: " + name, get(query), 400, "verification_malformed", false}
	}
	signature := func(name, reason string, values ...string) row {
		return row{"signature: " + name, withSignatures(values...), 401, "signature_" + reason, false}
	}
	return []row{
		{"right token", get(verification(token, "1158201444")), 200, "", false},
		{"another right token", get(verification("second-token", "1158201444")), 200, "", false},
		{"wrong token", get(verification("wrong", "1")), 403, "verify_token_mismatch", false},
		{"empty token", get(verification("", "1")), 403, "verify_token_mismatch", false},
		{"part of the token", get(verification(token[:5], "1")), 403, "verify_token_mismatch", false},
		{"more than the token", get(verification(token+"x", "1")), 403, "verify_token_mismatch", false},
		{"token in other case", get(verification(strings.ToUpper(token), "1")), 403, "verify_token_mismatch", false},
		{"app secret for a token", get(verification(appSecret, "1")), 403, "verify_token_mismatch", false},

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
		signature("right and wrong", "repeated", right, sign("wrong", body)),
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
		signature("wrong secret", "mismatch", sign("wrong", body)),
		signature("empty secret", "mismatch", sign("", body)),
		signature("verify token for a secret", "mismatch", sign(token, body)),
		signature("right, of another body", "mismatch", sign(appSecret, page([]string{"b"}))),
		{"signature: only the one of SHA-1", func(g *gateway) *http.Request {
			r := withSignatures()(g)
			r.Header.Set("X-Hub-Signature", "sha1="+digits[:40])
			return r
		}, 401, "signature_missing", false},
		{"signature: right, of the body serialised again", func(g *gateway) *http.Request {
			r := g.notification(escaped)
			r.Header.Set(signatureHeader, sign(appSecret, reserialised))
			return r
		}, 401, "signature_mismatch", false},
		{"signature: right, of the body serialised before", func(g *gateway) *http.Request {
			r := g.notification(reserialised)
			r.Header.Set(signatureHeader, sign(appSecret, escaped))
			return r
		}, 401, "signature_mismatch", false},
		{"signature: of the second secret", withSignatures(sign("second-secret", body)), 200, "", true},

		{"body over max_size, declared", signed(sized(maxSize + 1)), 413, "body_too_large", false},
		{"body over max_size, found", chunked(sized(maxSize + 1)), 413, "body_too_large", false},
		{"body far over max_size, found", chunked(sized(40 * maxSize)), 413, "body_too_large", false},
		{"body of max_size, declared", signed(sized(maxSize)), 200, "", true},
		{"body of max_size, found", chunked(sized(maxSize)), 200, "", true},
		{"body stalls", slow(&stalling{closed: make(chan struct{})}), 408, "body_timeout", false},
		{"body trickles", slow(&trickling{stalling{closed: make(chan struct{})}, body}), 408, "body_timeout", false},

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
		{"one update, length not declared", chunked(body), 200, "", true},
		{"not recognized", signed([]byte(`{"hello":"world"}`)), 200, "", true},
	}
}

// answersSite is the site for the table of answers, with further directives.
func answersSite(u *upstream, more ...string) string {
	return fmt.Sprintf(`
		meta_webhook %s {
			verify_token %s second-token
			app_secret %s second-secret
			max_size %d
			body_timeout 1s
			dedup off
		}
		reverse_proxy %s
		%s`, callback, token, appSecret, maxSize, u.addr, lines(more...))
}

func TestAnswers(t *testing.T) {
	for _, via := range []transport{plainHTTP1, tlsHTTP1, tlsHTTP2} {
		t.Run(string(via), func(t *testing.T) {
			u := newUpstream(t, nil)
			g := startVia(t, via, answersSite(u))
			for _, row := range table() {
				t.Run(row.name, func(t *testing.T) {
					u.forget()
					got := g.do(row.request(g))
					wantStatus(t, got, row.status)
					wantReached(t, u, row.reached)
					if wantProto := map[bool]string{true: "HTTP/2.0", false: "HTTP/1.1"}[via == tlsHTTP2]; got.proto != wantProto {
						t.Errorf("got protocol %s, want %s", got.proto, wantProto)
					}
					if isVerified := row.status == 200 && strings.HasSuffix(row.name, "right token"); !isVerified && got.body != "" {
						t.Errorf("got body %q, want none", got.body)
					}
					if got, want := got.header.Get("Allow"), map[bool]string{true: "GET, POST"}[row.status == 405]; got != want {
						t.Errorf("got Allow: %q, want %q", got, want)
					}
					if challenge := got.header.Get("WWW-Authenticate"); challenge != "" {
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
	u := newUpstream(t, nil)
	g := start(t, answersSite(u, `handle_errors {`, `respond "{err.status_code} {http.meta_webhook.error}"`, `}`))
	seen := make(map[string]bool)
	for _, row := range table() {
		t.Run(row.name, func(t *testing.T) {
			u.forget()
			r := row.request(g)
			got := g.do(r)
			wantStatus(t, got, row.status)
			wantReached(t, u, row.reached)
			if row.reason == "" || r.Method == http.MethodHead {
				return
			}
			seen[row.reason] = true
			if want := strconv.Itoa(row.status) + " " + row.reason; got.body != want {
				t.Errorf("got %q from handle_errors, want %q", got.body, want)
			}
			if row.status == 405 && got.header.Get("Allow") != "GET, POST" {
				t.Errorf("got Allow: %q behind handle_errors, want %q", got.header.Get("Allow"), "GET, POST")
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

func wantReached(t *testing.T, u *upstream, want bool) {
	t.Helper()
	if got := len(u.requests()) > 0; got != want {
		t.Errorf("reached the upstream: got %v, want %v", got, want)
	}
}

func TestRightVerificationGetsTheChallengeVerbatim(t *testing.T) {
	for _, via := range []transport{plainHTTP1, tlsHTTP1, tlsHTTP2} {
		t.Run(string(via), func(t *testing.T) {
			u := newUpstream(t, nil)
			g := startVia(t, via, lines(hook(), "reverse_proxy "+u.addr))
			for _, challenge := range []string{
				"1158201444", "0", "-1", "aB3_x~Z.9", "two words", "a+b", "100%", "<script>alert(1)</script>",
				"{http.request.host}", "ünïcode", `"quoted"`, "line\nbreak", strings.Repeat("long", 500),
			} {
				got := g.verify(token, challenge)
				if got.status != 200 || got.body != challenge {
					t.Errorf("challenge %.40q: got answer %d %.40q, want 200 and the challenge", challenge, got.status, got.body)
				}
				for name, want := range map[string]string{
					"Content-Type":           "text/plain; charset=utf-8",
					"X-Content-Type-Options": "nosniff",
					"Cache-Control":          "no-store",
				} {
					if value := got.header.Values(name); len(value) != 1 || value[0] != want {
						t.Errorf("challenge %.40q: got %s: %q, want %q", challenge, name, value, want)
					}
				}
			}
			u.wantNone()
		})
	}
}

func TestFurtherParametersOfAVerificationDoNotMatter(t *testing.T) {
	u := newUpstream(t, nil)
	g := start(t, lines(hook(), "reverse_proxy "+u.addr))
	got := g.do(g.request(http.MethodGet, callback+"?tenant=1&tenant=2&"+verification(token, "42"), nil))
	if got.status != 200 || got.body != "42" {
		t.Errorf("got answer %d %q, want 200 and the challenge", got.status, got.body)
	}
	u.wantNone()
}

func TestOnlyTheCallbackIsTheHandlers(t *testing.T) {
	u := newUpstream(t, nil)
	g := start(t, lines(hook(), "reverse_proxy "+u.addr))
	got := g.do(g.request(http.MethodPut, "/elsewhere", strings.NewReader("x")))
	wantStatus(t, got, 200)
	if r := u.only(); r.method != http.MethodPut || r.uri != "/elsewhere" || r.body != "x" {
		t.Errorf("got %s %s %q upstream, want the request as it was sent", r.method, r.uri, r.body)
	}
}

// TestSuccessKeepsTheConnection makes sure that what ends connections on
// refusals does not do so otherwise.
func TestSuccessKeepsTheConnection(t *testing.T) {
	u := newUpstream(t, nil)
	g := start(t, lines(hook(), "reverse_proxy "+u.addr))
	for name, got := range map[string]answer{
		"notification": g.post(page([]string{"a"})),
		"verification": g.verify(token, "1"),
		"wrong token":  g.verify("wrong", "1"),
	} {
		if got.closed {
			t.Errorf("%s: got an answer that ends the connection, want it kept", name)
		}
	}
}
