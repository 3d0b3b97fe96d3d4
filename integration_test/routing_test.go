package integration_test

import (
	"strings"
	"testing"
)

func TestEventPlaceholders(t *testing.T) {
	u := newUpstream(t, nil)
	site := func(options ...string) string {
		headers := []string{hook(options...), "reverse_proxy " + u.addr + " {"}
		for _, name := range []string{"id", "type", "source", "subject", "object", "entry", "field", "kind"} {
			headers = append(headers, "header_up X-Event-"+name+" {http.meta_webhook.event."+name+"}")
		}
		return lines(append(headers, "}")...)
	}
	g := start(t, site())
	check := func(name string, want map[string]string) {
		t.Helper()
		got := u.only()
		u.forget()
		for attribute, value := range want {
			if s := got.header.Get("X-Event-" + attribute); s != value {
				t.Errorf("%s: got {http.meta_webhook.event.%s} %q, want %q", name, attribute, s, value)
			}
		}
		if id := got.header.Get("X-Event-Id"); id == "" || id != got.header.Get("Webhook-Id") {
			t.Errorf("%s: got {http.meta_webhook.event.id} %q, want the Webhook-Id %q", name, id, got.header.Get("Webhook-Id"))
		}
	}

	wantStatus(t, g.post(whatsApp(nil, []string{"wamid.a"})), 200)
	check("each", map[string]string{
		"type": "com.facebook.whatsapp_business_account.statuses", "source": "https://graph.facebook.com/7", "subject": "wamid.a",
		"object": "whatsapp_business_account", "entry": "7", "field": "messages", "kind": "statuses",
	})
	for _, mode := range []string{"batch", "original"} {
		g.reload(site("deliver " + mode))
		wantStatus(t, g.post(whatsApp([]string{mode + ".a"}, []string{mode + ".b"})), 200)
		check(mode+" of two kinds", map[string]string{
			"type": "", "source": "https://graph.facebook.com/7", "subject": "",
			"object": "whatsapp_business_account", "entry": "7", "field": "messages", "kind": "",
		})
		wantStatus(t, g.post(page([]string{mode + ".a"}, []string{mode + ".b"})), 200)
		check(mode+" of two entries", map[string]string{
			"type": "com.facebook.page.feed", "source": "", "object": "page", "entry": "", "field": "feed", "kind": "feed",
		})
	}
}

func TestMatchersRouteEventsByKind(t *testing.T) {
	for name, matcher := range map[string]string{
		"vars":       "vars {http.meta_webhook.event.kind} statuses",
		"expression": "expression `{http.meta_webhook.event.kind} == \"statuses\"`",
		"not":        "not vars {http.meta_webhook.event.kind} messages",
		"regexp":     "vars_regexp {http.meta_webhook.event.type} \\.statuses$",
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t, nil)
			g := start(t, lines(hook(), "@dropped {", matcher, "}", "respond @dropped 200", "reverse_proxy "+u.addr))
			wantStatus(t, g.post(whatsApp([]string{"wamid.a", "wamid.b"}, []string{"wamid.c", "wamid.d"})), 200)
			var got []string
			for _, r := range u.requests() {
				got = append(got, decode[cloudEvent](t, r.body).Type)
			}
			const want = "com.facebook.whatsapp_business_account.messages"
			if len(got) != 2 || got[0] != want || got[1] != want {
				t.Errorf("got %q upstream, want %s twice", got, want)
			}
		})
	}
}

func TestKindsGoToUpstreamsOfTheirOwn(t *testing.T) {
	messages, statuses := newUpstream(t, nil), newUpstream(t, answering(500))
	g := start(t, lines(hook(), "@statuses vars {http.meta_webhook.event.kind} statuses",
		"handle @statuses {", "reverse_proxy "+statuses.addr, "}", "handle {", "reverse_proxy "+messages.addr, "}"))
	wantStatus(t, g.post(whatsApp([]string{"wamid.a"}, []string{"wamid.b", "wamid.c"})), 502)
	if got := messages.only(); !strings.Contains(got.body, "wamid.a") {
		t.Errorf("got %q, want the message", got.body)
	}
	if got := len(statuses.requests()); got != 2 {
		t.Errorf("got %d statuses upstream, want 2", got)
	}
}

// TestHandleBlocksStayExclusive has an event that no handler takes in the
// block that its notification has entered.
func TestHandleBlocksStayExclusive(t *testing.T) {
	inside, sibling := newUpstream(t, nil), newUpstream(t, nil)
	g := start(t, lines("handle "+callback+" {", hook(), "@feed vars {http.meta_webhook.event.kind} feed",
		"reverse_proxy @feed "+inside.addr, "}", "handle {", "reverse_proxy "+sibling.addr, "}"))
	wantStatus(t, g.post(page([]string{"a"}, []string{"b"})), 200)
	inside.wantPosts("a", "b")
	wantStatus(t, g.post(whatsApp([]string{"wamid.a"}, nil)), 502)
	sibling.wantNone()
}

// TestEachEventEntersOneHandleBlock is about the blocks behind the handler:
// that one event has been in the first must not shut the next out of it.
func TestEachEventEntersOneHandleBlock(t *testing.T) {
	first, second := newUpstream(t, nil), newUpstream(t, nil)
	g := start(t, lines(hook("parallel 1"), "@b vars {http.meta_webhook.event.entry} 101",
		"handle @b {", "reverse_proxy "+second.addr, "}", "handle {", "reverse_proxy "+first.addr, "}"))
	wantStatus(t, g.post(page([]string{"a1", "a2"}, []string{"b1", "b2"}, []string{"c1"})), 200)
	first.wantPosts("a1", "a2", "c1")
	second.wantPosts("b1", "b2")
}

// TestWhatHandlersLeaveBeforeIsThereBehind is about variables, mappings,
// captures and rewrites of the notification.
func TestWhatHandlersLeaveBeforeIsThereBehind(t *testing.T) {
	u := newUpstream(t, nil)
	g := start(t, `
		@callback path_regexp tenant ^/webhooks/(\w+)$
		vars @callback tenant {re.tenant.1}
		vars request {http.request.uuid}
		map {re.tenant.1} {shard} {
			alpha a1
			default other
		}
		uri strip_prefix /webhooks
		meta_webhook {
			verify_token `+token+`
			app_secret `+appSecret+`
		}
		route {
			vars seen {http.meta_webhook.event.entry}
			reverse_proxy `+u.addr+` {
				header_up X-Tenant {vars.tenant}
				header_up X-Shard {shard}
				header_up X-Capture {re.tenant.1}
				header_up X-Seen {vars.seen}
				header_up X-Request {vars.request}
				header_up X-Uuid {http.request.uuid}
				header_up X-Orig {http.request.orig_uri}
			}
		}`)
	r := g.notification(page(posts("a", 5), posts("b", 5), posts("c", 5), posts("d", 5)))
	r.URL.Path = "/webhooks/alpha"
	wantStatus(t, g.do(r), 200)
	got := u.requests()
	if len(got) != 20 {
		t.Fatalf("got %d events upstream, want 20", len(got))
	}
	for _, r := range got {
		wantHeaders(t, r, map[string]string{
			"X-Tenant":  "alpha",
			"X-Shard":   "a1",
			"X-Capture": "alpha",
			"X-Seen":    decode[cloudEvent](t, r.body).Entry,
			"X-Request": got[0].header.Get("X-Request"),
			"X-Orig":    "/webhooks/alpha",
		})
		if r.uri != "/alpha" {
			t.Errorf("got URI %s upstream, want it as it was rewritten", r.uri)
		}
		if r.header.Get("X-Uuid") == "" || r.header.Get("X-Request") == "" {
			t.Error("got no request id upstream, want one")
		}
	}
}

// TestRequestIDsOfEventsDoNotRace asks for Caddy's lazy request id in every
// event, and before by no one.
func TestRequestIDsOfEventsDoNotRace(t *testing.T) {
	u := newUpstream(t, nil)
	g := start(t, lines("log", hook(), "reverse_proxy "+u.addr+" {", "header_up X-Uuid {http.request.uuid}",
		"header_up X-Unknown {http.no.such.placeholder}", "header_up X-Hash {http.request.body}", "}"))
	wantStatus(t, g.post(page(posts("a", 3), posts("b", 3), posts("c", 3), posts("d", 3))), 200)
	if got := len(u.requests()); got != 12 {
		t.Errorf("got %d events upstream, want 12", got)
	}
	for _, r := range u.requests() {
		if r.header.Get("X-Hash") != r.body {
			t.Errorf("got {http.request.body} %q, want the event's own %q", r.header.Get("X-Hash"), r.body)
		}
	}
}

func TestStripsThePathInsideHandlePath(t *testing.T) {
	u := newUpstream(t, nil)
	g := start(t, "handle_path /webhooks/* {\n"+strings.Replace(hook(), callback, "", 1)+"\nreverse_proxy "+u.addr+"\n}")
	r := g.notification(page([]string{"a"}))
	r.URL.Path = "/webhooks/meta"
	wantStatus(t, g.do(r), 200)
	if got := u.only().uri; got != "/meta" {
		t.Errorf("got URI %s upstream, want /meta", got)
	}
}
