package integration_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/caddyproc"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/graph"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/graph/graphtest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/sample"
)

// A run is what has come of a command.
type run struct {
	code           int
	stdout, stderr string
}

// command runs caddy meta-webhook in a process of its own, with the token and
// the secret of the gateways in its environment.
func command(t *testing.T, stdin string, args ...string) run {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), caddyproc.Build(t), append([]string{"meta-webhook"}, args...)...)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, "META_") }),
		"META_VERIFY_TOKEN="+token, "META_APP_SECRET="+appSecret, "META_APP_ID=188559381496048")
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	for _, secret := range []string{token, appSecret} {
		if strings.Contains(stdout.String()+stderr.String(), secret) {
			t.Errorf("%s: got %s%s, want no secret in it", args, &stdout, &stderr)
		}
	}
	return run{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// want fails the test unless the command has ended with this code, and has
// printed these texts. Where a text is empty it must have printed none.
func (r run) want(t *testing.T, code int, stdout, stderr string) {
	t.Helper()
	if r.code != code || !strings.Contains(r.stdout, stdout) || !strings.Contains(r.stderr, stderr) ||
		(stdout == "") != (r.stdout == "") || (stderr == "") != (r.stderr == "") {
		t.Errorf("got exit code %d, %q and on stderr %q, want %d, %q and %q", r.code, r.stdout, r.stderr, code, stdout, stderr)
	}
}

// TestEverySampleBecomesTheEventOfTheREADME sends each sample to a gateway.
func TestEverySampleBecomesTheEventOfTheREADME(t *testing.T) {
	readme := string(must(os.ReadFile("../README.md")))
	u := newUpstream(t, nil)
	g := proxied(t, u)
	for _, s := range sample.All {
		u.forget()
		command(t, "", "send", "--sample", s.Name, "--url", g.url(callback)).want(t, 0, "200 OK in ", "")
		if got := decode[cloudEvent](t, u.only().body); got.Type != s.Type {
			t.Errorf("%s: got type %s, want %s", s.Name, got.Type, s.Type)
		}
		if !strings.Contains(readme, "| `"+s.Type+"` |") {
			t.Errorf("%s: got no type %s in the README's table", s.Name, s.Type)
		}
	}
}

func TestRepeatsOfACommandAreDropped(t *testing.T) {
	u := newUpstream(t, nil)
	g := proxied(t, u)
	command(t, "", "send", "--sample", "page-feed", "--updates", "20", "--repeat", "2", "--url", g.url(callback)).
		want(t, 0, "3 of 3 answered 200", "")
	if got := len(u.requests()); got != 20 {
		t.Errorf("got %d events upstream, want each of 20 once", got)
	}
}

// TestEventsAreThoseThatTheAppGets compares what a command prints with what
// comes of the same notification.
func TestEventsAreThoseThatTheAppGets(t *testing.T) {
	body := whatsApp([]string{"wamid.a", "wamid.b"}, []string{"wamid.c"})
	u := newUpstream(t, nil)
	g := proxied(t, u)
	command(t, string(body), "send", "--url", g.url(callback)).want(t, 0, "200 OK", "")
	var want strings.Builder
	for _, r := range u.requests() {
		want.WriteString(r.body + "\n")
	}
	if got := command(t, string(body), "parse"); got.stdout != want.String() || got.code != 0 {
		t.Errorf("got %s, want %s", got.stdout, &want)
	}
}

func TestExitCodesSayWhetherAnythingWasSent(t *testing.T) {
	u := newUpstream(t, answering(500))
	g := proxied(t, u)
	command(t, "", "verify", "--url", g.url(callback)).want(t, 0, "returned the challenge", "")
	command(t, "", "verify", "--url", g.url("/elsewhere")).want(t, 2, "", "Error: 500 Internal Server Error")
	u.forget()
	command(t, "", "send", "--sample", "page-feed", "--url", g.url(callback)).want(t, 2, "502 Bad Gateway in ", "Error: 502 Bad Gateway: the app")
	u.only()
	u.forget()
	command(t, "", "send", "--sample", "page-feed", "--secret-file", "/does/not/exist", "--url", g.url(callback)).want(t, 1, "", "Error: --secret-file: ")
	command(t, "", "send", "--nonsense").want(t, 1, "", "Error: unknown flag: --nonsense")
	u.wantNone()
}

// TestSubscribingVerifiesTheGateway has a Graph API verify a gateway, as Meta
// does with a new subscription.
func TestSubscribingVerifiesTheGateway(t *testing.T) {
	g := proxied(t, newUpstream(t, nil))
	public := httptest.NewTLSServer(httputil.NewSingleHostReverseProxy(must(url.Parse(g.url("")))))
	t.Cleanup(public.Close)
	meta := graphtest.Start(t, graph.DefaultVersion, "188559381496048", appSecret)
	meta.Client = public.Client()
	add := []string{"subscriptions", "add", "--object", "page", "--fields", "feed", "--graph-url", meta.URL, "--callback"}
	command(t, "", append(add, public.URL+callback)...).want(t, 0, "Subscribed to feed of page", "")
	command(t, "", append(add, public.URL+"/elsewhere")...).want(t, 2, "", "(#2200) Callback verification failed")
	command(t, "", "subscriptions", "list", "--graph-url", meta.URL).want(t, 0, public.URL+callback, "")
}

func TestCommandsPresentACertificate(t *testing.T) {
	g := newMutualGateway(t)
	server := selfSigned("gateway", usage(x509.ExtKeyUsageServerAuth), dnsNames("localhost"))
	authority := writeFile(t, g.dir, "cert.pem", server.pem())
	writeFile(t, g.dir, "key.pem", server.keyPEM())
	files := func(c *certificate) []string {
		cert := writeFile(t, t.TempDir(), "client.pem", slices.Concat(c.pem(), intermediate.pem()))
		return []string{"--cert", cert, "--key", writeFile(t, t.TempDir(), "client.key", c.keyPEM())}
	}
	metas, others := files(intermediate.issue(metaName)), files(intermediate.issue("shop.example.com"))
	strangers := files(otherIntermediate.issue(metaName))

	u := newUpstream(t, nil)
	g.mustLoadSites(g.site("localhost", clientAuth("verify_if_given", g.root), guarded(clientCert("require all"), u)))
	url := fmt.Sprintf("https://localhost:%d%s", g.port, callback)
	verify := func(with ...string) run {
		t.Helper()
		return command(t, "", append([]string{"verify", "--url", url, "--cacert", authority}, with...)...)
	}
	verify(metas...).want(t, 0, "returned the challenge", "")
	verify().want(t, 2, "", "Error: 403 Forbidden: ")
	verify(others...).want(t, 2, "", "Error: 403 Forbidden: ")
	verify(strangers...).want(t, 2, "", "the client certificate")
	u.wantNone()
	command(t, "", append(metas, "send", "--sample", "page-feed", "--url", url, "--cacert", authority)...).want(t, 0, "200 OK", "")
	u.only()

	g.mustLoadSites(g.site("localhost", "", guarded(hook(), u)))
	eventually(t, "the gateway without client authentication", func() bool {
		return strings.Contains(verify(metas...).stderr, "the server did not ask for a client certificate")
	})
	verify().want(t, 0, "returned the challenge", "")
}

// keyPEM is the certificate's key.
func (c *certificate) keyPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(c.key))})
}
