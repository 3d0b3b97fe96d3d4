package integration_test

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
	g := newGateway(t, plainHTTP1)
	g.logLevel = "INFO"
	g.mustLoad(lines(hook("name "+t.Name()), "respond 200"))
	before := strings.Count(g.logs(), "\n")
	var running sync.WaitGroup
	for worker := range 10 {
		running.Go(func() {
			for i := range 1000 {
				r, want := g.request(http.MethodGet, callback+"?"+verification("wrong", "1"), nil), 403
				if (worker+i)%2 == 0 {
					r, want = g.notification(page([]string{"a"})), 401
					r.Header.Set(signatureHeader, sign("wrong", nil))
				}
				if got, err := g.try(r); err != nil || got.status != want {
					t.Errorf("%s: got answer %d, %v, want %d", r.Method, got.status, err, want)
					return
				}
			}
		})
	}
	running.Wait()
	logs := g.logs()
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
	poisoned := newUpstream(t, func(w http.ResponseWriter, r received) {
		if strings.Contains(r.body, "poison") {
			w.WriteHeader(500)
			_, _ = w.Write([]byte(r.body))
		}
	})
	nobody := "127.0.0.1:" + strconv.Itoa(freePort(t))
	body := page([]string{text, "poison"})
	broken := []byte(`{"object":"page","` + text + `":1,"` + text + `":2}`)
	truncated := []byte(`{"object":"` + text)
	invalid := []byte("{\"object\":\"" + text + "\xff\"}")
	for _, mode := range []string{"each", "batch", "original"} {
		for name, next := range map[string]string{
			"reverse_proxy": "reverse_proxy " + poisoned.addr,
			"down":          "reverse_proxy " + nobody,
			"verbose":       "reverse_proxy " + poisoned.addr + " {\nverbose_logs\n}",
			"handle_errors": "reverse_proxy " + poisoned.addr + "\nhandle_errors {\nrespond {http.meta_webhook.error}\n}",
			"no handler":    "",
		} {
			t.Run(mode+" "+name, func(t *testing.T) {
				g := newGateway(t, plainHTTP1)
				g.logFormat = filter
				site := strings.Replace(hook("deliver "+mode, "body_timeout 100ms", "max_size 2000"), appSecret, appSecret+" "+secondKey, 1)
				g.mustLoad(lines("log {", "output file "+g.logFile()+" {", "roll_disabled", "}", filter, "}", site, next))

				wantStatus(t, g.verify(token, "1"), 200)
				wantStatus(t, g.verify(wrongToken, "1"), 403)
				for _, query := range []string{
					verification(token, ""),
					verification(token, "1") + "&hub.verify_token=" + token,
					"hub.verify_token=" + token,
					"hub%2Everify_token=" + token,
					"hub.verify%5Ftoken=" + token + "&%zz",
				} {
					wantStatus(t, g.do(g.request(http.MethodGet, callback+"?"+query, nil)), 400)
				}
				sent := map[string]string{}
				post := func(name, secret string, body []byte) answer {
					r := g.notification(body)
					r.Header.Set(signatureHeader, sign(secret, body))
					sent["digest of "+name] = digest(secret, body)
					sent["expected digest of "+name] = digest(appSecret, body)
					sent["second expected digest of "+name] = digest(secondKey, body)
					return g.do(r)
				}
				wantStatus(t, post("a delivered one", appSecret, page([]string{text})), map[bool]int{true: 502, false: 200}[next == "" || name == "down"])
				wantStatus(t, post("a failing one", appSecret, body), 502)
				wantStatus(t, post("one of the second secret", secondKey, body), 502)
				wantStatus(t, post("one of a wrong secret", "wrong", body), 401)
				wantStatus(t, post("a duplicate member", appSecret, broken), 400)
				wantStatus(t, post("half an object", appSecret, truncated), 400)
				wantStatus(t, post("no UTF-8", appSecret, invalid), 400)
				wantStatus(t, post("a large one", appSecret, append(body, strings.Repeat(" ", 2000)...)), 413)
				for _, malformed := range []string{digest(appSecret, body), "sha1=" + digest(appSecret, body), "sha256=" + digest(appSecret, body) + "0"} {
					wantStatus(t, g.do(withSignatures(malformed)(g)), 401)
				}
				wantStatus(t, g.do(withSignatures(sign(appSecret, body), sign("wrong", body))(g)), 401)
				wantStatus(t, g.do(slow(&stalling{closed: make(chan struct{})})(g)), 408)

				logs := g.logs()
				for _, want := range []string{
					`"logger":"http.log.access`, `"msg":"refused"`, `"msg":"not delivered"`, `"reason":"verify_token_mismatch"`,
					`"reason":"signature_mismatch"`, `"reason":"body_duplicate_name"`, `"reason":"body_timeout"`, "REDACTED",
				} {
					if !strings.Contains(logs, want) {
						t.Errorf("got no log line with %s, want one", want)
					}
				}
				sent["verify token"], sent["wrong verify token"] = token, wrongToken
				sent["app secret"], sent["second app secret"] = appSecret, secondKey
				sent["text of a body"] = text
				wantNotLogged(t, logs, sent)
			})
		}
	}
}

// TestExampleKeepsSecretsOutOfTheLogs runs example.Caddyfile, on ports of its
// own and with its log in a file.
func TestExampleKeepsSecretsOutOfTheLogs(t *testing.T) {
	t.Setenv("META_VERIFY_TOKEN", token)
	t.Setenv("META_APP_SECRET", appSecret)
	g := newGateway(t, plainHTTP1)
	logging := fmt.Sprintf("log {\noutput file %s {\nroll_disabled\n}\nlevel DEBUG\n", g.logFile())
	example := readFile(t, filepath.Join("..", "example.Caddyfile"))
	if want := "localhost:8080"; !strings.Contains(example, want) {
		t.Fatalf("got an example without %s, want it there to be moved to a free port", want)
	}
	config, err := adapt(strings.NewReplacer(
		"localhost:8080", "127.0.0.1:"+strconv.Itoa(g.port),
		"\tlog {\n", logging,
		"admin off\n", "admin off\ndefault_bind 127.0.0.1\nstorage file_system "+g.dir+"\nstorage_clean_interval off\nstorage_check off\n",
	).Replace(example))
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.Load(config, true); err != nil {
		t.Fatal(err)
	}

	a := g.verify(token, "1158201444")
	wantStatus(t, a, 200)
	if a.body != "1158201444" {
		t.Errorf("got %q, want the challenge", a.body)
	}
	wantStatus(t, g.verify("wrong-"+token, "1"), 403)
	body := whatsApp([]string{"wamid.confidential"}, nil)
	wantStatus(t, g.post(body), 200)
	r := g.notification(body)
	r.Header.Set(signatureHeader, sign("wrong", body))
	wantStatus(t, g.do(r), 401)

	if got := readEvents(g, 1)[0]; got.Type != "com.facebook.whatsapp_business_account.messages" {
		t.Errorf("got the event %+v on the page, want the message", got)
	}

	logs := g.logs()
	wantNotLogged(t, logs, map[string]string{
		"verify token": token, "app secret": appSecret, "digest": digest(appSecret, body), "wrong digest": digest("wrong", body), "body": "wamid.confidential",
	})
}

// TestAccessLogSaysWhatBecameOfARequest has one of two events fail at first.
func TestAccessLogSaysWhatBecameOfARequest(t *testing.T) {
	failing := true
	u := newUpstream(t, func(w http.ResponseWriter, r received) {
		if failing && strings.Contains(r.body, `"post_id":"b"`) {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	g := start(t, lines("log", hook(), "reverse_proxy "+u.addr))
	body := page([]string{"a", "b"})
	wantStatus(t, g.post(body), 502)
	failing = false
	wantStatus(t, g.post(body), 200)
	wantStatus(t, g.verify(token, "1"), 200)
	wantStatus(t, g.verify("wrong", "1"), 403)

	type entry struct {
		Status     int    `json:"status"`
		Message    string `json:"msg"`
		Result     string `json:"meta_webhook.result"`
		Events     int    `json:"meta_webhook.events"`
		Duplicates int    `json:"meta_webhook.duplicates"`
		Failed     int    `json:"meta_webhook.failed"`
	}
	var got []entry
	eventually(t, "four lines in the access log", func() bool {
		got = nil
		for line := range strings.Lines(g.logs()) {
			if e := decode[entry](t, line); e.Message == "handled request" {
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
