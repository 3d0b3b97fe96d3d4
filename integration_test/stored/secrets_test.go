package stored

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/caddyproc"
)

// adminEndpoints are the requests to everything on the admin endpoint that is
// this plugin's, with an event's id in place of {id}.
var adminEndpoints = []struct{ method, target string }{
	{http.MethodGet, "/meta_webhook/status"},
	{http.MethodGet, "/meta_webhook/destinations"},
	{http.MethodGet, "/meta_webhook/events"},
	{http.MethodGet, "/meta_webhook/events/{id}"},
	{http.MethodPost, "/meta_webhook/events/replay?to=app&id={id}"},
	{http.MethodPost, "/meta_webhook/events/discard?id={id}"},
	{http.MethodPost, "/meta_webhook/destinations/pause?destination=app"},
	{http.MethodPost, "/meta_webhook/destinations/resume?destination=app"},
}

// ask sends a request to the admin endpoint, with some headers.
func ask(t *testing.T, c *caddyproc.Process, method, target string, header map[string]string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, c.AdminURL(target), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		if r.Header.Set(name, value); name == "Host" {
			r.Host = value
		}
	}
	res, err := meta.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(text)
}

// TestAdminAPIShowsNoSecretAndObeysNoOtherSite has everything on the admin
// endpoint, and every command, show what there is of an event that the app has
// refused.
func TestAdminAPIShowsNoSecretAndObeysNoOtherSite(t *testing.T) {
	t.Parallel()
	const signingKey = "whsec_b25lIHNlY3JldCBvZiB0aGUgd2ViaG9va3M="
	b := newBook(t)
	app := newApp(b, "app", 1, 0)
	app.refuse("91.0", time.Now())
	c := caddyproc.New(t)
	c.Start(harness.Hook("store file {\npath "+c.Path("stored")+"\n}", "sign "+signingKey, "destination app {", "retry 10ms 10ms", "give_up 1ms", "reverse_proxy "+app.addr(), "}"))
	body := b.notification("91", 0, 1)
	if status := post(c, body); status != http.StatusOK {
		t.Fatalf("got %d, want 200", status)
	}
	harness.Eventually(t, "a dead event", func() bool { all := destinations(t, c); return len(all) == 1 && all[0].Dead == 1 })
	var page struct{ Events []struct{ ID string } }
	admin(t, c, http.MethodGet, "/meta_webhook/events", &page)
	id := page.Events[0].ID

	secrets := []string{harness.AppSecret, harness.Token, signingKey, strings.TrimPrefix(signingKey, "whsec_"), strings.TrimPrefix(harness.Sign(harness.AppSecret, []byte(body)), "sha256=")}
	wantNone := func(from, text string) {
		t.Helper()
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s: got a secret in %s, want none", from, text)
			}
		}
		if point := strings.Contains(from, "events/"+id) || strings.Contains(from, "show"); strings.Contains(strings.ReplaceAll(text, `\`, ""), `"text"`) != point {
			t.Errorf("%s: got the body: %t, want it only where it is the point", from, !point)
		}
	}

	// other sites, by way of a browser on this machine
	for _, e := range adminEndpoints {
		target := strings.ReplaceAll(e.target, "{id}", id)
		for _, from := range []map[string]string{
			{"Origin": "https://evil.example"},
			{"Origin": "null"},
			{"Host": "evil.example"}, // a name of another site that resolves to this machine
			{"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Site": "cross-site"},
			{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "cross-site", "Referer": "https://evil.example/"},
		} {
			if status, text := ask(t, c, e.method, target, from); status != http.StatusForbidden && status != http.StatusBadRequest || strings.Contains(text, id) {
				t.Errorf("%s %s with %v: got %d %s, want a refusal", e.method, target, from, status, text)
			}
		}
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch} {
			if method == e.method {
				continue
			}
			if status, _ := ask(t, c, method, target, nil); status != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: got %d, want 405", method, target, status)
			}
		}
	}
	if all := destinations(t, c); all[0].Dead != 1 || all[0].State != "open" {
		t.Errorf("got %+v, want nothing changed", all)
	}

	for _, e := range adminEndpoints {
		target := strings.ReplaceAll(e.target, "{id}", id)
		status, text := ask(t, c, e.method, target, nil)
		if status != http.StatusOK {
			t.Errorf("%s %s: got %d %s, want 200", e.method, target, status, text)
		}
		wantNone(target, text)
	}
	for _, args := range [][]string{{"status"}, {"status", "--json"}, {"destinations", "list"}, {"events", "list"}, {"events", "list", "--json"}, {"events", "show", id}, {"events", "show", id, "--json"}} {
		wantNone(strings.Join(args, " "), operate(t, c, args...))
	}
	for _, target := range []string{
		"/meta_webhook/events?text=%00", "/meta_webhook/events?cursor=x", "/meta_webhook/events?state=" + harness.Token[:1], "/meta_webhook/events/..%2f..%2fconfig", "/meta_webhook/events/%00",
		"/meta_webhook/events?limit=-1", "/meta_webhook/events?id=" + strings.Repeat("f", 100), "/meta_webhook/events?handler=../x",
	} {
		status, text := ask(t, c, http.MethodGet, target, nil)
		if status == http.StatusOK && target != "/meta_webhook/events?text=%00" || strings.Contains(text, "goroutine") {
			t.Errorf("%s: got %d %s, want an error", target, status, text)
		}
		wantNone(target, text)
	}
	wantNone("log", c.Log())
}
