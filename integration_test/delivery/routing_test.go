package delivery

import (
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
)

func TestEventPlaceholders(t *testing.T) {
	u := harness.NewUpstream(t, nil)
	site := func(options ...string) string {
		headers := []string{harness.Hook(options...), "reverse_proxy " + u.Addr + " {"}
		for _, name := range []string{"id", "type", "source", "subject", "object", "entry", "field", "kind"} {
			headers = append(headers, "header_up X-Event-"+name+" {http.meta_webhook.event."+name+"}")
		}
		return harness.Lines(append(headers, "}")...)
	}
	g := harness.Start(t, site())
	check := func(name string, want map[string]string) {
		t.Helper()
		got := u.Only()
		u.Forget()
		for attribute, value := range want {
			if s := got.Header.Get("X-Event-" + attribute); s != value {
				t.Errorf("%s: got {http.meta_webhook.event.%s} %q, want %q", name, attribute, s, value)
			}
		}
		if id := got.Header.Get("X-Event-Id"); id == "" || id != got.Header.Get("Webhook-Id") {
			t.Errorf("%s: got {http.meta_webhook.event.id} %q, want the Webhook-Id %q", name, id, got.Header.Get("Webhook-Id"))
		}
	}

	harness.WantStatus(t, g.Post(harness.WhatsApp(nil, []string{"wamid.a"})), 200)
	check("each", map[string]string{
		"type": "com.facebook.whatsapp_business_account.statuses", "source": "https://graph.facebook.com/7", "subject": "wamid.a",
		"object": "whatsapp_business_account", "entry": "7", "field": "messages", "kind": "statuses",
	})
	for _, mode := range []string{"batch", "original"} {
		g.Reload(site("deliver " + mode))
		harness.WantStatus(t, g.Post(harness.WhatsApp([]string{mode + ".a"}, []string{mode + ".b"})), 200)
		check(mode+" of two kinds", map[string]string{
			"type": "", "source": "https://graph.facebook.com/7", "subject": "",
			"object": "whatsapp_business_account", "entry": "7", "field": "messages", "kind": "",
		})
		harness.WantStatus(t, g.Post(harness.Page([]string{mode + ".a"}, []string{mode + ".b"})), 200)
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
			u := harness.NewUpstream(t, nil)
			g := harness.Start(t, harness.Lines(harness.Hook(), "@dropped {", matcher, "}", "respond @dropped 200", "reverse_proxy "+u.Addr))
			harness.WantStatus(t, g.Post(harness.WhatsApp([]string{"wamid.a", "wamid.b"}, []string{"wamid.c", "wamid.d"})), 200)
			var got []string
			for _, r := range u.Requests() {
				got = append(got, harness.Decode[harness.CloudEvent](t, r.Body).Type)
			}
			const want = "com.facebook.whatsapp_business_account.messages"
			if len(got) != 2 || got[0] != want || got[1] != want {
				t.Errorf("got %q upstream, want %s twice", got, want)
			}
		})
	}
}

func TestKindsGoToUpstreamsOfTheirOwn(t *testing.T) {
	messages, statuses := harness.NewUpstream(t, nil), harness.NewUpstream(t, harness.Answering(500))
	g := harness.Start(t, harness.Lines(harness.Hook(), "@statuses vars {http.meta_webhook.event.kind} statuses",
		"handle @statuses {", "reverse_proxy "+statuses.Addr, "}", "handle {", "reverse_proxy "+messages.Addr, "}"))
	harness.WantStatus(t, g.Post(harness.WhatsApp([]string{"wamid.a"}, []string{"wamid.b", "wamid.c"})), 502)
	if got := messages.Only(); !strings.Contains(got.Body, "wamid.a") {
		t.Errorf("got %q, want the message", got.Body)
	}
	if got := len(statuses.Requests()); got != 2 {
		t.Errorf("got %d statuses upstream, want 2", got)
	}
}

// TestHandleBlocksStayExclusive has an event that no handler takes in the
// block that its notification has entered.
func TestHandleBlocksStayExclusive(t *testing.T) {
	inside, sibling := harness.NewUpstream(t, nil), harness.NewUpstream(t, nil)
	g := harness.Start(t, harness.Lines("handle "+harness.Callback+" {", harness.Hook(), "@feed vars {http.meta_webhook.event.kind} feed",
		"reverse_proxy @feed "+inside.Addr, "}", "handle {", "reverse_proxy "+sibling.Addr, "}"))
	harness.WantStatus(t, g.Post(harness.Page([]string{"a"}, []string{"b"})), 200)
	inside.WantPosts("a", "b")
	harness.WantStatus(t, g.Post(harness.WhatsApp([]string{"wamid.a"}, nil)), 502)
	sibling.WantNone()
}

// TestEachEventEntersOneHandleBlock is about the blocks behind the handler:
// that one event has been in the first must not shut the next out of it.
func TestEachEventEntersOneHandleBlock(t *testing.T) {
	first, second := harness.NewUpstream(t, nil), harness.NewUpstream(t, nil)
	g := harness.Start(t, harness.Lines(harness.Hook("parallel 1"), "@b vars {http.meta_webhook.event.entry} 101",
		"handle @b {", "reverse_proxy "+second.Addr, "}", "handle {", "reverse_proxy "+first.Addr, "}"))
	harness.WantStatus(t, g.Post(harness.Page([]string{"a1", "a2"}, []string{"b1", "b2"}, []string{"c1"})), 200)
	first.WantPosts("a1", "a2", "c1")
	second.WantPosts("b1", "b2")
}

// TestWhatHandlersLeaveBeforeIsThereBehind is about variables, mappings,
// captures and rewrites of the notification.
func TestWhatHandlersLeaveBeforeIsThereBehind(t *testing.T) {
	u := harness.NewUpstream(t, nil)
	g := harness.Start(t, `
		@callback path_regexp tenant ^/webhooks/(\w+)$
		vars @callback tenant {re.tenant.1}
		vars request {http.request.uuid}
		map {re.tenant.1} {shard} {
			alpha a1
			default other
		}
		uri strip_prefix /webhooks
		meta_webhook {
			verify_token `+harness.Token+`
			app_secret `+harness.AppSecret+`
		}
		route {
			vars seen {http.meta_webhook.event.entry}
			reverse_proxy `+u.Addr+` {
				header_up X-Tenant {vars.tenant}
				header_up X-Shard {shard}
				header_up X-Capture {re.tenant.1}
				header_up X-Seen {vars.seen}
				header_up X-Request {vars.request}
				header_up X-Uuid {http.request.uuid}
				header_up X-Orig {http.request.orig_uri}
			}
		}`)
	r := g.Notification(harness.Page(harness.Posts("a", 5), harness.Posts("b", 5), harness.Posts("c", 5), harness.Posts("d", 5)))
	r.URL.Path = "/webhooks/alpha"
	harness.WantStatus(t, g.Do(r), 200)
	got := u.Requests()
	if len(got) != 20 {
		t.Fatalf("got %d events upstream, want 20", len(got))
	}
	for _, r := range got {
		harness.WantHeaders(t, r, map[string]string{
			"X-Tenant":  "alpha",
			"X-Shard":   "a1",
			"X-Capture": "alpha",
			"X-Seen":    harness.Decode[harness.CloudEvent](t, r.Body).Entry,
			"X-Request": got[0].Header.Get("X-Request"),
			"X-Orig":    "/webhooks/alpha",
		})
		if r.URI != "/alpha" {
			t.Errorf("got URI %s upstream, want it as it was rewritten", r.URI)
		}
		if r.Header.Get("X-Uuid") == "" || r.Header.Get("X-Request") == "" {
			t.Error("got no request id upstream, want one")
		}
	}
}

// TestRequestIDsOfEventsDoNotRace asks for Caddy's lazy request id in every
// event, and before by no one.
func TestRequestIDsOfEventsDoNotRace(t *testing.T) {
	u := harness.NewUpstream(t, nil)
	g := harness.Start(t, harness.Lines("log", harness.Hook(), "reverse_proxy "+u.Addr+" {", "header_up X-Uuid {http.request.uuid}",
		"header_up X-Unknown {http.no.such.placeholder}", "header_up X-Hash {http.request.body}", "}"))
	harness.WantStatus(t, g.Post(harness.Page(harness.Posts("a", 3), harness.Posts("b", 3), harness.Posts("c", 3), harness.Posts("d", 3))), 200)
	if got := len(u.Requests()); got != 12 {
		t.Errorf("got %d events upstream, want 12", got)
	}
	for _, r := range u.Requests() {
		if r.Header.Get("X-Hash") != r.Body {
			t.Errorf("got {http.request.body} %q, want the event's own %q", r.Header.Get("X-Hash"), r.Body)
		}
	}
}

func TestStripsThePathInsideHandlePath(t *testing.T) {
	u := harness.NewUpstream(t, nil)
	g := harness.Start(t, "handle_path /webhooks/* {\n"+strings.Replace(harness.Hook(), harness.Callback, "", 1)+"\nreverse_proxy "+u.Addr+"\n}")
	r := g.Notification(harness.Page([]string{"a"}))
	r.URL.Path = "/webhooks/meta"
	harness.WantStatus(t, g.Do(r), 200)
	if got := u.Only().URI; got != "/meta" {
		t.Errorf("got URI %s upstream, want /meta", got)
	}
}
