package delivery

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
)

var idForm = regexp.MustCompile(`^[0-9a-f]{32}$`)

func TestEachDeliversOneEventARequest(t *testing.T) {
	u := harness.NewUpstream(t, nil)
	g := harness.Proxied(t, u)
	body := harness.Page([]string{"a", "b"}, []string{"c"})
	harness.WantStatus(t, g.Post(body), 200)
	u.WantPosts("a", "b", "c")
	events, err := event.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range u.Requests() {
		got := harness.Decode[harness.CloudEvent](t, r.Body)
		i := slices.IndexFunc(events, func(e event.Event) bool { return e.ID().String() == got.ID })
		if i < 0 {
			t.Errorf("got event %s, want one of the notification", got.ID)
			continue
		}
		if want := string(events[i].AppendJSON(nil)); r.Body != want {
			t.Errorf("got body %s, want %s", r.Body, want)
		}
	}
}

// TestEachKeepsTheOrderOfAConversation has what six customers write come in
// entries of one message each, as Meta may cut it.
func TestEachKeepsTheOrderOfAConversation(t *testing.T) {
	const customers, messages = 6, 30
	u := harness.NewUpstream(t, nil)
	g := harness.Proxied(t, u, "parallel 4")
	var entries []string
	want := map[string][]string{}
	for n := range messages {
		for c := range customers {
			customer, mid := strconv.Itoa(90+c), fmt.Sprintf("m_%d.%02d", 90+c, n)
			entries = append(entries, fmt.Sprintf(`{"id":"100","time":1700000000000,"messaging":[{"sender":{"id":"%s"},"recipient":{"id":"100"},`+
				`"timestamp":1700000000000,"message":{"mid":"%s","text":"hello"}}]}`, customer, mid))
			want[customer] = append(want[customer], mid)
		}
	}
	harness.WantStatus(t, g.Post([]byte(`{"object":"page","entry":[`+strings.Join(entries, ",")+`]}`)), 200)
	got := map[string][]string{}
	for _, r := range u.Requests() {
		e := harness.Decode[harness.CloudEvent](t, r.Body)
		got[e.Subject[2:4]] = append(got[e.Subject[2:4]], e.Subject)
	}
	for customer := range want {
		if !slices.Equal(got[customer], want[customer]) {
			t.Errorf("customer %s: got the events %s, want %s", customer, harness.Brief(got[customer]), harness.Brief(want[customer]))
		}
	}
}

func TestEachDeliversSoManyEntriesAtOnce(t *testing.T) {
	for _, parallel := range []int{1, 3} {
		t.Run(strconv.Itoa(parallel), func(t *testing.T) {
			u, gate := harness.NewGatedUpstream(t)
			g := harness.Proxied(t, u, "parallel "+strconv.Itoa(parallel))
			body := harness.Page(harness.Posts("a", 2), harness.Posts("b", 2), harness.Posts("c", 2), harness.Posts("d", 2), harness.Posts("e", 2))
			answers := make(chan harness.Answer, 1)
			go func() {
				a, err := g.Try(g.Notification(body))
				if err != nil {
					t.Errorf("got error %v, want an answer", err)
				}
				answers <- a
			}()
			harness.Eventually(t, fmt.Sprintf("%d events upstream at once", parallel), func() bool {
				waiting, _ := gate.Counts()
				return waiting == parallel
			})
			select {
			case a := <-answers:
				t.Errorf("got answer %d while events are being delivered, want none yet", a.Status)
			default:
			}
			gate.Release()
			harness.WantStatus(t, <-answers, 200)
			if _, most := gate.Counts(); most > parallel {
				t.Errorf("got %d events upstream at once, want no more than %d", most, parallel)
			}
			if got := len(u.Requests()); got != 10 {
				t.Errorf("got %d events upstream, want 10", got)
			}
		})
	}
}

func TestBatchDeliversOneArrayANotification(t *testing.T) {
	u := harness.NewUpstream(t, nil)
	g := harness.Proxied(t, u, "deliver batch")
	body := harness.Page([]string{"a", "b"}, []string{"c"})
	harness.WantStatus(t, g.Post(body), 200)
	events, err := event.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	got := u.Only()
	if want := string(event.AppendJSONArray(nil, events)); got.Body != want {
		t.Errorf("got body %s, want %s", got.Body, want)
	}
}

func TestBatchFailsAsAWhole(t *testing.T) {
	u := harness.NewUpstream(t, harness.Answering(500))
	g := harness.Proxied(t, u, "deliver batch")
	harness.WantStatus(t, g.Post(harness.Page([]string{"a", "b"}, []string{"c"})), 502)
	u.Only()
}

func TestOriginalDeliversMetasBytesAndSignature(t *testing.T) {
	u := harness.NewUpstream(t, nil)
	g := harness.Proxied(t, u, "deliver original")
	body := []byte(" {\"object\" : \"page\",\n\"entry\":[{\"id\":\"1\",\"changes\":[{\"field\":\"feed\",\"value\":{\"n\":1.50,\"s\":\"\\u00e4 \\/\"}}]}]} ")
	harness.WantStatus(t, g.Post(body), 200)
	got := u.Only()
	if got.Body != string(body) {
		t.Errorf("got body %q, want Meta's %q", got.Body, body)
	}
	if signature := got.Header.Values(harness.SignatureHeader); len(signature) != 1 || signature[0] != harness.Sign(harness.AppSecret, body) {
		t.Errorf("got %s: %q, want %q", harness.SignatureHeader, signature, harness.Sign(harness.AppSecret, body))
	}
}

func TestMediaTypes(t *testing.T) {
	for _, c := range []struct{ options, want string }{
		{"deliver each", "application/json"},
		{"deliver batch", "application/json"},
		{"deliver original", "application/json"},
		{"deliver each\ncloudevents", "application/cloudevents+json"},
		{"deliver batch\ncloudevents", "application/cloudevents-batch+json"},
	} {
		t.Run(strings.ReplaceAll(c.options, "\n", " "), func(t *testing.T) {
			u := harness.NewUpstream(t, nil)
			g := harness.Proxied(t, u, c.options)
			r := g.Notification(harness.Page([]string{"a"}))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			harness.WantStatus(t, g.Do(r), 200)
			if got := u.Only().Header.Values("Content-Type"); len(got) != 1 || got[0] != c.want {
				t.Errorf("got Content-Type %q, want %q", got, c.want)
			}
		})
	}
}

// TestAppGetsOnlyTheseHeaders sends a notification with many others, from a
// stranger.
func TestAppGetsOnlyTheseHeaders(t *testing.T) {
	for _, via := range []harness.Transport{harness.PlainHTTP1, harness.TLSHTTP2} {
		for _, mode := range []string{"each", "batch", "original"} {
			t.Run(string(via)+" "+mode, func(t *testing.T) {
				u := harness.NewUpstream(t, nil)
				g := harness.StartVia(t, via, harness.Lines(harness.Hook("deliver "+mode), "reverse_proxy "+u.Addr))
				body := harness.Page([]string{"a"})
				r := harness.Chunked(body)(g) // with a trailer
				r.Trailer = http.Header{"X-Trailer": {"outside"}}
				for _, name := range []string{
					"Webhook-Id", "Idempotency-Key", "Cookie", "Authorization", "Proxy-Authorization", "X-Forwarded-For", "X-Forwarded-Proto",
					"X-Forwarded-Host", "X-Forwarded-Prefix", "Forwarded", "X-Real-Ip", "X-Custom", "X-Hub-Signature", "Content-Type",
					"Content-Encoding", "Content-Language", "Range", "If-None-Match", "Accept", "Referer", "Origin", "X-Http-Method-Override",
					"Ce-Id", "Ce-Type", "Via", "Early-Data", "Baggage", "Transfer-Encoding-Like",
				} {
					r.Header.Set(name, "outside")
				}
				r.Header.Set("User-Agent", "facebookexternalua")
				r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
				r.Header.Set("Tracestate", "vendor=1")
				r.Header.Set("Expect", "100-continue")
				harness.WantStatus(t, g.Do(r), 200)

				got := u.Only()
				id := got.Header.Get("Webhook-Id")
				if !idForm.MatchString(id) {
					t.Errorf("got Webhook-Id: %q, want 32 hex digits", id)
				}
				want := http.Header{
					"Content-Type":      {"application/json"},
					"Content-Length":    {strconv.Itoa(len(got.Body))},
					"Webhook-Id":        {id},
					"Idempotency-Key":   {id},
					"User-Agent":        {"facebookexternalua"},
					"Traceparent":       {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
					"Tracestate":        {"vendor=1"},
					"X-Forwarded-For":   {"127.0.0.1"}, // these by reverse_proxy
					"X-Forwarded-Host":  {r.URL.Host},
					"X-Forwarded-Proto": {r.URL.Scheme},
					"Via":               {map[harness.Transport]string{harness.PlainHTTP1: "1.1 Caddy", harness.TLSHTTP2: "2.0 Caddy"}[via]},
					"Accept-Encoding":   {"gzip"},
				}
				if mode == "original" {
					want[harness.SignatureHeader] = []string{harness.Sign(harness.AppSecret, body)}
				}
				for name, values := range got.Header {
					if !slices.Equal(values, want[name]) {
						t.Errorf("got %s: %q upstream, want %q", name, values, want[name])
					}
				}
				for name, values := range want {
					if got.Header[name] == nil {
						t.Errorf("got no %s upstream, want %q", name, values)
					}
				}
				if len(got.Trailer) > 0 {
					t.Errorf("got trailers %v upstream, want none", got.Trailer)
				}
				if got.Length != int64(len(got.Body)) {
					t.Errorf("got a declared length of %d, want %d", got.Length, len(got.Body))
				}
				if mode == "each" {
					if e := harness.Decode[harness.CloudEvent](t, got.Body); e.ID != id {
						t.Errorf("got Webhook-Id: %s, want the event's %s", id, e.ID)
					}
				}
			})
		}
	}
}

func TestRetryHasTheSameIDs(t *testing.T) {
	for _, mode := range []string{"each", "batch", "original"} {
		t.Run(mode, func(t *testing.T) {
			u := harness.NewUpstream(t, harness.Answering(500))
			g := harness.Proxied(t, u, "deliver "+mode)
			ids := make([]map[string]int, 2)
			for i := range ids {
				u.Forget()
				harness.WantStatus(t, g.Post(harness.Page([]string{"a", "b"}, []string{"c"})), 502)
				ids[i] = map[string]int{}
				for _, r := range u.Requests() {
					ids[i][r.Header.Get("Webhook-Id")]++
				}
			}
			if want := map[string]int{"each": 3}[mode]; len(ids[0]) != max(1, want) {
				t.Errorf("got %d ids, want %d", len(ids[0]), max(1, want))
			}
			if fmt.Sprint(ids[0]) != fmt.Sprint(ids[1]) {
				t.Errorf("got ids %v on the retry, want %v", ids[1], ids[0])
			}
		})
	}
}

func TestForwardingHeadersOfATrustedProxyPass(t *testing.T) {
	u := harness.NewUpstream(t, nil)
	g := harness.NewGateway(t, harness.PlainHTTP1)
	g.Servers = "trusted_proxies static 127.0.0.0/8"
	g.MustLoad(harness.Lines(harness.Hook(), "reverse_proxy "+u.Addr+" {", "header_up X-Client {client_ip}", "}"))
	r := g.Notification(harness.Page([]string{"a"}))
	r.Header.Set("X-Forwarded-For", "203.0.113.7")
	r.Header.Set("X-Forwarded-Proto", "https")
	r.Header.Set("X-Forwarded-Host", "hooks.example.com")
	r.Header.Set("X-Custom", "outside")
	harness.WantStatus(t, g.Do(r), 200)
	harness.WantHeaders(t, u.Only(), map[string]string{
		"X-Forwarded-For":   "203.0.113.7, 127.0.0.1",
		"X-Forwarded-Proto": "https",
		"X-Forwarded-Host":  "hooks.example.com",
		"X-Client":          "203.0.113.7",
		"X-Custom":          "",
	})
}

// TestAppGetsMetasRequestLine is about what is not in the headers.
func TestAppGetsMetasRequestLine(t *testing.T) {
	u := harness.NewUpstream(t, nil)
	g := harness.Start(t, harness.Lines(harness.Hook(), "reverse_proxy "+u.Addr+" {", "header_up X-Remote {remote}", "header_up X-Orig-Uri {http.request.orig_uri}", "}"))
	const target = harness.Callback + "?tenant=1&q=a%2Fb;c"
	r := g.Notification(harness.Page([]string{"a"}))
	r.URL.RawQuery = strings.TrimPrefix(target, harness.Callback+"?")
	r.Host = "hooks.example.com:8443"
	harness.WantStatus(t, g.Do(r), 200)
	got := u.Only()
	if got.Method != http.MethodPost || got.URI != target || got.Host != r.Host {
		t.Errorf("got %s %s of %s upstream, want POST %s of %s", got.Method, got.URI, got.Host, target, r.Host)
	}
	if orig := got.Header.Get("X-Orig-Uri"); orig != target {
		t.Errorf("got original URI %q, want %q", orig, target)
	}
	if remote := got.Header.Get("X-Remote"); !strings.HasPrefix(remote, "127.0.0.1:") {
		t.Errorf("got remote address %q, want the sender's", remote)
	}
}

// TestPlaceholdersDoNotTellHeadersFromOutside asks for them by name behind
// the handler.
func TestPlaceholdersDoNotTellHeadersFromOutside(t *testing.T) {
	u := harness.NewUpstream(t, nil)
	g := harness.Start(t, harness.Lines(harness.Hook(), "reverse_proxy "+u.Addr+" {",
		"header_up X-Seen-Custom {header.X-Custom}",
		"header_up X-Seen-Cookie {cookie.session}",
		"header_up X-Seen-Id {header.Webhook-Id}",
		"header_up X-Seen-Type {header.Content-Type}",
		"header_up X-Seen-Signature {header."+harness.SignatureHeader+"}",
		"}"))
	r := g.Notification(harness.Page([]string{"a"}))
	for _, name := range []string{"Content-Type", "X-Custom", "Webhook-Id", "Cookie"} {
		r.Header.Set(name, "session=outside")
	}
	harness.WantStatus(t, g.Do(r), 200)
	got := u.Only()
	harness.WantHeaders(t, got, map[string]string{
		"X-Seen-Custom":    "",
		"X-Seen-Cookie":    "",
		"X-Seen-Id":        got.Header.Get("Webhook-Id"),
		"X-Seen-Type":      "application/json",
		"X-Seen-Signature": "",
	})
}
