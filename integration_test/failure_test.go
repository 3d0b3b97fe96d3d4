package integration_test

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
)

func TestAnswerFollowsTheApps(t *testing.T) {
	for app, want := range map[int]int{
		200: 200, 201: 200, 202: 200, 204: 200, 299: 200,
		301: 502, 302: 502, 304: 502, 400: 502, 401: 502, 404: 502, 410: 502, 413: 502, 429: 502, 500: 502, 502: 502, 503: 502,
	} {
		for _, mode := range []string{"each", "batch", "original"} {
			t.Run(fmt.Sprintf("%d %s", app, mode), func(t *testing.T) {
				u := newUpstream(t, func(w http.ResponseWriter, _ received) {
					w.Header().Set("Location", "/elsewhere")
					w.Header().Set("X-App", "outside")
					w.WriteHeader(app)
					if app != 204 && app != 304 {
						_, _ = io.WriteString(w, "the app's body")
					}
				})
				got := proxied(t, u, "deliver "+mode).post(page([]string{"a"}))
				wantStatus(t, got, want)
				if got.body != "" || got.header.Get("X-App") != "" || got.header.Get("Location") != "" {
					t.Errorf("got %q with %v, want nothing of the app's answer", got.body, got.header)
				}
				u.only()
			})
		}
	}
}

func TestOneFailingEventDoesNotStopTheOthers(t *testing.T) {
	u := newUpstream(t, func(w http.ResponseWriter, r received) {
		if strings.Contains(r.body, "poison") {
			w.WriteHeader(500)
		}
	})
	g := proxied(t, u)
	wantStatus(t, g.post(page([]string{"a", "poison-1", "b"}, []string{"poison-2"}, []string{"c"})), 502)
	u.wantPosts("a", "poison-1", "b", "poison-2", "c")
}

func TestInformationalAnswersAreNotTheAnswer(t *testing.T) {
	u := newUpstream(t, func(w http.ResponseWriter, _ received) {
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(500)
	})
	wantStatus(t, proxied(t, u).post(page([]string{"a"})), 502)
}

// TestErrorsWithoutAnAnswer goes through handlers that fail.
func TestErrorsWithoutAnAnswer(t *testing.T) {
	nobody := "127.0.0.1:" + strconv.Itoa(freePort(t))
	hanging, _ := newGatedUpstream(t)
	cut := newUpstream(t, func(w http.ResponseWriter, _ received) {
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(200)
		_, _ = io.WriteString(w, "half of")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	cutChunked := newUpstream(t, func(w http.ResponseWriter, _ received) {
		w.WriteHeader(200)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	stalling := newUpstream(t, func(w http.ResponseWriter, r received) {
		w.WriteHeader(200)
		_ = http.NewResponseController(w).Flush()
		<-r.ctx.Done()
	})
	dropping := newUpstream(t, func(http.ResponseWriter, received) { panic(http.ErrAbortHandler) })
	for _, c := range []struct {
		name string
		next string
		want int
	}{
		{"upstream down", "reverse_proxy " + nobody, 502},
		{"upstream drops the request", "reverse_proxy " + dropping.addr, 502},
		{"upstream dies in its 200", "reverse_proxy " + cut.addr, 502},
		{"upstream dies in its 200 of unknown length", "reverse_proxy " + cutChunked.addr, 502},
		{"upstream hangs", "reverse_proxy " + hanging.addr + " {\ntransport http {\nresponse_header_timeout 100ms\n}\n}", 504},
		{"upstream hangs in its 200", "reverse_proxy " + stalling.addr + " {\ntransport http {\nread_timeout 100ms\n}\n}", 502},
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
				g := start(t, lines(hook("deliver "+mode), c.next, "handle_errors {", "respond {http.meta_webhook.error}", "}"))
				got := g.post(page([]string{"a"}, []string{"b"}))
				wantStatus(t, got, c.want)
				if want := map[bool]string{false: "delivery_failed"}[c.want == 200]; got.body != want {
					t.Errorf("got reason %q, want %q", got.body, want)
				}
			})
		}
	}
}

func TestSlowUpstream(t *testing.T) {
	u := newUpstream(t, func(http.ResponseWriter, received) { time.Sleep(300 * time.Millisecond) })
	wantStatus(t, proxied(t, u, "body_timeout 100ms").post(page([]string{"a"})), 200)
	u.wantPosts("a")
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
			u := newUpstream(t, nil)
			g := start(t, lines(hook("deliver "+mode), "test_panic", "reverse_proxy "+u.addr))
			wantStatus(t, g.post(page([]string{"a", "poison", "b"}, []string{"poison"}, []string{"c", "d"})), 502)
			u.wantPosts(want...)
			u.forget()
			wantStatus(t, g.post(page([]string{"later"})), 200)
			u.only()
			if logs := g.logs(); !strings.Contains(logs, "a handler's bug") {
				t.Error("got no log line with the panic, want one")
			}
		})
	}
}
