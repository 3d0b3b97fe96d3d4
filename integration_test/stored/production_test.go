package stored

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/caddyproc"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/certs"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/freeport"
)

// An instance is one of an app's, at an address of its own, where it may be
// dead and come back.
type instance struct {
	t       *testing.T
	app     http.Handler
	address string
	server  *httptest.Server

	stalls atomic.Bool
	slow   atomic.Bool
	taken  atomic.Int64
}

func newInstance(t *testing.T, app http.Handler) *instance {
	i := &instance{t: t, app: app, address: "127.0.0.1:" + strconv.Itoa(freeport.Of(t))}
	i.start()
	t.Cleanup(i.die)
	return i
}

func (i *instance) start() {
	i.t.Helper()
	l, err := net.Listen("tcp", i.address)
	if err != nil {
		i.t.Fatal(err)
	}
	i.server = httptest.NewUnstartedServer(i)
	_ = i.server.Listener.Close()
	i.server.Listener = l
	i.server.Start()
}

// die breaks the connections, and takes no others.
func (i *instance) die() {
	i.server.CloseClientConnections()
	i.server.Close()
}

// ServeHTTP has the app answer, sooner, later or never.
func (i *instance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	switch {
	case i.stalls.Load():
		<-r.Context().Done()
		return
	case i.slow.Load():
		time.Sleep(300 * time.Millisecond)
	}
	if r.URL.Path == "/health" {
		return
	}
	if err := harness.CheckSignature(i.t, harness.NewSecret, string(body), r.Header); err != nil {
		i.t.Errorf("got a message that the gateway has not signed: %v", err)
	}
	i.taken.Add(1)
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	i.app.ServeHTTP(w, r)
}

// production runs example.production.Caddyfile. Nothing in it is changed but
// names and ports. It returns the URL of the callback, and a client that has
// Meta's certificate.
func production(t *testing.T, c *caddyproc.Process, metrics string, apps ...*instance) (callback string, client *http.Client) {
	t.Helper()
	authority := certs.SelfSigned("Meta's authority", certs.Authority)
	for name, content := range map[string][]byte{
		"verify_token":             []byte(harness.Token + "\n"),
		"app_secret":               []byte(harness.AppSecret + "\n"),
		"webhook_secret":           []byte(harness.NewSecret + "\n"),
		"meta-outbound-api-ca.pem": authority.PEM(),
	} {
		harness.WriteFile(t, c.Path(""), name, content)
	}
	c.Env = []string{"CONFIG_DIR=" + c.Path("")}
	c.Global = "auto_https disable_redirects\ndefault_bind 127.0.0.1"
	_, port, _ := net.SplitHostPort(c.Address())
	text := harness.ReadFile(t, filepath.Join(harness.Repository, "example.production.Caddyfile"))
	for name, moved := range map[string]string{
		"\nwebhooks.example.com {": "\nhttps://localhost:" + port + " {",
		"localhost:8081":           apps[0].address,
		"localhost:8082":           apps[1].address,
		"http://:9180":             "http://" + metrics,
	} {
		if strings.Count(text, name) != 1 {
			t.Fatalf("got %d times %q in the example, want it once", strings.Count(text, name), name)
		}
		text = strings.ReplaceAll(text, name, moved)
	}
	c.StartCaddyfile(text)

	var root []byte
	harness.Eventually(t, "Caddy's own authority", func() (ok bool) {
		var err error
		root, err = os.ReadFile(c.Path("storage/pki/authorities/local/root.crt"))
		return err == nil
	})
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(root)
	meta := authority.Issue("client.webhooks.fbclientcerts.com")
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted, Certificates: []tls.Certificate{*meta.TLS()}}}
	t.Cleanup(tr.CloseIdleConnections)
	return "https://localhost:" + port, &http.Client{Transport: tr, Timeout: 20 * time.Second}
}

// TestProductionExampleLosesNothing has the instances of the app die, stall and
// be slow.
func TestProductionExampleLosesNothing(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	app := newApp(b, "app", 1, 0)
	one, two := newInstance(t, app), newInstance(t, app)
	c := caddyproc.New(t)
	metrics := "127.0.0.1:" + strconv.Itoa(freeport.Of(t))
	gateway, meta := production(t, c, metrics, one, two)

	send := func(method, target, body, signature string) int {
		r := harness.Must(http.NewRequestWithContext(t.Context(), method, gateway+target, strings.NewReader(body)))
		r.Header.Set(harness.SignatureHeader, signature)
		a, err := harness.Send(meta, r)
		if err != nil {
			t.Logf("%s %s: %v", method, target, err)
		}
		return a.Status
	}
	harness.Eventually(t, "a certificate of the gateway's", func() bool { // it is being made at first
		return send("GET", harness.Callback+"?"+harness.Verification(harness.Token, "1"), "", "") == http.StatusOK
	})

	const conversations, events = 4, 15
	var sending sync.WaitGroup
	for i := range conversations {
		sending.Go(func() {
			conversation := fmt.Sprintf("9%d", i)
			for n := range events {
				body := b.notification(conversation, n, n+1)
				signature := harness.Sign(harness.AppSecret, []byte(body))
				for send("POST", harness.Callback, body, signature) != http.StatusOK {
					time.Sleep(50 * time.Millisecond)
				}
				b.mu.Lock()
				b.accepted[conversation] = n + 1
				b.mu.Unlock()
				if got := send("POST", harness.Callback, body+" ", signature); got != http.StatusUnauthorized {
					t.Errorf("got answer %d to a forged notification, want 401", got)
				}
				time.Sleep(200 * time.Millisecond)
			}
		})
	}
	time.Sleep(300 * time.Millisecond)
	one.die()
	time.Sleep(time.Second)
	two.stalls.Store(true)
	time.Sleep(time.Second)
	one.start()
	one.slow.Store(true)
	two.stalls.Store(false)
	two.die()
	time.Sleep(time.Second)
	two.start()
	one.slow.Store(false)
	sending.Wait()

	harness.Eventually(t, "every event at the app", func() bool { return app.count() == conversations*events })
	if one.taken.Load() == 0 || two.taken.Load() == 0 {
		t.Errorf("got %d events at one instance and %d at the other, want some at both", one.taken.Load(), two.taken.Load())
	}
	for target, want := range map[string]int{"/": 404, "/webhooks/": 404, "/webhooks/x": 404, "/health": 404, "/metrics": 404} {
		if got := send("POST", target, "{}", ""); got != want {
			t.Errorf("%s: got answer %d, want %d", target, got, want)
		}
	}
	res, err := http.Get("http://" + metrics + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	a := harness.Must(harness.ReadAnswer(res))
	if want := `caddy_meta_webhook_stored_events{destination="app",name="shop",`; !strings.Contains(a.Body, want) {
		t.Errorf("got metrics without %s, want it:\n%s", want, a.Body)
	}
}
