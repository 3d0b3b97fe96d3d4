package listen

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
)

// ask asks for the stream, and returns the answer. The stream ends with the
// test.
func (p *place) ask(url, authorization string, headers ...string) *http.Response {
	p.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p.t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := p.meta.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

func (p *place) stream() string { return fmt.Sprintf("https://127.0.0.1:%d/inspector/listen", p.port) }

// TestStrangersDoNotListen has a wrong token, none, and plain HTTP that a proxy
// forwards from elsewhere; no token is logged.
func TestStrangersDoNotListen(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.gateway.Global = "log {\nlevel DEBUG\n}"
	p.gateway.Start(strings.Replace(p.stored(), "respond 200", inspector(), 1))
	p.send(1)
	plain := p.gateway.URL("/inspector/listen")
	right, wrong := "Bearer "+listenToken, "Bearer a-wrong-token-of-the-tests"
	for name, tc := range map[string]struct {
		url, authorization string
		headers            []string
		want               int // 0 for anything but a stream
	}{
		"right token":                  {p.stream(), right, nil, 200},
		"wrong token":                  {p.stream(), wrong, nil, 401},
		"wrong token, to the page":     {p.stream() + "?since=1h", wrong, []string{"Sec-Fetch-Site", "same-origin"}, 401},
		"no token":                     {p.stream(), "", nil, 401},
		"on this machine":              {plain, right, nil, 200},
		"on this machine, wrong token": {plain, wrong, nil, 401},
		"plain HTTP from elsewhere":    {plain, right, []string{"X-Forwarded-For", "192.0.2.7"}, 403},
		"plain HTTP, said to be HTTPS": {plain, right, []string{"X-Forwarded-Proto", "https"}, 403},
		"another spelling":             {strings.Replace(p.stream(), "/listen", "/LISTEN", 1), wrong, nil, 0},
		"another spelling, a dot":      {strings.Replace(p.stream(), "/listen", "/./listen", 1), wrong, nil, 0},
		"another spelling, a slash":    {strings.Replace(p.stream(), "/listen", "//listen", 1), wrong, nil, 0},
		"another spelling, encoded":    {strings.Replace(p.stream(), "/listen", "/%6cisten", 1), wrong, nil, 401},
	} {
		res := p.ask(tc.url, tc.authorization, tc.headers...)
		isStream := strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream")
		if tc.want != 0 && res.StatusCode != tc.want || isStream != (tc.want == http.StatusOK) {
			t.Errorf("%s: got %d and a stream: %t, want %d", name, res.StatusCode, isStream, tc.want)
		}
	}
	log := p.gateway.Log()
	for _, token := range []string{listenToken, "a-wrong-token"} {
		if strings.Contains(log, token) {
			t.Errorf("got %s in the log, want no token:\n%s", token, log)
		}
	}
	for _, want := range []string{`"reason":"token_wrong"`, `"reason":"insecure_connection"`, "listener connected"} {
		if !strings.Contains(strings.ReplaceAll(log, `": "`, `":"`), want) {
			t.Errorf("got no %s in the log, want it", want)
		}
	}
}

// TestFloodOfListenersIsBounded has more listeners than there are places, and
// strangers by the hundred; notifications come in all the same.
func TestFloodOfListenersIsBounded(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.gateway.Start(p.stored())
	listeners := 0
	for range 30 {
		res := p.ask(p.stream(), "Bearer "+listenToken)
		switch {
		case res.StatusCode == http.StatusOK:
			listeners++
		case res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "":
			t.Errorf("got %d, want 503 and when to try again", res.StatusCode)
		}
	}
	if listeners != 8 {
		t.Errorf("got %d listeners, want 8", listeners)
	}
	for range 100 {
		conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", p.port), p.meta.Transport.(*http.Transport).TLSClientConfig)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write([]byte(harness.Head("GET", "/inspector/listen", "Authorization: Bearer x"))); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	p.send(5)
	if took := time.Since(start); took > 5*harness.AtOnce {
		t.Errorf("got %v for five notifications, want no wait", took)
	}
}

// TestCommandIsRefused has the command use a wrong token, plain HTTP, and a
// gateway that does not come back.
func TestCommandIsRefused(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.gateway.Start(p.stored())
	url := "https://" + p.network.address() + "/inspector"
	wrong := harness.WriteFile(t, p.gateway.Path(""), "wrong", []byte("another-token"))
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := silent.Addr().String()
	_ = silent.Close()
	for want, tc := range map[string]struct {
		code int
		args []string
	}{
		"401 Unauthorized: the gateway has another token in listen": {2, []string{"--url", url, "--token-file", wrong}},
		"there is no inspector with the option listen":              {2, []string{"--url", url + "/elsewhere"}},
		"connection refused: nothing listens at":                    {2, []string{"--url", "https://" + nobody + "/inspector"}},
		"400 Bad Request: destination: must be one of app":          {2, []string{"--url", url, "--destination", "ap"}},
		"--url: must be an https:// URL":                            {1, []string{"--url", "http://webhooks.example.com/inspector"}},
		"--url: must be an absolute URL":                            {1, []string{"--url", "webhooks.example.com"}},
		"--forward-to: must be on this machine":                     {1, []string{"--url", url, "--forward-to", "http://192.0.2.7/"}},
		"--forward-to: must be an absolute URL":                     {1, []string{"--url", url, "--forward-to", "localhost:3000"}},
		"--since: must be a duration":                               {1, []string{"--url", url, "--since", "yesterday"}},
		"--replay: must be an event's id":                           {1, []string{"--url", url, "--replay", "1"}},
		"must be whsec_ and 24 to 64 bytes in base64":               {1, []string{"--url", url, "--forward-to", "http://localhost:1", "--secret-file", wrong}},
	} {
		l := p.command(tc.args...)
		if got := l.code(); got != tc.code || !strings.Contains(l.stderr.String(), want) || strings.Contains(l.stderr.String(), "another-token") {
			t.Errorf("%s: got exit code %d and %s, want %d and %s", tc.args, got, l.stderr.String(), tc.code, want)
		}
	}

	l := p.listen("--retry-for", "500ms")
	p.network.cut()
	if got := l.code(); got != 2 || !strings.Contains(l.stderr.String(), "no way back within 500ms") {
		t.Errorf("got exit code %d and %s, want 2 and that there is no way back", got, l.stderr.String())
	}
	p.network.repair()
	l = p.listen()
	p.gateway.Env = []string{"LISTEN_TOKEN=a-new-token-of-the-tests"} // for the next start
	p.gateway.Kill()
	p.gateway.Start(p.stored())
	if got := l.code(); got != 2 || !strings.Contains(l.stderr.String(), "401 Unauthorized") {
		t.Errorf("got exit code %d and %s, want 2 and that the token is another", got, l.stderr.String())
	}
}
