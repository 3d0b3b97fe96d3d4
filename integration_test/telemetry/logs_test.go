package telemetry

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/freeport"
)

// filter is the log filter of example.Caddyfile.
const filter = `format filter {
	request>uri query {
		replace hub.verify_token REDACTED
	}
	request>headers>X-Hub-Signature-256 delete
}`

// wantNotLogged fails the test if the log holds one of the values.
func wantNotLogged(t *testing.T, logs string, values map[string]string) {
	t.Helper()
	for name, value := range values {
		for form, s := range map[string]string{
			"": value, ", in upper case": strings.ToUpper(value), ", in base64": base64.StdEncoding.EncodeToString([]byte(value)),
		} {
			for line := range strings.Lines(logs) {
				if strings.Contains(line, s) {
					t.Errorf("got a log line with the %s%s, want none:\n%s", name, form, line)
					break
				}
			}
		}
	}
}

// TestFloodOfRefusalsDoesNotFillTheLog has ten thousand requests refused, of
// two kinds.
func TestFloodOfRefusalsDoesNotFillTheLog(t *testing.T) {
	g := harness.NewGateway(t, harness.PlainHTTP1)
	g.LogLevel = "INFO"
	g.MustLoad(harness.Lines(harness.Hook("name "+t.Name()), "respond 200"))
	before := strings.Count(g.Logs(), "\n")
	var running sync.WaitGroup
	for worker := range 10 {
		running.Go(func() {
			for i := range 1000 {
				r, want := g.Request(http.MethodGet, harness.Callback+"?"+harness.Verification("wrong", "1"), nil), 403
				if (worker+i)%2 == 0 {
					r, want = g.Notification(harness.Page([]string{"a"})), 401
					r.Header.Set(harness.SignatureHeader, harness.Sign("wrong", nil))
				}
				if got, err := g.Try(r); err != nil || got.Status != want {
					t.Errorf("%s: got answer %d, %v, want %d", r.Method, got.Status, err, want)
					return
				}
			}
		})
	}
	running.Wait()
	logs := g.Logs()
	if n := strings.Count(logs, "\n") - before; n < 2 || n >= 50 {
		t.Errorf("got %d lines about 10000 refusals, want fewer than 50, but not none", n)
	}
	for _, reason := range []string{"verify_token_mismatch", "signature_mismatch"} {
		if !strings.Contains(logs, reason) {
			t.Errorf("got no line about %s, want some", reason)
		}
	}
}

// TestLogsHoldNoSecrets sends what is right and what is wrong to a gateway
// that logs all there is to log, with the filters of the example.
func TestLogsHoldNoSecrets(t *testing.T) {
	const (
		wrongToken = "mistaken-verify-token"
		secondKey  = "second-app-secret"
		text       = "confidential-words"
	)
	poisoned := harness.NewUpstream(t, func(w http.ResponseWriter, r harness.Received) {
		if strings.Contains(r.Body, "poison") {
			w.WriteHeader(500)
			_, _ = w.Write([]byte(r.Body))
		}
	})
	nobody := "127.0.0.1:" + strconv.Itoa(freeport.Of(t))
	body := harness.Page([]string{text, "poison"})
	broken := []byte(`{"object":"page","` + text + `":1,"` + text + `":2}`)
	truncated := []byte(`{"object":"` + text)
	invalid := []byte("{\"object\":\"" + text + "\xff\"}")
	for _, mode := range []string{"each", "batch", "original"} {
		for name, next := range map[string]string{
			"reverse_proxy": "reverse_proxy " + poisoned.Addr,
			"down":          "reverse_proxy " + nobody,
			"verbose":       "reverse_proxy " + poisoned.Addr + " {\nverbose_logs\n}",
			"handle_errors": "reverse_proxy " + poisoned.Addr + "\nhandle_errors {\nrespond {http.meta_webhook.error}\n}",
			"no handler":    "",
		} {
			t.Run(mode+" "+name, func(t *testing.T) {
				g := harness.NewGateway(t, harness.PlainHTTP1)
				g.LogFormat = filter
				site := strings.Replace(harness.Hook("deliver "+mode, "body_timeout 100ms", "max_size 2000"), harness.AppSecret, harness.AppSecret+" "+secondKey, 1)
				g.MustLoad(harness.Lines("log {", "output file "+g.LogFile()+" {", "roll_disabled", "}", filter, "}", site, next))

				harness.WantStatus(t, g.Verify(harness.Token, "1"), 200)
				harness.WantStatus(t, g.Verify(wrongToken, "1"), 403)
				for _, query := range []string{
					harness.Verification(harness.Token, ""),
					harness.Verification(harness.Token, "1") + "&hub.verify_token=" + harness.Token,
					"hub.verify_token=" + harness.Token,
					"hub%2Everify_token=" + harness.Token,
					"hub.verify%5Ftoken=" + harness.Token + "&%zz",
				} {
					harness.WantStatus(t, g.Do(g.Request(http.MethodGet, harness.Callback+"?"+query, nil)), 400)
				}
				sent := map[string]string{}
				post := func(name, secret string, body []byte) harness.Answer {
					r := g.Notification(body)
					r.Header.Set(harness.SignatureHeader, harness.Sign(secret, body))
					sent["digest of "+name] = harness.Digest(secret, body)
					sent["expected digest of "+name] = harness.Digest(harness.AppSecret, body)
					sent["second expected digest of "+name] = harness.Digest(secondKey, body)
					return g.Do(r)
				}
				harness.WantStatus(t, post("a delivered one", harness.AppSecret, harness.Page([]string{text})), map[bool]int{true: 502, false: 200}[next == "" || name == "down"])
				harness.WantStatus(t, post("a failing one", harness.AppSecret, body), 502)
				harness.WantStatus(t, post("one of the second secret", secondKey, body), 502)
				harness.WantStatus(t, post("one of a wrong secret", "wrong", body), 401)
				harness.WantStatus(t, post("a duplicate member", harness.AppSecret, broken), 400)
				harness.WantStatus(t, post("half an object", harness.AppSecret, truncated), 400)
				harness.WantStatus(t, post("no UTF-8", harness.AppSecret, invalid), 400)
				harness.WantStatus(t, post("a large one", harness.AppSecret, append(body, strings.Repeat(" ", 2000)...)), 413)
				for _, malformed := range []string{harness.Digest(harness.AppSecret, body), "sha1=" + harness.Digest(harness.AppSecret, body), "sha256=" + harness.Digest(harness.AppSecret, body) + "0"} {
					harness.WantStatus(t, g.Do(harness.WithSignatures(malformed)(g)), 401)
				}
				harness.WantStatus(t, g.Do(harness.WithSignatures(harness.Sign(harness.AppSecret, body), harness.Sign("wrong", body))(g)), 401)
				harness.WantStatus(t, g.Do(harness.Slow(harness.Stalling())(g)), 408)

				logs := g.Logs()
				for _, want := range []string{
					`"logger":"http.log.access`, `"msg":"refused"`, `"msg":"not delivered"`, `"reason":"verify_token_mismatch"`,
					`"reason":"signature_mismatch"`, `"reason":"body_duplicate_name"`, `"reason":"body_timeout"`, "REDACTED",
				} {
					if !strings.Contains(logs, want) {
						t.Errorf("got no log line with %s, want one", want)
					}
				}
				sent["verify token"], sent["wrong verify token"] = harness.Token, wrongToken
				sent["app secret"], sent["second app secret"] = harness.AppSecret, secondKey
				sent["text of a body"] = text
				wantNotLogged(t, logs, sent)
			})
		}
	}
}

// TestExampleKeepsSecretsOutOfTheLogs runs example.Caddyfile, on ports of its
// own and with its log in a file.
func TestExampleKeepsSecretsOutOfTheLogs(t *testing.T) {
	t.Setenv("META_VERIFY_TOKEN", harness.Token)
	t.Setenv("META_APP_SECRET", harness.AppSecret)
	g := harness.NewGateway(t, harness.PlainHTTP1)
	logging := fmt.Sprintf("log {\noutput file %s {\nroll_disabled\n}\nlevel DEBUG\n", g.LogFile())
	example := harness.ReadFile(t, filepath.Join(harness.Repository, "example.Caddyfile"))
	if want := "localhost:8080"; !strings.Contains(example, want) {
		t.Fatalf("got an example without %s, want it there to be moved to a free port", want)
	}
	config, err := harness.Adapt(strings.NewReplacer(
		"localhost:8080", "127.0.0.1:"+strconv.Itoa(g.Port),
		"\tlog {\n", logging,
		"default_bind 127.0.0.1\n", "admin off\ndefault_bind 127.0.0.1\nstorage file_system "+g.Dir+"\nstorage_clean_interval off\nstorage_check off\n",
	).Replace(example))
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.Load(config, true); err != nil {
		t.Fatal(err)
	}

	a := g.Verify(harness.Token, "1158201444")
	harness.WantStatus(t, a, 200)
	if a.Body != "1158201444" {
		t.Errorf("got %q, want the challenge", a.Body)
	}
	harness.WantStatus(t, g.Verify("wrong-"+harness.Token, "1"), 403)
	body := harness.WhatsApp([]string{"wamid.confidential"}, nil)
	harness.WantStatus(t, g.Post(body), 200)
	r := g.Notification(body)
	r.Header.Set(harness.SignatureHeader, harness.Sign("wrong", body))
	harness.WantStatus(t, g.Do(r), 401)

	if got := harness.ReadEvents(g, 1)[0]; got.Object != "whatsapp_business_account" || got.Kind != "messages" {
		t.Errorf("got the event %+v on the page, want the message", got)
	}

	logs := g.Logs()
	wantNotLogged(t, logs, map[string]string{
		"verify token": harness.Token, "app secret": harness.AppSecret, "digest": harness.Digest(harness.AppSecret, body), "wrong digest": harness.Digest("wrong", body), "body": "wamid.confidential",
	})
}

// TestAccessLogSaysWhatBecameOfARequest has one of two events fail at first.
func TestAccessLogSaysWhatBecameOfARequest(t *testing.T) {
	failing := true
	u := harness.NewUpstream(t, func(w http.ResponseWriter, r harness.Received) {
		if failing && strings.Contains(r.Body, `"post_id":"b"`) {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	g := harness.Start(t, harness.Lines("log", harness.Hook(), "reverse_proxy "+u.Addr))
	body := harness.Page([]string{"a", "b"})
	harness.WantStatus(t, g.Post(body), 502)
	failing = false
	harness.WantStatus(t, g.Post(body), 200)
	harness.WantStatus(t, g.Verify(harness.Token, "1"), 200)
	harness.WantStatus(t, g.Verify("wrong", "1"), 403)

	type entry struct {
		Status     int    `json:"status"`
		Message    string `json:"msg"`
		Result     string `json:"meta_webhook.result"`
		Events     int    `json:"meta_webhook.events"`
		Duplicates int    `json:"meta_webhook.duplicates"`
		Failed     int    `json:"meta_webhook.failed"`
	}
	var got []entry
	harness.Eventually(t, "four lines in the access log", func() bool {
		got = nil
		for line := range strings.Lines(g.Logs()) {
			if e := harness.Decode[entry](t, line); e.Message == "handled request" {
				got = append(got, e)
			}
		}
		return len(got) == 4
	})
	want := []entry{
		{502, "handled request", "delivery_failed", 2, 0, 1},
		{200, "handled request", "ok", 2, 1, 0},
		{200, "handled request", "ok", 0, 0, 0},
		{403, "handled request", "verify_token_mismatch", 0, 0, 0},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
