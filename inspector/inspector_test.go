package inspector

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

const testEvent = `{"specversion":"1.0","id":"0123","source":"https://graph.facebook.com/1","type":"com.facebook.page.feed",` +
	`"subject":"44_55","time":"2026-01-01T00:00:00Z","metaobject":"page","metaentry":"1","metafield":"feed","data":{"n":10211885744794461}}`

// provisioned returns a handler as Caddy would set it up, with a journal of
// its own.
func provisioned(t *testing.T, options ...func(*Handler)) *Handler {
	t.Helper()
	h := &Handler{Name: t.Name()}
	for _, option := range options {
		option(h)
	}
	if err := provision(t, h); err != nil {
		t.Fatalf("provisioning: %v", err)
	}
	h.logger = zap.NewNop()
	return h
}

func provision(t *testing.T, h *Handler) error {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	t.Cleanup(func() {
		if err := h.Cleanup(); err != nil {
			t.Errorf("Cleanup: %v", err)
		}
	})
	if err := h.Provision(ctx); err != nil {
		return err
	}
	return h.Validate()
}

func passing(h *Handler) { h.Pass = true }

// newRequest returns a request as Caddy's server hands it to a handler, of
// somebody on this machine.
func newRequest(method, target, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "localhost:8080"
	r.RemoteAddr = "127.0.0.1:50000"
	return caddyhttp.PrepareRequest(r, caddy.NewReplacer(), httptest.NewRecorder(), nil)
}

// newDelivery returns a request as meta_webhook makes it.
func newDelivery(body string) *http.Request {
	r := newRequest(http.MethodPost, "/webhooks", body)
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil }
	r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer).Set("http.meta_webhook.event.id", "0123")
	return r
}

// An app is the next handler. It notes the bodies that it gets.
type app struct {
	status int
	err    error
	panics bool
	says   string
	bodies []string
}

func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	a.bodies = append(a.bodies, string(body))
	if a.panics {
		panic(http.ErrAbortHandler)
	}
	if a.status != 0 {
		w.WriteHeader(a.status)
	}
	if a.says != "" {
		_, _ = io.WriteString(w, a.says)
	}
	return a.err
}

// serve has the handler serve a request, and returns the answer, or the status
// of the error.
func serve(h *Handler, r *http.Request, next caddyhttp.Handler) (*httptest.ResponseRecorder, int) {
	w := httptest.NewRecorder()
	err := h.ServeHTTP(w, r, next)
	if own, ok := errors.AsType[caddyhttp.HandlerError](err); ok {
		return w, own.StatusCode
	}
	return w, w.Code
}

// kept returns what the journal has.
func kept(h *Handler) []record { return h.journal.before(0, maxInt) }

func TestOnlyDeliveriesAreRecorded(t *testing.T) {
	forged := newRequest(http.MethodPost, "/webhooks", testEvent)
	for name, value := range map[string]string{
		"Webhook-Id": "0123", "Idempotency-Key": "0123", "Http.meta_webhook.event.id": "0123", "Content-Type": "application/cloudevents+json",
	} {
		forged.Header.Set(name, value)
	}
	for name, r := range map[string]*http.Request{
		"POST elsewhere":            newRequest(http.MethodPost, "/other", testEvent),
		"POST to the callback":      forged,
		"placeholder in the query":  newRequest(http.MethodPost, "/webhooks?http.meta_webhook.event.id=0123", testEvent),
		"POST to a path beside":     newRequest(http.MethodPost, "/inspectors", testEvent),
		"GET of an unknown file":    newRequest(http.MethodGet, "/inspector/secrets.js", ""),
		"GET of a file in a folder": newRequest(http.MethodGet, "/inspector/page/app.js", ""),
		"GET of a path upwards":     newRequest(http.MethodGet, "/inspector/../inspector.go", ""),
		"GET of the file's name":    newRequest(http.MethodGet, "/inspector/index.html", ""),
	} {
		t.Run(name, func(t *testing.T) {
			h, next := provisioned(t), &app{status: http.StatusTeapot}
			if _, status := serve(h, r, next); status != http.StatusTeapot {
				t.Errorf("got %d, want the next handler's answer", status)
			}
			if n := len(kept(h)); n != 0 {
				t.Errorf("got %d events, want none", n)
			}
		})
	}
	for _, path := range []string{"/inspector", "/inspector/", "/inspector/events", "/inspector/event", "/inspector/payload", "/inspector/stream", "/inspector/destinations", "/inspector/dropped"} {
		h, next := provisioned(t), new(app)
		if _, status := serve(h, newRequest(http.MethodPost, path, testEvent), next); status != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: got %d, want 405", path, status)
		}
		if n := len(kept(h)) + len(next.bodies); n != 0 {
			t.Errorf("POST %s: got %d events, want none", path, n)
		}
	}
}

func TestOptionsWithoutMeaningDoNotLoad(t *testing.T) {
	for want, h := range map[string]*Handler{
		"path":       {Path: "inspector"},
		"max_events": {MaxEvents: -1},
		"max_bytes":  {MaxBytes: -1},
		"allow":      {Allow: []string{"everybody"}},
	} {
		if err := provision(t, h); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one of %s", err, want)
		}
	}
	for _, path := range []string{"/inspector/", "//", "/a//b", "/a/../b", "a"} {
		if err := provision(t, &Handler{Path: path}); err == nil {
			t.Errorf("got no error for the path %q, want one", path)
		}
	}
}
