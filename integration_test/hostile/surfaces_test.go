package hostile

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/freeport"
)

// surfaces returns a site that has everything: stored delivery to an app, the
// page, which may change something, and the stream of listeners.
func surfaces(dir, app string) string {
	return harness.Lines(
		"meta_webhook_inspector {\noperate\nlisten {\ntoken "+listenToken+"\n}\n}",
		harness.Hook("dedup off", "store file {\npath "+dir+"/stored\n}", "destination app {", "retry 10ms 10ms", "reverse_proxy "+app, "}"),
	)
}

const listenToken = "a-token-of-the-listeners"

// TestSurfacesOverEveryVersion has strangers, other websites and the entitled ask
// for everything over HTTP/1.1, HTTP/2 and HTTP/3.
func TestSurfacesOverEveryVersion(t *testing.T) {
	u := harness.NewUpstream(t, nil)
	g, clients := startAll(t, surfaces(harness.StoreDir(t), u.Addr))
	for version, client := range clients {
		post := "over " + version
		got, err := harness.Send(client, g.Notification(harness.Page([]string{post})))
		if err != nil || got.Status != http.StatusOK {
			t.Fatalf("%s: got %d and error %v, want the notification stored", version, got.Status, err)
		}
		harness.Eventually(t, "the event at the app", func() bool { return len(u.Requests()) > 0 })
		u.WantPosts(post)
		u.Forget()
		for name, c := range map[string]struct {
			method, target, body string
			header               []string
			want                 int
		}{
			"the page":                    {"GET", "/inspector/", "", nil, 200},
			"the events, to another site": {"GET", "/inspector/events", "", []string{"Sec-Fetch-Site", "cross-site"}, 403},
			"the events, through a proxy": {"GET", "/inspector/events", "", []string{"X-Forwarded-For", "192.0.2.1"}, 403},
			"a change without the token":  {"POST", "/inspector/operate", `{"do":"pause","query":"destination=app"}`, []string{"Content-Type", "application/json"}, 403},
			"a change by a form":          {"POST", "/inspector/operate", "do=pause", []string{"Content-Type", "application/x-www-form-urlencoded"}, 403},
			"a change of two megabytes":   {"POST", "/inspector/operate", `{"token":"` + strings.Repeat("x", 2<<20) + `"}`, []string{"Content-Type", "application/json"}, 403},
			"a stream without a token":    {"GET", "/inspector/listen", "", nil, 401},
			"a stream with a wrong token": {"GET", "/inspector/listen", "", []string{"Authorization", "Bearer x"}, 401},
			"a stream by another method":  {"POST", "/inspector/listen", "", []string{"Authorization", "Bearer " + listenToken}, 405},
			"a stream for a wrong wish":   {"GET", "/inspector/listen?since=x", "", []string{"Authorization", "Bearer " + listenToken}, 400},
			"a notification not signed":   {"POST", harness.Callback, `{"object":"page"}`, nil, 401},
			"a token of a hundred kB":     {"GET", "/inspector/listen", "", []string{"Authorization", "Bearer " + strings.Repeat("x", 100_000)}, 431},
			"an invalid cursor":           {"GET", "/inspector/events?cursor=%00", "", nil, 400},
			"an invalid id":               {"GET", "/inspector/event?id=%00", "", nil, 400},
			"an unknown parameter":        {"GET", "/inspector/events?x=y", "", nil, 400},
		} {
			r := g.Request(c.method, c.target, strings.NewReader(c.body))
			for i := 0; i+1 < len(c.header); i += 2 {
				r.Header.Set(c.header[i], c.header[i+1])
			}
			got, err := harness.Send(client, r)
			if err != nil && c.want != 431 && len(c.body) < 1<<20 { // it may be hung up on while it still sends
				t.Errorf("%s over %s: got error %.200v, want an answer", name, version, err)
			} else if err == nil && got.Status != c.want {
				t.Errorf("%s over %s: got %d %.100q, want %d", name, version, got.Status, got.Body, c.want)
			}
		}
		u.WantNone()
	}
}

// TestStreamFloodsLeaveRoom opens hundreds of streams over one connection of
// HTTP/2, and of HTTP/3: of the page's changes, of listeners, and of bodies that
// do not come. They are bounded, end with their sender, and notifications come in.
func TestStreamFloodsLeaveRoom(t *testing.T) {
	for _, version := range []string{"HTTP/2.0", "HTTP/3.0"} {
		t.Run(version, func(t *testing.T) {
			u := harness.NewUpstream(t, nil)
			g, clients := startAll(t, surfaces(harness.StoreDir(t), u.Addr))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			streams := map[string]int{}
			answers := make(chan string, 400)
			ask := func(what string, r *http.Request) {
				res, err := clients[version].Do(r.WithContext(ctx))
				if err != nil {
					answers <- what + " error"
					return
				}
				answers <- fmt.Sprintf("%s %d", what, res.StatusCode)
				<-ctx.Done()
				_ = res.Body.Close()
			}
			grown := peak(func() {
				for range 20 {
					r := g.Request(http.MethodGet, "/inspector/listen", nil)
					r.Header.Set("Authorization", "Bearer "+listenToken)
					go ask("listener", r)
				}
				for range 60 {
					go ask("page", g.Request(http.MethodGet, "/inspector/stream", nil))
				}
				for range 80 {
					streams[<-answers]++
				}
				for range 100 { // which are never answered while they do not come
					r := g.Request(http.MethodPost, harness.Callback, endless{ctx})
					r.Header.Set(harness.SignatureHeader, harness.Sign(harness.AppSecret, nil))
					r.ContentLength = 4_000_000
					go ask("body", r)
				}
				start := time.Now()
				got, err := harness.Send(clients["HTTP/1.1"], g.Notification(harness.Page([]string{"a"})))
				if err != nil || got.Status != http.StatusOK || time.Since(start) > 5*harness.AtOnce {
					t.Errorf("got %d, error %v after %v, want 200 at once", got.Status, err, time.Since(start))
				}
				harness.Eventually(t, "the event at the app", func() bool { return len(u.Requests()) > 0 })
			})
			if streams["listener 200"] != 8 || streams["listener 503"] != 12 || streams["page 200"] != 60 {
				t.Errorf("got %v, want 8 listeners, 12 refused, and 60 pages", streams)
			}
			if most := int64(128 * megabyte); grown > most {
				t.Errorf("got %d bytes more in use, want at most %d", grown, most)
			}
			cancel()
			harness.Eventually(t, "room for a listener", func() bool {
				again, end := context.WithCancel(t.Context())
				defer end()
				r := g.Request(http.MethodGet, "/inspector/listen", nil).WithContext(again)
				r.Header.Set("Authorization", "Bearer "+listenToken)
				res, err := clients["HTTP/1.1"].Do(r)
				if err != nil {
					return false
				}
				defer res.Body.Close()
				return res.StatusCode == http.StatusOK
			})
		})
	}
}

// An endless body does not come until its context ends.
type endless struct{ ctx context.Context }

// Read implements io.Reader.
func (e endless) Read([]byte) (int, error) {
	<-e.ctx.Done()
	return 0, io.ErrUnexpectedEOF
}

// TestEventsAreNoTemplates has users write placeholders, escapes and line breaks,
// which a destination's routes put into headers, URIs, variables and answers. The
// app gets them as they are written or not at all, and never what they stand for.
func TestEventsAreNoTemplates(t *testing.T) {
	u, beside := harness.NewUpstream(t, nil), harness.NewUpstream(t, nil)
	t.Setenv("HOSTILE_SECRET", "the-secret-of-the-environment")
	g := harness.NewGateway(t, harness.PlainHTTP1)
	g.Admin, g.LogLevel = "127.0.0.1:"+strconv.Itoa(freeport.Of(t)), "ERROR"
	secretFile := harness.WriteFile(t, g.Dir, "secret", []byte("the-secret-of-the-file"))
	const text = "{http.meta_webhook.event.data.text}"
	g.MustLoad(harness.Hook("store file {\npath "+harness.StoreDir(t)+"\n}", "cloudevents",
		"destination app {", "retry 10ms 10ms", "give_up 50ms",
		"vars user "+text, "rewrite * /events/{http.meta_webhook.event.subject}?text="+text,
		"reverse_proxy "+u.Addr+" {", "header_up X-Text "+text, "header_up X-Var {http.vars.user}", "header_up X-Conversation {http.meta_webhook.event.conversation}", "}", "}",
		"destination beside {", "reverse_proxy "+beside.Addr, "}"))
	written := []string{
		"{env.HOSTILE_SECRET}", "{$HOSTILE_SECRET}", "{file." + secretFile + "}", "{http.meta_webhook.event.data.other}", "{http.vars.user}{http.vars.user}",
		`{\"env.HOSTILE_SECRET\"}`, `{{env \"HOSTILE_SECRET\"}}`, `a\r\nX-Evil: yes`, `a\nb`, `a\u0000b`, `../../admin?x=y#z`, `//elsewhere.example/`, `\u202e\ud83d\ude00`, strings.Repeat("{", 1000), strings.Repeat("x", 100_000),
	}
	for i, w := range written {
		body := fmt.Sprintf(`{"object":"whatsapp_business_account","entry":[{"id":"7","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"5"},"text":"%[1]s","other":"{env.HOSTILE_SECRET}",`+
			`"messages":[{"from":"%[1]s","id":"%[2]d-%[1]s","timestamp":"1700000000","type":"text"}]}}]}]}`, w, i)
		harness.WantStatus(t, g.Post([]byte(body)), http.StatusOK)
	}
	harness.Eventually(t, "every event delivered beside", func() bool { return len(beside.Requests()) == len(written) })
	harness.Eventually(t, "every event delivered, or dead", func() bool {
		settled := 0
		for _, e := range eventsAt(g, "app") {
			if e.State == "done" || e.State == "dead" {
				settled++
			}
		}
		return settled == len(written)
	})
	for _, r := range append(u.Requests(), beside.Requests()...) {
		head := r.Method + r.URI + headerText(r.Header)
		if strings.Contains(head+r.Body, "the-secret-of") || r.Header.Get("X-Evil") != "" || r.Method != http.MethodPost {
			t.Errorf("got %.300q, want nothing that the text stands for", head)
		}
		for _, id := range []string{r.Header.Get("Webhook-Id"), r.Header.Get("Idempotency-Key")} {
			if len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" {
				t.Errorf("got the id %q in a header, want 32 hex digits", id)
			}
		}
	}
	t.Logf("%d of %d events at the app", len(u.Requests()), len(written))
	if n := len(u.Requests()); n < len(written)/2 {
		t.Errorf("got %d events at the app, want most of %d", n, len(written))
	}
}
