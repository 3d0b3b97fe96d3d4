package integration_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

var idForm = regexp.MustCompile(`^[0-9a-f]{32}$`)

// proxied runs a gateway with these options in front of u.
func proxied(t *testing.T, u *upstream, options ...string) *gateway {
	t.Helper()
	return start(t, lines(hook(options...), "reverse_proxy "+u.addr))
}

func TestEachDeliversOneEventARequest(t *testing.T) {
	u := newUpstream(t, nil)
	g := proxied(t, u)
	body := page([]string{"a", "b"}, []string{"c"})
	wantStatus(t, g.post(body), 200)
	u.wantPosts("a", "b", "c")
	events, err := event.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range u.requests() {
		got := decode[cloudEvent](t, r.body)
		i := slices.IndexFunc(events, func(e event.Event) bool { return e.ID().String() == got.ID })
		if i < 0 {
			t.Errorf("got event %s, want one of the notification", got.ID)
			continue
		}
		if want := string(events[i].AppendJSON(nil)); r.body != want {
			t.Errorf("got body %s, want %s", r.body, want)
		}
	}
}

func TestEachKeepsTheOrderWithinAnEntry(t *testing.T) {
	u := newUpstream(t, nil)
	g := proxied(t, u, "parallel 4")
	want := map[string][]string{}
	entries := make([][]string, 6)
	for i := range entries {
		entries[i] = posts(strconv.Itoa(i), 30)
		want[strconv.Itoa(100+i)] = entries[i]
	}
	wantStatus(t, g.post(page(entries...)), 200)
	got := map[string][]string{}
	for _, r := range u.requests() {
		e := decode[cloudEvent](t, r.body)
		got[e.Entry] = append(got[e.Entry], e.Data.PostID)
	}
	for entry := range want {
		if !slices.Equal(got[entry], want[entry]) {
			t.Errorf("entry %s: got the events %s, want %s", entry, brief(got[entry]), brief(want[entry]))
		}
	}
}

func TestEachDeliversSoManyEntriesAtOnce(t *testing.T) {
	for _, parallel := range []int{1, 3} {
		t.Run(strconv.Itoa(parallel), func(t *testing.T) {
			u, gate := newGatedUpstream(t)
			g := proxied(t, u, "parallel "+strconv.Itoa(parallel))
			body := page(posts("a", 2), posts("b", 2), posts("c", 2), posts("d", 2), posts("e", 2))
			answers := make(chan answer, 1)
			go func() {
				a, err := g.try(g.notification(body))
				if err != nil {
					t.Errorf("got error %v, want an answer", err)
				}
				answers <- a
			}()
			eventually(t, fmt.Sprintf("%d events upstream at once", parallel), func() bool {
				waiting, _ := gate.counts()
				return waiting == parallel
			})
			select {
			case a := <-answers:
				t.Errorf("got answer %d while events are being delivered, want none yet", a.status)
			default:
			}
			gate.release()
			wantStatus(t, <-answers, 200)
			if _, most := gate.counts(); most > parallel {
				t.Errorf("got %d events upstream at once, want no more than %d", most, parallel)
			}
			if got := len(u.requests()); got != 10 {
				t.Errorf("got %d events upstream, want 10", got)
			}
		})
	}
}

func TestBatchDeliversOneArrayANotification(t *testing.T) {
	u := newUpstream(t, nil)
	g := proxied(t, u, "deliver batch")
	body := page([]string{"a", "b"}, []string{"c"})
	wantStatus(t, g.post(body), 200)
	events, err := event.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	got := u.only()
	if want := string(event.AppendJSONArray(nil, events)); got.body != want {
		t.Errorf("got body %s, want %s", got.body, want)
	}
}

func TestBatchFailsAsAWhole(t *testing.T) {
	u := newUpstream(t, answering(500))
	g := proxied(t, u, "deliver batch")
	wantStatus(t, g.post(page([]string{"a", "b"}, []string{"c"})), 502)
	u.only()
}

func TestOriginalDeliversMetasBytesAndSignature(t *testing.T) {
	u := newUpstream(t, nil)
	g := proxied(t, u, "deliver original")
	body := []byte(" {\"object\" : \"page\",\n\"entry\":[{\"id\":\"1\",\"changes\":[{\"field\":\"feed\",\"value\":{\"n\":1.50,\"s\":\"\\u00e4 \\/\"}}]}]} ")
	wantStatus(t, g.post(body), 200)
	got := u.only()
	if got.body != string(body) {
		t.Errorf("got body %q, want Meta's %q", got.body, body)
	}
	if signature := got.header.Values(signatureHeader); len(signature) != 1 || signature[0] != sign(appSecret, body) {
		t.Errorf("got %s: %q, want %q", signatureHeader, signature, sign(appSecret, body))
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
			u := newUpstream(t, nil)
			g := proxied(t, u, c.options)
			r := g.notification(page([]string{"a"}))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			wantStatus(t, g.do(r), 200)
			if got := u.only().header.Values("Content-Type"); len(got) != 1 || got[0] != c.want {
				t.Errorf("got Content-Type %q, want %q", got, c.want)
			}
		})
	}
}

// TestAppGetsOnlyTheseHeaders sends a notification with many others, from a
// stranger.
func TestAppGetsOnlyTheseHeaders(t *testing.T) {
	for _, via := range []transport{plainHTTP1, tlsHTTP2} {
		for _, mode := range []string{"each", "batch", "original"} {
			t.Run(string(via)+" "+mode, func(t *testing.T) {
				u := newUpstream(t, nil)
				g := startVia(t, via, lines(hook("deliver "+mode), "reverse_proxy "+u.addr))
				body := page([]string{"a"})
				r := chunked(body)(g) // with a trailer
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
				wantStatus(t, g.do(r), 200)

				got := u.only()
				id := got.header.Get("Webhook-Id")
				if !idForm.MatchString(id) {
					t.Errorf("got Webhook-Id: %q, want 32 hex digits", id)
				}
				want := http.Header{
					"Content-Type":      {"application/json"},
					"Content-Length":    {strconv.Itoa(len(got.body))},
					"Webhook-Id":        {id},
					"Idempotency-Key":   {id},
					"User-Agent":        {"facebookexternalua"},
					"Traceparent":       {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
					"Tracestate":        {"vendor=1"},
					"X-Forwarded-For":   {"127.0.0.1"}, // these by reverse_proxy
					"X-Forwarded-Host":  {r.URL.Host},
					"X-Forwarded-Proto": {r.URL.Scheme},
					"Via":               {map[transport]string{plainHTTP1: "1.1 Caddy", tlsHTTP2: "2.0 Caddy"}[via]},
					"Accept-Encoding":   {"gzip"},
				}
				if mode == "original" {
					want[signatureHeader] = []string{sign(appSecret, body)}
				}
				for name, values := range got.header {
					if !slices.Equal(values, want[name]) {
						t.Errorf("got %s: %q upstream, want %q", name, values, want[name])
					}
				}
				for name, values := range want {
					if got.header[name] == nil {
						t.Errorf("got no %s upstream, want %q", name, values)
					}
				}
				if len(got.trailer) > 0 {
					t.Errorf("got trailers %v upstream, want none", got.trailer)
				}
				if got.length != int64(len(got.body)) {
					t.Errorf("got a declared length of %d, want %d", got.length, len(got.body))
				}
				if mode == "each" {
					if e := decode[cloudEvent](t, got.body); e.ID != id {
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
			u := newUpstream(t, answering(500))
			g := proxied(t, u, "deliver "+mode)
			ids := make([]map[string]int, 2)
			for i := range ids {
				u.forget()
				wantStatus(t, g.post(page([]string{"a", "b"}, []string{"c"})), 502)
				ids[i] = map[string]int{}
				for _, r := range u.requests() {
					ids[i][r.header.Get("Webhook-Id")]++
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
	u := newUpstream(t, nil)
	g := newGateway(t, plainHTTP1)
	g.servers = "trusted_proxies static 127.0.0.0/8"
	g.mustLoad(lines(hook(), "reverse_proxy "+u.addr+" {", "header_up X-Client {client_ip}", "}"))
	r := g.notification(page([]string{"a"}))
	r.Header.Set("X-Forwarded-For", "203.0.113.7")
	r.Header.Set("X-Forwarded-Proto", "https")
	r.Header.Set("X-Forwarded-Host", "hooks.example.com")
	r.Header.Set("X-Custom", "outside")
	wantStatus(t, g.do(r), 200)
	wantHeaders(t, u.only(), map[string]string{
		"X-Forwarded-For":   "203.0.113.7, 127.0.0.1",
		"X-Forwarded-Proto": "https",
		"X-Forwarded-Host":  "hooks.example.com",
		"X-Client":          "203.0.113.7",
		"X-Custom":          "",
	})
}

// TestAppGetsMetasRequestLine is about what is not in the headers.
func TestAppGetsMetasRequestLine(t *testing.T) {
	u := newUpstream(t, nil)
	g := start(t, lines(hook(), "reverse_proxy "+u.addr+" {", "header_up X-Remote {remote}", "header_up X-Orig-Uri {http.request.orig_uri}", "}"))
	const target = callback + "?tenant=1&q=a%2Fb;c"
	r := g.notification(page([]string{"a"}))
	r.URL.RawQuery = strings.TrimPrefix(target, callback+"?")
	r.Host = "hooks.example.com:8443"
	wantStatus(t, g.do(r), 200)
	got := u.only()
	if got.method != http.MethodPost || got.uri != target || got.host != r.Host {
		t.Errorf("got %s %s of %s upstream, want POST %s of %s", got.method, got.uri, got.host, target, r.Host)
	}
	if orig := got.header.Get("X-Orig-Uri"); orig != target {
		t.Errorf("got original URI %q, want %q", orig, target)
	}
	if remote := got.header.Get("X-Remote"); !strings.HasPrefix(remote, "127.0.0.1:") {
		t.Errorf("got remote address %q, want the sender's", remote)
	}
}

// TestPlaceholdersDoNotTellHeadersFromOutside asks for them by name behind
// the handler.
func TestPlaceholdersDoNotTellHeadersFromOutside(t *testing.T) {
	u := newUpstream(t, nil)
	g := start(t, lines(hook(), "reverse_proxy "+u.addr+" {",
		"header_up X-Seen-Custom {header.X-Custom}",
		"header_up X-Seen-Cookie {cookie.session}",
		"header_up X-Seen-Id {header.Webhook-Id}",
		"header_up X-Seen-Type {header.Content-Type}",
		"header_up X-Seen-Signature {header."+signatureHeader+"}",
		"}"))
	r := g.notification(page([]string{"a"}))
	for _, name := range []string{"Content-Type", "X-Custom", "Webhook-Id", "Cookie"} {
		r.Header.Set(name, "session=outside")
	}
	wantStatus(t, g.do(r), 200)
	got := u.only()
	wantHeaders(t, got, map[string]string{
		"X-Seen-Custom":    "",
		"X-Seen-Cookie":    "",
		"X-Seen-Id":        got.header.Get("Webhook-Id"),
		"X-Seen-Type":      "application/json",
		"X-Seen-Signature": "",
	})
}
