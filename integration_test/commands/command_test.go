package commands

import (
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/graph"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/graph/graphtest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/sample"
)

// TestEverySampleBecomesTheEventOfTheReference sends each sample to a gateway.
func TestEverySampleBecomesTheEventOfTheReference(t *testing.T) {
	page := string(harness.Must(os.ReadFile(filepath.Join(harness.Repository, "docs", "reference", "events.md"))))
	u := harness.NewUpstream(t, nil)
	g := harness.Proxied(t, u)
	for _, s := range sample.All {
		u.Forget()
		harness.Command(t, "", "send", "--sample", s.Name, "--url", g.URL(harness.Callback)).Want(t, 0, "200 OK in ", "")
		if got := harness.Decode[harness.CloudEvent](t, u.Only().Body); got.Type != s.Type {
			t.Errorf("%s: got type %s, want %s", s.Name, got.Type, s.Type)
		}
		if !strings.Contains(page, "| `"+s.Type+"` |") {
			t.Errorf("%s: got no type %s in the page's table", s.Name, s.Type)
		}
	}
}

func TestRepeatsOfACommandAreDropped(t *testing.T) {
	u := harness.NewUpstream(t, nil)
	g := harness.Proxied(t, u)
	harness.Command(t, "", "send", "--sample", "page-feed", "--updates", "20", "--repeat", "2", "--url", g.URL(harness.Callback)).
		Want(t, 0, "3 of 3 answered 200", "")
	if got := len(u.Requests()); got != 20 {
		t.Errorf("got %d events upstream, want each of 20 once", got)
	}
}

// TestRepeatsAreExplainedWhereTheyAreSent sends the same bytes twice.
func TestRepeatsAreExplainedWhereTheyAreSent(t *testing.T) {
	u := harness.NewUpstream(t, nil)
	g := harness.Proxied(t, u)
	body := string(harness.Page([]string{"a", "b"}))
	send := func(args ...string) harness.Run {
		return harness.Command(t, body, append([]string{"send", "--url", g.URL(harness.Callback)}, args...)...)
	}
	if got := send(); strings.Contains(got.Stdout, "came before") {
		t.Errorf("got %q for what is new, want nothing about repeats", got.Stdout)
	}
	send().Want(t, 0, "\n  2 of its events came before, and not to the app again", "")
	send("--json").Want(t, 0, `"duplicates":2`, "")
	a := g.Post([]byte(body))
	if got := a.Header.Get("Meta-Webhook-Duplicates"); got != "2" || a.Body != "" {
		t.Errorf("got the header %q and the body %q, want 2 and nothing", got, a.Body)
	}
}

// TestEventsAreThoseThatTheAppGets compares what a command prints with what
// comes of the same notification.
func TestEventsAreThoseThatTheAppGets(t *testing.T) {
	body := harness.WhatsApp([]string{"wamid.a", "wamid.b"}, []string{"wamid.c"})
	u := harness.NewUpstream(t, nil)
	g := harness.Proxied(t, u)
	harness.Command(t, string(body), "send", "--url", g.URL(harness.Callback)).Want(t, 0, "200 OK", "")
	var want []string
	for _, r := range u.Requests() {
		want = append(want, r.Body)
	}
	parsed := harness.Command(t, string(body), "parse")
	got := strings.Split(strings.TrimSuffix(parsed.Stdout, "\n"), "\n")
	slices.Sort(want) // conversations are delivered side by side
	slices.Sort(got)
	if !slices.Equal(got, want) || parsed.Code != 0 {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestExitCodesSayWhetherAnythingWasSent(t *testing.T) {
	u := harness.NewUpstream(t, harness.Answering(500))
	g := harness.Proxied(t, u)
	harness.Command(t, "", "verify", "--url", g.URL(harness.Callback)).Want(t, 0, "returned the challenge", "")
	harness.Command(t, "", "verify", "--url", g.URL("/elsewhere")).Want(t, 2, "", "Error: 500 Internal Server Error")
	u.Forget()
	harness.Command(t, "", "send", "--sample", "page-feed", "--url", g.URL(harness.Callback)).Want(t, 2, "502 Bad Gateway in ", "Error: 502 Bad Gateway: the app")
	u.Only()
	u.Forget()
	harness.Command(t, "", "send", "--sample", "page-feed", "--secret-file", "/does/not/exist", "--url", g.URL(harness.Callback)).Want(t, 1, "", "Error: --secret-file: ")
	harness.Command(t, "", "send", "--nonsense").Want(t, 1, "", "Error: unknown flag: --nonsense")
	u.WantNone()
}

// TestSubscribingVerifiesTheGateway has a Graph API verify a gateway, as Meta
// does with a new subscription.
func TestSubscribingVerifiesTheGateway(t *testing.T) {
	g := harness.Proxied(t, harness.NewUpstream(t, nil))
	target, err := url.Parse(g.URL(""))
	if err != nil {
		t.Fatal(err)
	}
	public := httptest.NewTLSServer(httputil.NewSingleHostReverseProxy(target))
	t.Cleanup(public.Close)
	meta := graphtest.Start(t, graph.DefaultVersion, "188559381496048", harness.AppSecret)
	meta.VerifyWith(public.Client())
	add := []string{"subscriptions", "add", "--object", "page", "--fields", "feed", "--graph-url", meta.URL, "--callback"}
	harness.Command(t, "", append(add, public.URL+harness.Callback)...).Want(t, 0, "Subscribed to feed of page", "")
	harness.Command(t, "", append(add, public.URL+"/elsewhere")...).Want(t, 2, "", "(#2200) Callback verification failed")
	harness.Command(t, "", "subscriptions", "list", "--graph-url", meta.URL).Want(t, 0, public.URL+harness.Callback, "")
}
