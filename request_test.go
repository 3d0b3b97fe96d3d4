// The request that the next handler gets.

package metawebhook

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/delivery"
)

const oneEvent = `{"object":"page","entry":[{"id":"7","time":1700000000,"messaging":[{"timestamp":1700000000000,"sender":{"id":"9"},"message":{"mid":"m.1"}}]}]}`

// handedOn returns the request that the next handler gets for a notification.
func handedOn(t *testing.T, r *http.Request, options ...func(*Handler)) *http.Request {
	t.Helper()
	next := new(app)
	if _, status, reason := serve(provisioned(t, options...), r, next); status != 0 || len(next.requests) == 0 {
		t.Fatalf("got error %d %q and %d requests to the next handler", status, reason, len(next.requests))
	}
	return next.requests[0]
}

func setVar(r *http.Request, name string, value any) {
	caddyhttp.SetVar(r.Context(), name, value)
}

func replacer(r *http.Request) *caddy.Replacer {
	return r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
}

func TestNothingFromOutsideIsHandedOn(t *testing.T) {
	r := newNotification(oneEvent)
	for _, name := range []string{
		"Webhook-Id", "Idempotency-Key", "Content-Length", "Content-Type", "Content-Encoding", "Cookie", "Authorization", "Connection",
		"Upgrade", "Te", "Trailer", "Expect", "X-Hub-Signature", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded", "X-Real-Ip",
	} {
		r.Header.Set(name, "from outside")
	}
	r.Header.Set("User-Agent", "facebookexternalua")
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	r.Header.Set("Tracestate", "a=b")
	r.Trailer = http.Header{"X-Trailer": {"from outside"}}
	r.TransferEncoding = []string{"chunked"}

	got := handedOn(t, r)
	id := got.Header.Get("Webhook-Id")
	want := map[string]string{
		"Content-Type":    "application/json",
		"Content-Length":  got.Header.Get("Content-Length"),
		"Webhook-Id":      id,
		"Idempotency-Key": id,
		"User-Agent":      "facebookexternalua",
		"Traceparent":     "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"Tracestate":      "a=b",
	}
	for name, values := range got.Header {
		if len(values) != 1 || values[0] != want[name] {
			t.Errorf("got %s: %q, want %q", name, values, want[name])
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
	if len(got.Trailer) > 0 || len(got.TransferEncoding) > 0 {
		t.Errorf("got trailer %v, transfer encoding %v; want none", got.Trailer, got.TransferEncoding)
	}
}

func TestForwardingHeadersOfTrustedProxiesAreHandedOn(t *testing.T) {
	r := newNotification(oneEvent)
	r.Header.Set("X-Forwarded-For", "192.0.2.1")
	r.Header.Set("X-Forwarded-Proto", "https")
	r.Header.Set("X-Forwarded-Host", "shop.example")
	setVar(r, caddyhttp.TrustedProxyVarKey, true)
	setVar(r, caddyhttp.ClientIPVarKey, "192.0.2.1")
	got := handedOn(t, r)
	for name, want := range map[string]string{"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "shop.example"} {
		if got.Header.Get(name) != want {
			t.Errorf("%s: got %q, want %q", name, got.Header.Get(name), want)
		}
	}
	if trusted := caddyhttp.GetVar(got.Context(), caddyhttp.TrustedProxyVarKey); trusted != true {
		t.Errorf("the request is no longer known to come from a trusted proxy: %v", trusted)
	}
	if ip := caddyhttp.GetVar(got.Context(), caddyhttp.ClientIPVarKey); ip != "192.0.2.1" {
		t.Errorf("client IP: got %v, want 192.0.2.1", ip)
	}
}

func TestRequestIsFromWhereMetasIs(t *testing.T) {
	r := newNotification(oneEvent)
	r.RemoteAddr = "192.0.2.7:1234"
	got := handedOn(t, r)
	if got.Method != http.MethodPost || got.URL.String() != r.URL.String() || got.RequestURI != r.RequestURI ||
		got.Host != r.Host || got.RemoteAddr != r.RemoteAddr || got.Proto != r.Proto {
		t.Errorf("got %s %s (%s) of %s from %s with %s", got.Method, got.URL, got.RequestURI, got.Host, got.RemoteAddr, got.Proto)
	}
	if got.URL == r.URL {
		t.Error("the requests share their URL, which handlers change")
	}
}

func TestBodyCanBeReplayed(t *testing.T) {
	got := handedOn(t, newNotification(oneEvent)) // whose body has been read
	if err := got.Body.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := got.GetBody()
	if err != nil {
		t.Fatal(err)
	}
	replayed, err := io.ReadAll(fresh)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(again)) != got.ContentLength || string(again) != string(replayed) || len(again) == 0 {
		t.Errorf("got %q after Close and %q from GetBody, want the same %d bytes", again, replayed, got.ContentLength)
	}
}

func TestEventPlaceholders(t *testing.T) {
	got := handedOn(t, newNotification(oneEvent))
	for name, want := range map[string]string{
		"id":      got.Header.Get("Webhook-Id"),
		"type":    "com.facebook.page.messages",
		"source":  "https://graph.facebook.com/7",
		"subject": "m.1",
		"object":  "page",
		"entry":   "7",
		"field":   "messages",
		"kind":    "messages",
	} {
		value, ok := replacer(got).GetString("http.meta_webhook.event." + name)
		if !ok || value != want {
			t.Errorf("%s: got %q, want %q", name, value, want)
		}
	}
	if value, ok := replacer(got).Get("http.meta_webhook.event.secret"); ok {
		t.Errorf("there is a placeholder that the contract does not name: %v", value)
	}
}

func TestEventPlaceholdersOfSeveralEventsHoldWhatTheyShare(t *testing.T) {
	got := handedOn(t, newNotification(testBody), func(h *Handler) { h.Deliver = delivery.Batch })
	for name, want := range map[string]string{"object": "page", "entry": "", "field": "", "type": "", "subject": "", "id": got.Header.Get("Webhook-Id")} {
		if value, ok := replacer(got).GetString("http.meta_webhook.event." + name); !ok || value != want {
			t.Errorf("%s: got %q, want %q", name, value, want)
		}
	}
}

func TestWhatHandlersBeforeLeftIsThereForThoseBehind(t *testing.T) {
	r := newNotification(oneEvent)
	setVar(r, "root", "/srv/app")
	replacer(r).Set("http.regexp.tenant.1", "shop")
	replacer(r).Set("http.request.header.Cookie", "from outside")
	groups := map[string]struct{}{"group1": {}}
	ctx := context.WithValue(r.Context(), routeGroupCtxKey, groups)
	*r = *r.WithContext(ctx)
	rewritten := *r.URL
	rewritten.Path = "/rewritten"
	r.URL = &rewritten

	got := handedOn(t, r)
	if root := caddyhttp.GetVar(got.Context(), "root"); root != "/srv/app" {
		t.Errorf("variable: got %v, want /srv/app", root)
	}
	if value, _ := replacer(got).GetString("http.regexp.tenant.1"); value != "shop" {
		t.Errorf("placeholder: got %q, want shop", value)
	}
	if value, _ := replacer(got).GetString("http.request.header.Cookie"); value != "" {
		t.Errorf("placeholder of a header that was not passed on: got %q, want none", value)
	}
	if value, _ := replacer(got).GetString("http.request.orig_uri.path"); value != "/webhooks" || got.URL.Path != "/rewritten" {
		t.Errorf("URI: got %q, originally %q; want /rewritten, originally /webhooks", got.URL.Path, value)
	}
	inherited := got.Context().Value(routeGroupCtxKey).(map[string]struct{})
	if _, ok := inherited["group1"]; !ok {
		t.Error("a handle block that was entered is open again")
	}

	setVar(got, "root", "/elsewhere")
	replacer(got).Set("http.regexp.tenant.1", "other")
	inherited["group2"] = struct{}{}
	if root := caddyhttp.GetVar(r.Context(), "root"); root != "/srv/app" {
		t.Errorf("the request changed a variable of Meta's: %v", root)
	}
	if value, _ := replacer(r).GetString("http.regexp.tenant.1"); value != "shop" {
		t.Errorf("the request changed a placeholder of Meta's: %q", value)
	}
	if len(groups) != 1 {
		t.Error("the request entered a handle block for Meta's")
	}
}

// routeGroupCtxKey is where Caddy keeps which handle blocks were entered.
const routeGroupCtxKey caddy.CtxKey = "route_group"

// Caddy keeps the groups under a key of its own; should it be renamed, handle
// blocks would no longer exclude each other for events.
func TestRouteGroupsAreWhereCaddyKeepsThem(t *testing.T) {
	r := newRequest(http.MethodPost, (&url.URL{Path: "/"}).String(), "")
	if _, ok := r.Context().Value(routeGroupCtxKey).(map[string]struct{}); !ok {
		t.Errorf("a request of Caddy's has no %q", routeGroupCtxKey)
	}
}
