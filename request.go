package metawebhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// A delivery is a notification on its way to the next handler.
type delivery struct {
	handler  *Handler
	start    time.Time
	ctx      context.Context // of the requests that are made for it
	cancel   context.CancelFunc
	original *http.Request // Meta's
	next     caddyhttp.Handler
	body     []byte        // the notification
	all      []event.Event // what is in it

	duplicates, failed int // of its events
}

// A message is what the next handler gets in one request.
type message struct {
	events      []event.Event
	id          event.ID
	contentType string
	signature   []string // Meta's, where body is what it signed
	body        []byte
}

// A failure is why a message was not delivered.
type failure struct {
	status   int // to answer Meta with
	answered int // the status of the next handler's answer, 0 without one
	err      error
	stack    []byte // of a panic
}

var (
	errShutdown  = errors.New("shutting down")
	errUnhandled = errors.New("no handler behind meta_webhook took the request")
	errAborted   = errors.New("the handler aborted its response")
	errStatus    = errors.New("the answer is not 2xx")
)

// send makes a request of the message and has the next handler serve it. It
// returns nil if that has answered 2xx.
func (d *delivery) send(ctx context.Context, m message) (f *failure) {
	if ctx.Err() != nil {
		return &failure{status: http.StatusServiceUnavailable, err: errShutdown}
	}
	a := &answer{header: make(http.Header)}
	// One event that makes a handler panic must not take the others with it,
	// let alone, from a goroutine of ours, the whole process.
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			f = &failure{status: http.StatusBadGateway, answered: a.status, err: errAborted}
		default:
			f = &failure{status: http.StatusBadGateway, answered: a.status, err: fmt.Errorf("panic: %v", p), stack: debug.Stack()}
		}
	}()
	r := d.request(ctx, m, a)
	if err := d.next.ServeHTTP(a, r); err != nil {
		return &failure{status: statusOf(err), answered: a.status, err: err}
	}
	// Caddy says so where a chain of handlers ends. Whatever may have been
	// answered on the way, no event is taken for delivered that nobody took.
	if unhandled, _ := caddyhttp.GetVar(r.Context(), "unhandled").(bool); unhandled {
		return &failure{status: http.StatusBadGateway, answered: a.status, err: errUnhandled}
	}
	if a.status == 0 {
		return nil // as net/http has it, a handler that writes nothing answers 200
	}
	if a.status < 200 || a.status > 299 {
		return &failure{status: http.StatusBadGateway, answered: a.status, err: errStatus}
	}
	return nil
}

// statusOf returns the status to answer with after a handler's error: the
// error's own, if that makes Meta send the notification again.
func statusOf(err error) int {
	if own, ok := errors.AsType[caddyhttp.HandlerError](err); ok && own.StatusCode >= 400 && own.StatusCode <= 599 {
		return own.StatusCode
	}
	return http.StatusBadGateway
}

// request makes the request of a message. Nothing in it is from outside but
// what the signature covers, where the request came from, and what Caddy
// itself lets pass: the HMAC is over the body alone.
func (d *delivery) request(ctx context.Context, m message, a *answer) *http.Request {
	o := d.original
	u := *o.URL
	body := &replayBody{ctx: ctx}
	body.reader.Reset(m.body)
	r := (&http.Request{
		Method:        http.MethodPost,
		URL:           &u,
		Proto:         o.Proto,
		ProtoMajor:    o.ProtoMajor,
		ProtoMinor:    o.ProtoMinor,
		Header:        d.header(ctx, m),
		Body:          body,
		GetBody:       func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(m.body)), nil },
		ContentLength: int64(len(m.body)),
		Host:          o.Host,
		RemoteAddr:    o.RemoteAddr,
		RequestURI:    o.RequestURI,
		TLS:           o.TLS,
	}).WithContext(httptrace.WithClientTrace(ctx, body.trace()))

	server, _ := o.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	repl := caddy.NewReplacer()
	r = caddyhttp.PrepareRequest(r, repl, a, server)
	d.inherit(r, repl, &m)
	return r
}

// routeGroupCtxKey is where Caddy keeps which of several handle blocks have
// been entered.
const routeGroupCtxKey caddy.CtxKey = "route_group"

// inherit gives r, which is prepared, what handlers before this one have left
// for those behind it: variables, placeholders, the handle blocks that are
// out of question, and the URI before it was rewritten. All of it is r's own,
// because several requests may be under way.
func (d *delivery) inherit(r *http.Request, repl *caddy.Replacer, m *message) {
	before := d.original.Context()
	ctx := r.Context()
	if vars, ok := before.Value(caddyhttp.VarsCtxKey).(map[string]any); ok {
		maps.Copy(ctx.Value(caddyhttp.VarsCtxKey).(map[string]any), vars)
	}
	if groups, ok := before.Value(routeGroupCtxKey).(map[string]struct{}); ok {
		maps.Copy(ctx.Value(routeGroupCtxKey).(map[string]struct{}), groups)
	}
	if first, ok := before.Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok && !sameTarget(&first, r) {
		*r = *r.WithContext(context.WithValue(ctx, caddyhttp.OriginalRequestCtxKey, first)) // in place: the replacer knows r by its address
	}

	outer, _ := before.Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	repl.Map(func(key string) (any, bool) {
		if name, ok := strings.CutPrefix(key, "http.meta_webhook.event."); ok {
			return m.placeholder(name)
		}
		if outer == nil {
			return nil, false
		}
		return outer.Get(key)
	})
}

// sameTarget tells whether r, which is prepared, has what Caddy keeps of a
// request as it came: nothing has been rewritten.
func sameTarget(first, r *http.Request) bool {
	return first.Method == r.Method && first.RequestURI == r.RequestURI && first.RemoteAddr == r.RemoteAddr &&
		first.URL != nil && *first.URL == *r.URL
}

// header makes the header of a message's request.
func (d *delivery) header(ctx context.Context, m message) http.Header {
	id := m.id.String()
	values := []string{m.contentType, strconv.Itoa(len(m.body)), id, id}
	h := http.Header{
		"Content-Type":    values[0:1:1],
		"Content-Length":  values[1:2:2],
		"Webhook-Id":      values[2:3:3],
		"Idempotency-Key": values[3:4:4], // lets net/http send a POST again when a kept-alive connection turns out to be closed
	}
	d.handler.signing.sign(h, id, m.body, time.Now())
	if m.signature != nil {
		h[signatureHeader] = m.signature
	}
	pass := func(names ...string) {
		for _, name := range names {
			if values, ok := d.original.Header[name]; ok {
				h[name] = slices.Clone(values)
			}
		}
	}
	pass("User-Agent", "Traceparent", "Tracestate")
	if trusted, _ := caddyhttp.GetVar(d.original.Context(), caddyhttp.TrustedProxyVarKey).(bool); trusted {
		pass("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host")
	}
	propagate(ctx, h)
	return h
}

// attributes are the event placeholders beside the id.
var attributes = map[string]func(*event.Event) string{
	"type":    (*event.Event).Type,
	"source":  (*event.Event).Source,
	"subject": (*event.Event).Subject,
	"object":  (*event.Event).Object,
	"entry":   (*event.Event).Entry,
	"field":   (*event.Event).Field,
	"kind":    (*event.Event).Kind,
}

// placeholder returns the value of an event placeholder.
func (m *message) placeholder(name string) (any, bool) {
	if name == "id" {
		return m.id.String(), true
	}
	if attribute, ok := attributes[name]; ok {
		return m.shared(attribute), true
	}
	return nil, false
}

// shared returns the attribute that all events of the message have, or the
// empty string if they differ in it.
func (m *message) shared(attribute func(*event.Event) string) string {
	value := attribute(&m.events[0])
	for i := 1; i < len(m.events); i++ {
		if attribute(&m.events[i]) != value {
			return ""
		}
	}
	return value
}

// An answer is the response of the next handler. Only its status counts; its
// body is drained and dropped.
type answer struct {
	header http.Header
	status int
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	informational := status >= 100 && status <= 199 && status != http.StatusSwitchingProtocols
	if a.status == 0 && !informational {
		a.status = status
	}
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return len(p), nil
}

// Flush implements http.Flusher.
func (a *answer) Flush() { a.WriteHeader(http.StatusOK) }

// Interface guards
var (
	_ http.ResponseWriter = (*answer)(nil)
	_ http.Flusher        = (*answer)(nil)
)
