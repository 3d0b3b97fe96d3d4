package delivery

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/freeport"
)

func TestAnswerFollowsTheApps(t *testing.T) {
	for app, want := range map[int]int{
		200: 200, 201: 200, 202: 200, 204: 200, 299: 200,
		301: 502, 302: 502, 304: 502, 400: 502, 401: 502, 404: 502, 410: 502, 413: 502, 429: 502, 500: 502, 502: 502, 503: 502,
	} {
		for _, mode := range []string{"each", "batch", "original"} {
			t.Run(fmt.Sprintf("%d %s", app, mode), func(t *testing.T) {
				u := harness.NewUpstream(t, func(w http.ResponseWriter, _ harness.Received) {
					w.Header().Set("Location", "/elsewhere")
					w.Header().Set("X-App", "outside")
					w.WriteHeader(app)
					if app != 204 && app != 304 {
						_, _ = io.WriteString(w, "the app's body")
					}
				})
				got := harness.Proxied(t, u, "deliver "+mode).Post(harness.Page([]string{"a"}))
				harness.WantStatus(t, got, want)
				if got.Body != "" || got.Header.Get("X-App") != "" || got.Header.Get("Location") != "" {
					t.Errorf("got %q with %v, want nothing of the app's answer", got.Body, got.Header)
				}
				u.Only()
			})
		}
	}
}

func TestOneFailingEventDoesNotStopTheOthers(t *testing.T) {
	u := harness.NewUpstream(t, func(w http.ResponseWriter, r harness.Received) {
		if strings.Contains(r.Body, "poison") {
			w.WriteHeader(500)
		}
	})
	g := harness.Proxied(t, u)
	harness.WantStatus(t, g.Post(harness.Page([]string{"a", "poison-1", "b"}, []string{"poison-2"}, []string{"c"})), 502)
	u.WantPosts("a", "poison-1", "b", "poison-2", "c")
}

func TestInformationalAnswersAreNotTheAnswer(t *testing.T) {
	u := harness.NewUpstream(t, func(w http.ResponseWriter, _ harness.Received) {
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(500)
	})
	harness.WantStatus(t, harness.Proxied(t, u).Post(harness.Page([]string{"a"})), 502)
}

// TestErrorsWithoutAnAnswer goes through handlers that fail.
func TestErrorsWithoutAnAnswer(t *testing.T) {
	nobody := "127.0.0.1:" + strconv.Itoa(freeport.Of(t))
	hanging, _ := harness.NewGatedUpstream(t)
	cut := harness.NewUpstream(t, func(w http.ResponseWriter, _ harness.Received) {
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(200)
		_, _ = io.WriteString(w, "half of")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	cutChunked := harness.NewUpstream(t, func(w http.ResponseWriter, _ harness.Received) {
		w.WriteHeader(200)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	switching := harness.NewUpstream(t, func(w http.ResponseWriter, _ harness.Received) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Errorf("taking over the connection: %v", err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	})
	stalling := harness.NewUpstream(t, func(w http.ResponseWriter, r harness.Received) {
		w.WriteHeader(200)
		_ = http.NewResponseController(w).Flush()
		<-r.Ctx.Done()
	})
	dropping := harness.NewUpstream(t, func(http.ResponseWriter, harness.Received) { panic(http.ErrAbortHandler) })
	for _, c := range []struct {
		name string
		next string
		want int
	}{
		{"upstream down", "reverse_proxy " + nobody, 502},
		{"upstream drops the request", "reverse_proxy " + dropping.Addr, 502},
		{"upstream dies in its 200", "reverse_proxy " + cut.Addr, 502},
		{"upstream dies in its 200 of unknown length", "reverse_proxy " + cutChunked.Addr, 502},
		{"upstream switches protocols", "reverse_proxy " + switching.Addr, 502},
		{"answers 101", "respond 101", 502},
		{"answers 103", "respond 103", 502},
		{"upstream hangs", "reverse_proxy " + hanging.Addr + " {\ntransport http {\nresponse_header_timeout 100ms\n}\n}", 504},
		{"upstream hangs in its 200", "reverse_proxy " + stalling.Addr + " {\ntransport http {\nread_timeout 100ms\n}\n}", 502},
		{"no upstream available", "reverse_proxy {\ndynamic a app.invalid 80 {\nresolvers " + nobody + "\n}\n}", 503},
		{"error 503", "error 503", 503},
		{"error 429", "error 429", 429},
		{"error 404", "error 404", 404},
		{"error without a status", "error \"no\"", 500},
		{"aborts", "abort", 502},
		{"no handler", "", 502},
		{"no handler but encode", "encode", 502},
		{"no handler but templates", "templates", 502},
		{"no handler but intercept", "intercept {\n@ok status 200\nreplace_status @ok 201\n}", 502},
		{"no handler but headers", "route {\nheader X-A b\nheader >X-A b\nrequest_header X-B c\n}", 502},
		{"no handler but variables", "route {\nvars a b\nmap {path} {c} {\ndefault d\n}\n}", 502},
		{"no handler but an empty route", "route {\n}\nhandle {\n}", 502},
		{"no handler for the event", "reverse_proxy /elsewhere " + nobody, 502},
		{"answers 503", "respond 503", 502},
		{"answers with a redirect", "handle {\nredir * /elsewhere\n}", 502},
		{"answers 200", "respond 200", 200},
	} {
		for _, mode := range []string{"each", "batch", "original"} {
			t.Run(c.name+" "+mode, func(t *testing.T) {
				g := harness.Start(t, harness.Lines(harness.Hook("deliver "+mode), c.next, "handle_errors {", "respond {http.meta_webhook.error}", "}"))
				got := g.Post(harness.Page([]string{"a"}, []string{"b"}))
				harness.WantStatus(t, got, c.want)
				if want := map[bool]string{false: "delivery_failed"}[c.want == 200]; got.Body != want {
					t.Errorf("got reason %q, want %q", got.Body, want)
				}
			})
		}
	}
}

func TestSlowUpstream(t *testing.T) {
	u := harness.NewUpstream(t, func(http.ResponseWriter, harness.Received) { time.Sleep(300 * time.Millisecond) })
	harness.WantStatus(t, harness.Proxied(t, u, "body_timeout 100ms").Post(harness.Page([]string{"a"})), 200)
	u.WantPosts("a")
}

func init() {
	caddy.RegisterModule(panicking{})
	httpcaddyfile.RegisterHandlerDirective("test_panic", func(httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		return panicking{}, nil
	})
	httpcaddyfile.RegisterDirectiveOrder("test_panic", httpcaddyfile.Before, "respond")
}

// A panicking handler panics on events that are poison.
type panicking struct{}

func (panicking) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_panic", New: func() caddy.Module { return new(panicking) }}
}

func (panicking) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if bytes.Contains(body, []byte("poison")) {
		panic("a handler's bug")
	}
	if r.Body, err = r.GetBody(); err != nil {
		return err
	}
	return next.ServeHTTP(w, r)
}

func TestPanicOfAHandlerIsAFailure(t *testing.T) {
	for mode, want := range map[string][]string{"each": {"a", "b", "c", "d"}, "batch": nil, "original": nil} {
		t.Run(mode, func(t *testing.T) {
			u := harness.NewUpstream(t, nil)
			g := harness.Start(t, harness.Lines(harness.Hook("deliver "+mode), "test_panic", "reverse_proxy "+u.Addr))
			harness.WantStatus(t, g.Post(harness.Page([]string{"a", "poison", "b"}, []string{"poison"}, []string{"c", "d"})), 502)
			u.WantPosts(want...)
			u.Forget()
			harness.WantStatus(t, g.Post(harness.Page([]string{"later"})), 200)
			u.Only()
			if logs := g.Logs(); !strings.Contains(logs, "a handler's bug") {
				t.Error("got no log line with the panic, want one")
			}
		})
	}
}
