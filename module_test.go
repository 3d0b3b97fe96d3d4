package metawebhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/delivery"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/lifecycle"
)

const (
	testToken  = "correct horse"
	testSecret = "battery staple"

	// two entries with two updates and one
	testBody = `{"object":"page","entry":[` +
		`{"id":"1","time":1700000000,"changes":[{"field":"feed","value":{"n":1}},{"field":"feed","value":{"n":2}}]},` +
		`{"id":"2","time":1700000000,"changes":[{"field":"mention","value":{"n":3}}]}]}`
)

var modes = []string{delivery.Each, delivery.Batch, delivery.Original}

// provisioned returns a handler with a token and a secret, changed by each of
// the options, as Caddy would set it up.
func provisioned(t testing.TB, options ...func(*Handler)) *Handler {
	t.Helper()
	h := &Handler{VerifyToken: []string{testToken}, AppSecret: []string{testSecret}}
	for _, option := range options {
		option(h)
	}
	if err := provision(t, newContext(t), h); err != nil {
		t.Fatalf("provisioning: %v", err)
	}
	h.observer.SetLogger(zap.NewNop())
	return h
}

// newContext returns the context of a configuration of its own.
func newContext(t testing.TB) caddy.Context {
	t.Helper()
	config, err := caddy.ProvisionContext(new(caddy.Config))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := caddy.NewContext(config)
	t.Cleanup(cancel)
	return ctx
}

func provision(t testing.TB, ctx caddy.Context, h *Handler) error {
	t.Helper()
	t.Cleanup(func() {
		if err := h.Cleanup(); err != nil {
			t.Errorf("Cleanup: %v", err)
		}
	})
	if err := h.Provision(ctx); err != nil {
		return err
	}
	if err := h.Validate(); err != nil {
		return err
	}
	return start(t, ctx)
}

// start starts what the handlers of a configuration need, as Caddy does when
// it runs one.
func start(t testing.TB, ctx caddy.Context) error {
	t.Helper()
	app, err := ctx.App(lifecycle.ID)
	if err != nil {
		t.Fatal(err)
	}
	return app.(caddy.App).Start()
}

// newRequest returns a request as Caddy's server hands it to a handler.
func newRequest(method, target, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	return caddyhttp.PrepareRequest(r, caddy.NewReplacer(), httptest.NewRecorder(), nil)
}

// sign returns the signature header of a body.
func sign(secret, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	io.WriteString(mac, body)
	return signaturePrefix + hex.EncodeToString(mac.Sum(nil))
}

// newNotification returns a signed POST.
func newNotification(body string) *http.Request {
	r := newRequest(http.MethodPost, "https://example.com/webhooks?app=1", body)
	r.Header.Set(signatureHeader, sign(testSecret, body))
	return r
}

// An app stands in for the next handler. It keeps what it gets, and answers
// with answer if there is one, and with 200 otherwise.
type app struct {
	answer func(w http.ResponseWriter, r *http.Request, body string) error
	silent bool // writes what answer writes, and nothing else

	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
}

func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	a.mu.Lock()
	a.requests = append(a.requests, r)
	a.bodies = append(a.bodies, string(body))
	a.mu.Unlock()
	if a.answer != nil {
		if err := a.answer(w, r, string(body)); err != nil {
			return err
		}
	}
	if !a.silent {
		w.WriteHeader(http.StatusOK) // unless there was another
	}
	return nil
}

// serve has the handler serve r and returns the response, the status of the
// error it returned instead (or 0), and the reason it left for error routes.
func serve(h *Handler, r *http.Request, next caddyhttp.Handler) (w *httptest.ResponseRecorder, status int, reason string) {
	w = httptest.NewRecorder()
	err := h.ServeHTTP(w, r, next)
	if handlerErr, ok := errors.AsType[caddyhttp.HandlerError](err); ok {
		status = handlerErr.StatusCode
	} else if err != nil {
		status = -1
	}
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	reason, _ = repl.GetString("http.meta_webhook.error")
	return w, status, reason
}

func TestNothingThatFailsACheckReachesNext(t *testing.T) {
	small := func(h *Handler) { h.MaxSize = 100 }
	withHeader := func(values ...string) func(*http.Request) {
		return func(r *http.Request) { r.Header[signatureHeader] = values }
	}
	signed := func(r *http.Request) {}
	for _, tc := range []struct {
		name   string
		method string
		body   string
		change func(*http.Request)
		option func(*Handler)
		status int
		reason string
	}{
		{name: "another method", method: http.MethodPut, change: signed, status: 405, reason: "method_not_allowed"},
		{name: "no signature", change: withHeader(), status: 401, reason: "signature_missing"},
		{name: "two signatures", change: withHeader(sign(testSecret, testBody), sign(testSecret, testBody)), status: 401, reason: "signature_repeated"},
		{name: "malformed signature", change: withHeader("sha256=00"), status: 401, reason: "signature_malformed"},
		{name: "wrong secret", change: withHeader(sign("other", testBody)), status: 401, reason: "signature_mismatch"},
		{name: "signature of another body", change: withHeader(sign(testSecret, testBody+" ")), status: 401, reason: "signature_mismatch"},
		{name: "declared too large", change: signed, option: small, status: 413, reason: "body_too_large"},
		{name: "found too large", change: func(r *http.Request) { r.ContentLength = -1 }, option: small, status: 413, reason: "body_too_large"},
		{name: "too large for another handler", change: func(r *http.Request) { r.Body = http.MaxBytesReader(nil, r.Body, 10) }, status: 413, reason: "body_too_large"},
		{name: "cut off", change: func(r *http.Request) { r.Body = io.NopCloser(failingReader{io.ErrUnexpectedEOF}) }, status: 400, reason: "body_incomplete"},
		{name: "too slow", change: func(r *http.Request) { r.Body = io.NopCloser(failingReader{timeoutError{}}) }, status: 408, reason: "body_timeout"},
		{name: "no JSON", body: `{"object":`, status: 400, reason: "body_not_json"},
		{name: "empty", body: ` `, status: 400, reason: "body_not_json"},
		{name: "duplicate name", body: `{"object":"page","object":"user"}`, status: 400, reason: "body_duplicate_name"},
		{name: "not UTF-8", body: "{\"object\":\"\xff\"}", status: 400, reason: "body_not_utf8"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			body := tc.body
			if body == "" {
				body = testBody
			}
			r := newNotification(body)
			if tc.method != "" {
				r.Method = tc.method
			}
			if tc.change != nil {
				tc.change(r)
			}
			var options []func(*Handler)
			if tc.option != nil {
				options = append(options, tc.option)
			}
			next := new(app)
			_, status, reason := serve(provisioned(t, options...), r, next)
			if status != tc.status || reason != tc.reason {
				t.Errorf("got %d %q, want %d %q", status, reason, tc.status, tc.reason)
			}
			if len(next.requests) > 0 {
				t.Errorf("the next handler was reached with %q", next.bodies)
			}
		})
	}
}

type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }

type timeoutError struct{}

func (timeoutError) Error() string   { return "timeout" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

func TestMethodNotAllowedNamesTheMethods(t *testing.T) {
	w, _, _ := serve(provisioned(t), newRequest(http.MethodDelete, "/", ""), new(app))
	if got := w.Header().Get("Allow"); got != "GET, POST" {
		t.Errorf("Allow: got %q, want %q", got, "GET, POST")
	}
}

func TestRefusalLeavesUnreadBody(t *testing.T) {
	for _, tc := range []struct {
		name  string
		major int
		body  string
		want  string
	}{
		{"HTTP/1 with a body", 1, testBody, "close"},
		{"HTTP/1 without a body", 1, "", ""},
		{"HTTP/2 with a body", 2, testBody, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRequest(http.MethodPost, "/", tc.body)
			r.ProtoMajor = tc.major
			w, status, _ := serve(provisioned(t), r, new(app))
			if got := w.Header().Get("Connection"); got != tc.want || status != 401 {
				t.Errorf("got Connection %q with status %d, want %q with 401", got, status, tc.want)
			}
		})
	}
}

func TestNotificationWithoutUpdatesIsAnsweredAtOnce(t *testing.T) {
	for _, deliver := range []string{delivery.Each, delivery.Batch, delivery.Original} {
		next := new(app)
		w, status, _ := serve(provisioned(t, func(h *Handler) { h.Deliver = deliver }), newNotification(`{"object":"page","entry":[]}`), next)
		if status != 0 || w.Code != 200 || w.Body.Len() > 0 || len(next.requests) > 0 {
			t.Errorf("%s: got error %d, status %d, body %q, and %d requests to the next handler; want 200, an empty body and none",
				deliver, status, w.Code, w.Body, len(next.requests))
		}
	}
}

func TestAnySecretAuthenticates(t *testing.T) {
	h := provisioned(t, func(h *Handler) { h.AppSecret = []string{"first", testSecret, "third"} })
	for _, secret := range []string{"first", testSecret, "third"} {
		r := newNotification(testBody)
		r.Header.Set(signatureHeader, sign(secret, testBody))
		if w, status, _ := serve(h, r, new(app)); status != 0 || w.Code != 200 {
			t.Errorf("signed with %q: got error %d, status %d; want 200", secret, status, w.Code)
		}
	}
}

func TestDefaults(t *testing.T) {
	h := provisioned(t)
	got, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"name":"default","verify_token":["correct horse"],"app_secret":["battery staple"],` +
		`"deliver":"each","parallel":16,"timeout":30000000000,"max_size":4000000,"max_buffered":256000000,"body_timeout":10000000000,` +
		`"dedup":{"window":129600000000000,"windows":{"whatsapp_business_account":604800000000000},"on_error":"deliver"}}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestConfigurationErrors(t *testing.T) {
	t.Setenv("META_WEBHOOK_TEST_EMPTY", "")
	for _, tc := range []struct {
		name   string
		option func(*Handler)
		want   string
	}{
		{"no token", func(h *Handler) { h.VerifyToken = nil }, "verify_token: at least one is required"},
		{"no secret", func(h *Handler) { h.AppSecret = nil }, "app_secret: at least one is required"},
		{"empty token", func(h *Handler) { h.VerifyToken = []string{"x", ""} }, "verify_token: value 2 is empty"},
		{"blank secret", func(h *Handler) { h.AppSecret = []string{" \n"} }, "app_secret: value 1 is empty"},
		{"secret of NULs", func(h *Handler) { h.AppSecret = []string{"x", strings.Repeat("\x00", 32)} }, "app_secret: value 2 has a control character, such as a NUL or a line break"},
		{"token with a blank", func(h *Handler) { h.VerifyToken = []string{"x "} }, "verify_token: value 1 begins or ends with white space"},
		{"signing secret with a mark", func(h *Handler) { h.Sign = []string{"\ufeff" + signingSecret(24)} }, "sign: value 1 begins or ends with a byte order mark"},
		{"unset variable", func(h *Handler) { h.AppSecret = []string{"{env.META_WEBHOOK_TEST_UNSET}"} }, "app_secret: {env.META_WEBHOOK_TEST_UNSET} is empty or unknown"},
		{"empty variable", func(h *Handler) { h.AppSecret = []string{"{env.META_WEBHOOK_TEST_EMPTY}"} }, "app_secret: {env.META_WEBHOOK_TEST_EMPTY} is empty or unknown"},
		{"missing file", func(h *Handler) { h.VerifyToken = []string{"{file./does/not/exist}"} }, "verify_token: {file./does/not/exist} is empty or unknown"},
		{
			"secret with braces", func(h *Handler) { h.AppSecret = []string{"s3cr{et}x"} },
			`app_secret: value 1 has a placeholder that is empty or unknown; write a literal brace as \{`,
		},
		{"unknown mode", func(h *Handler) { h.Deliver = "all" }, `deliver: must be one of each, batch, original, not "all"`},
		{"cloudevents with original", func(h *Handler) { h.Deliver, h.CloudEvents = delivery.Original, true }, "cloudevents: with deliver original, bodies are Meta's own"},
		{"parallel with batch", func(h *Handler) { h.Deliver, h.Parallel = delivery.Batch, 2 }, "parallel: with deliver batch, there is one request for each notification"},
		{"negative parallel", func(h *Handler) { h.Parallel = -1 }, "parallel: must be at least 1"},
		{"negative max_size", func(h *Handler) { h.MaxSize = -1 }, "max_size: must be from 1 to 67108864"},
		{"max_size beyond what is parsed", func(h *Handler) { h.MaxSize = event.MaxSize + 1 }, "max_size: must be from 1 to 67108864"},
		{"negative max_buffered", func(h *Handler) { h.MaxBuffered = -1 }, "max_buffered: must be from 1 to 1099511627776"},
		{"max_buffered beyond any machine", func(h *Handler) { h.MaxBuffered = 1<<40 + 1 }, "max_buffered: must be from 1 to 1099511627776"},
		{"max_buffered too small", func(h *Handler) { h.MaxBuffered = 4*defaultMaxSize - 1 }, "max_buffered: must be at least 4 times max_size"},
		{"negative body_timeout", func(h *Handler) { h.BodyTimeout = -1 }, "body_timeout: must be longer than 0s"},
		{"negative timeout", func(h *Handler) { h.Timeout = -1 }, "timeout: must be longer than 0s"},
		{"negative window", func(h *Handler) { h.Dedup = &delivery.Dedup{Window: -1} }, "dedup: window: must be longer than 0s"},
		{"window without an object", func(h *Handler) { h.Dedup = &delivery.Dedup{Windows: map[string]caddy.Duration{"": 1}} }, "dedup: windows: object: must not be empty"},
		{"window of no time", func(h *Handler) { h.Dedup = &delivery.Dedup{Windows: map[string]caddy.Duration{"page": 0}} }, "dedup: windows: page: must be longer than 0s"},
		{"unknown on_error", func(h *Handler) { h.Dedup = &delivery.Dedup{OnError: "drop"} }, `dedup: on_error: must be one of deliver, reject, not "drop"`},
		{"dedup off with options", func(h *Handler) { h.Dedup = &delivery.Dedup{Off: true, Window: 1} }, "dedup: off: leaves no use for other options"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := &Handler{VerifyToken: []string{testToken}, AppSecret: []string{testSecret}}
			tc.option(h)
			err := provision(t, newContext(t), h)
			if err == nil || err.Error() != tc.want {
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
		})
	}
}

func TestSecretsFromEnvironmentAreVerbatim(t *testing.T) {
	t.Setenv("META_WEBHOOK_TEST_SECRET", "s3cr{et}x")
	h := provisioned(t, func(h *Handler) { h.AppSecret = []string{"{env.META_WEBHOOK_TEST_SECRET}"} })
	r := newNotification(testBody)
	r.Header.Set(signatureHeader, sign("s3cr{et}x", testBody))
	if w, status, _ := serve(h, r, new(app)); status != 0 || w.Code != 200 {
		t.Errorf("got error %d, status %d; want 200", status, w.Code)
	}
}

func TestBodyTimeoutIsForTheWholeBody(t *testing.T) {
	h := provisioned(t, func(h *Handler) { h.BodyTimeout = caddy.Duration(time.Minute) })
	var deadlines []time.Time
	w := deadlineWriter{ResponseRecorder: httptest.NewRecorder(), deadlines: &deadlines}
	if err := h.ServeHTTP(w, newNotification(testBody), new(app)); err != nil {
		t.Fatal(err)
	}
	if len(deadlines) != 2 || deadlines[0].IsZero() || !deadlines[1].IsZero() {
		t.Errorf("got read deadlines %v, want one, and none once the body is there", deadlines)
	}
}

type deadlineWriter struct {
	*httptest.ResponseRecorder
	deadlines *[]time.Time
}

func (w deadlineWriter) SetReadDeadline(t time.Time) error {
	*w.deadlines = append(*w.deadlines, t)
	return nil
}
