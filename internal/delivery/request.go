package delivery

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/observe"
)

// signatureHeader is the header of Meta's signature.
const signatureHeader = "X-Hub-Signature-256"

// request makes the request of a message to a chain of handlers.
func (s *Sender) request(ctx context.Context, to *Chain, o *Origin, m *Message, a *answer) *http.Request {
	u := o.URL
	body := &replayBody{ctx: ctx}
	if m.Array != nil {
		body.array = m.Array.Reader()
	} else {
		body.reader.Reset(m.Body)
	}
	r := (&http.Request{
		Method:        http.MethodPost,
		URL:           &u,
		Proto:         o.Proto,
		ProtoMajor:    o.ProtoMajor,
		ProtoMinor:    o.ProtoMinor,
		Header:        s.header(ctx, o, m),
		Body:          body,
		GetBody:       m.open,
		ContentLength: int64(m.size()),
		Host:          o.Host,
		RemoteAddr:    o.RemoteAddr,
		RequestURI:    o.RequestURI,
		TLS:           o.TLS,
	}).WithContext(httptrace.WithClientTrace(ctx, body.trace()))

	repl := caddy.NewReplacer()
	r = caddyhttp.PrepareRequest(r, repl, a, to.Server)
	var outer *caddy.Replacer
	if to.Before != nil {
		outer = to.inherit(r)
	}
	repl.Map(func(key string) (any, bool) {
		if name, ok := strings.CutPrefix(key, "http.meta_webhook.event."); ok {
			return m.placeholder(name)
		}
		if key == "http.meta_webhook.attempt" && m.Attempt > 0 {
			return m.Attempt, true
		}
		if outer == nil {
			return nil, false
		}
		return outer.Get(key)
	})
	return r
}

// header makes the header of a message's request.
func (s *Sender) header(ctx context.Context, o *Origin, m *Message) http.Header {
	values := []string{m.ContentType, strconv.Itoa(m.size()), m.ID, m.ID}
	h := http.Header{
		"Content-Type":    values[0:1:1],
		"Content-Length":  values[1:2:2],
		"Webhook-Id":      values[2:3:3],
		"Idempotency-Key": values[3:4:4], // lets net/http send a POST again when a kept-alive connection turns out to be closed
	}
	if m.Attempt > 0 {
		h["Webhook-Attempt"] = []string{strconv.Itoa(m.Attempt)}
	}
	if m.Replay {
		h["Webhook-Replay"] = []string{"true"}
	}
	s.Keys.Sign(h, m.ID, m.Body, time.Now())
	if m.Signature != nil {
		h[signatureHeader] = m.Signature
	}
	for name, values := range o.Header {
		h[name] = slices.Clip(values)
	}
	observe.Propagate(ctx, h)
	return h
}

// routeGroupCtxKey is where Caddy keeps which of several handle blocks have
// been entered.
const routeGroupCtxKey caddy.CtxKey = "route_group"

// inherit gives r, which is prepared, what handlers in front have left for
// those behind: variables, the handle blocks that are out of the question, and
// the URI before it was rewritten. All of it is r's own, because several
// requests may be under way. The placeholders of those handlers are in the
// replacer that it returns.
func (c *Chain) inherit(r *http.Request) (outer *caddy.Replacer) {
	before := c.Before.Context()
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
	outer, _ = before.Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	return outer
}

// sameTarget reports whether r, which is prepared, has what Caddy keeps of a
// request as it came: nothing was rewritten.
func sameTarget(first, r *http.Request) bool {
	return first.Method == r.Method && first.RequestURI == r.RequestURI && first.RemoteAddr == r.RemoteAddr &&
		first.URL != nil && *first.URL == *r.URL
}
