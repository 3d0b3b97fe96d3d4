// Package harness is what the integration tests share: Caddy with the plugin,
// in the process of a test or as one of its own; the app behind it, which
// records what it gets; Meta, which signs and sends; and a ledger of what was
// promised.
//
// A [Gateway] is the one Caddy in the process of its test. Hence no two tests
// of a package that have one run at the same time; packages do.
package harness

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddy-meta-webhook/caddy-meta-webhook"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/caddyfile"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/certs"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/freeport"
)

// Patience is how long a test waits for what must happen.
const Patience = time.Minute

// A Transport is how the sender reaches the gateway.
type Transport string

const (
	PlainHTTP1 Transport = "HTTP/1.1"
	TLSHTTP1   Transport = "HTTP/1.1 over TLS"
	TLSHTTP2   Transport = "HTTP/2 over TLS"
)

// A Gateway is Caddy with the plugin. What it is configured with beside its
// site are the fields, which count for the next load.
type Gateway struct {
	T      *testing.T
	via    Transport
	Port   int
	Dir    string
	TLS    *tls.Config // the sender's
	Client *http.Client
	loads  int

	Admin     string // address of the admin API, or off
	Global    string // global options
	Servers   string // options of the servers
	LogFormat string // of the default log
	LogLevel  string // of the default log
}

// NewGateway returns a gateway that does not run yet.
func NewGateway(t *testing.T, via Transport) *Gateway {
	t.Helper()
	g := &Gateway{T: t, via: via, Port: freeport.Of(t), Dir: t.TempDir(), Admin: "off", LogLevel: "DEBUG"}
	t.Setenv("XDG_DATA_HOME", filepath.Join(g.Dir, "data"))
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(g.Dir, "config"))

	if via != PlainHTTP1 {
		g.TLS = &tls.Config{RootCAs: MakeCertificate(t, g.Dir), ServerName: "127.0.0.1"}
	}
	g.Client = g.NewClient()
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Errorf("stopping Caddy: %v", err)
		}
	})
	return g
}

// NewClient returns a sender that has no connection yet.
func (g *Gateway) NewClient() *http.Client {
	tr := &http.Transport{MaxIdleConnsPerHost: 64, ForceAttemptHTTP2: g.via == TLSHTTP2}
	if g.TLS != nil {
		tr.TLSClientConfig = g.TLS.Clone()
	}
	g.T.Cleanup(tr.CloseIdleConnections)
	return &http.Client{
		Transport:     tr,
		Timeout:       Patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Start runs a gateway over plain HTTP whose site has the given directives.
func Start(t *testing.T, site string) *Gateway {
	t.Helper()
	return StartVia(t, PlainHTTP1, site)
}

// StartQuiet is start for a test with much traffic: only errors are logged.
func StartQuiet(t *testing.T, site string) *Gateway {
	t.Helper()
	g := NewGateway(t, PlainHTTP1)
	g.LogLevel = "ERROR"
	g.MustLoad(site)
	return g
}

// StartVia is start for any transport.
func StartVia(t *testing.T, via Transport, site string) *Gateway {
	t.Helper()
	g := NewGateway(t, via)
	g.MustLoad(site)
	return g
}

// Proxied runs a gateway with these options in front of u.
func Proxied(t *testing.T, u *Upstream, options ...string) *Gateway {
	t.Helper()
	return Start(t, Lines(Hook(options...), "reverse_proxy "+u.Addr))
}

// MustLoad is load, and ends the test if that fails.
func (g *Gateway) MustLoad(site string) {
	g.T.Helper()
	if err := g.Load(site); err != nil {
		g.T.Fatalf("loading\n%s\ngot error %v, want none", g.Caddyfile(site), err)
	}
}

// Reload is MustLoad, and waits until no request gets through to the old
// configuration any more. The callback must be a handler's.
func (g *Gateway) Reload(site string) {
	g.T.Helper()
	g.loads++
	number := strconv.Itoa(g.loads)
	g.MustLoad(Lines("header X-Load "+number, site))
	for answered := 0; answered < 20; { // old and new listeners may share the port for a moment
		r := g.Request(http.MethodPut, Callback, nil)
		r.Close = true
		if a, err := g.Try(r); err == nil && a.Header.Get("X-Load") == number {
			answered++
		} else {
			answered = 0
		}
	}
	g.Client.CloseIdleConnections()
}

// Load runs the gateway with a site of the given directives, in place of the
// one it may be running.
func (g *Gateway) Load(site string) error {
	g.T.Helper()
	config, err := Adapt(g.Caddyfile(site))
	if err != nil {
		return err
	}
	return caddy.Load(config, true)
}

// Caddyfile returns the configuration: nothing in it leaves this machine or
// the test's folder.
func (g *Gateway) Caddyfile(site string) string {
	address, certificate := "http://:"+strconv.Itoa(g.Port), ""
	if g.via != PlainHTTP1 {
		address = "https://127.0.0.1:" + strconv.Itoa(g.Port)
		certificate = fmt.Sprintf("tls %s %s", filepath.Join(g.Dir, "cert.pem"), filepath.Join(g.Dir, "key.pem"))
	}
	return g.GlobalOptions() + caddyfile.Site(address, certificate, site)
}

// GlobalOptions returns the block of global options.
func (g *Gateway) GlobalOptions() string {
	return caddyfile.Global(g.Admin, filepath.Join(g.Dir, "storage"), fmt.Sprintf(`
	grace_period 5s
	log default {
		output file %s {
			roll_disabled
		}
		level %s
		%s
	}
	servers {
		protocols h1 h2
		%s
	}
	%s`, g.LogFile(), g.LogLevel, g.LogFormat, g.Servers, g.Global))
}

// LogFile returns the path of the log.
func (g *Gateway) LogFile() string { return filepath.Join(g.Dir, "caddy.log") }

// Logs returns what Caddy has logged.
func (g *Gateway) Logs() string {
	g.T.Helper()
	text, err := os.ReadFile(g.LogFile())
	if err != nil {
		g.T.Fatal(err)
	}
	return string(text)
}

// URL returns the URL of a path and query of the gateway.
func (g *Gateway) URL(target string) string {
	scheme := "http"
	if g.via != PlainHTTP1 {
		scheme = "https"
	}
	return fmt.Sprintf("%s://127.0.0.1:%d%s", scheme, g.Port, target)
}

// Dial opens a connection to the gateway for HTTP/1.1.
func (g *Gateway) Dial() net.Conn {
	g.T.Helper()
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(g.Port))
	conn, err := net.DialTimeout("tcp", address, Patience)
	if err != nil {
		g.T.Fatal(err)
	}
	if g.TLS != nil {
		conn = tls.Client(conn, g.TLS.Clone())
	}
	g.T.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(Patience)); err != nil {
		g.T.Fatal(err)
	}
	if secure, ok := conn.(*tls.Conn); ok {
		if err := secure.Handshake(); err != nil {
			g.T.Fatal(err)
		}
	}
	return conn
}

// MakeCertificate writes a certificate for 127.0.0.1 and its key to dir, and
// returns a pool that trusts it.
func MakeCertificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	server := certs.SelfSigned("gateway", certs.Loopback, certs.ForServers)
	WriteFile(t, dir, "cert.pem", server.PEM())
	WriteFile(t, dir, "key.pem", server.KeyPEM())
	return certs.Pool(server)
}

// Eventually waits until what it is told to wait for holds.
func Eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("got nothing for %v, want %s", Patience, what)
		}
	}
}

// Lines joins the lines of a configuration.
func Lines(s ...string) string { return caddyfile.Lines(s...) }
