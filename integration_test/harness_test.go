// Package integration_test runs Caddy with the plugin, and looks at it from
// outside: as Meta, which sends, and as the app, which receives.
//
// Caddy runs in the process of the test, one configuration at a time; hence
// no test here is parallel to another.
package integration_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddy-meta-webhook/caddy-meta-webhook"
)

// patience is how long a test waits for what must happen.
const patience = time.Minute

// A transport is how the sender reaches the gateway.
type transport string

const (
	plainHTTP1 transport = "HTTP/1.1"
	tlsHTTP1   transport = "HTTP/1.1 over TLS"
	tlsHTTP2   transport = "HTTP/2 over TLS"
)

// A gateway is Caddy with the plugin. What it is configured with beside its
// site are the fields, which count for the next load.
type gateway struct {
	t      *testing.T
	via    transport
	port   int
	dir    string
	tls    *tls.Config // the sender's
	client *http.Client
	loads  int

	admin     string // address of the admin API, or off
	global    string // global options
	servers   string // options of the servers
	logFormat string // of the default log
	logLevel  string // of the default log
}

// newGateway returns a gateway that does not run yet.
func newGateway(t *testing.T, via transport) *gateway {
	t.Helper()
	g := &gateway{t: t, via: via, port: freePort(t), dir: t.TempDir(), admin: "off", logLevel: "DEBUG"}
	t.Setenv("XDG_DATA_HOME", filepath.Join(g.dir, "data"))
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(g.dir, "config"))

	if via != plainHTTP1 {
		g.tls = &tls.Config{RootCAs: makeCertificate(t, g.dir), ServerName: "127.0.0.1"}
	}
	g.client = g.newClient()
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Errorf("stopping Caddy: %v", err)
		}
	})
	return g
}

// newClient returns a sender that has no connection yet.
func (g *gateway) newClient() *http.Client {
	tr := &http.Transport{MaxIdleConnsPerHost: 64, ForceAttemptHTTP2: g.via == tlsHTTP2}
	if g.tls != nil {
		tr.TLSClientConfig = g.tls.Clone()
	}
	g.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{
		Transport:     tr,
		Timeout:       patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// start runs a gateway over plain HTTP whose site has the given directives.
func start(t *testing.T, site string) *gateway {
	t.Helper()
	return startVia(t, plainHTTP1, site)
}

// startQuiet is start for a test with much traffic: only errors are logged.
func startQuiet(t *testing.T, site string) *gateway {
	t.Helper()
	g := newGateway(t, plainHTTP1)
	g.logLevel = "ERROR"
	g.mustLoad(site)
	return g
}

// startVia is start for any transport.
func startVia(t *testing.T, via transport, site string) *gateway {
	t.Helper()
	g := newGateway(t, via)
	g.mustLoad(site)
	return g
}

// mustLoad is load, and ends the test if that fails.
func (g *gateway) mustLoad(site string) {
	g.t.Helper()
	if err := g.load(site); err != nil {
		g.t.Fatalf("loading\n%s\ngot error %v, want none", g.caddyfile(site), err)
	}
}

// reload is mustLoad, and waits until nobody gets through to the old
// configuration any more. The callback must be a handler's.
func (g *gateway) reload(site string) {
	g.t.Helper()
	g.loads++
	number := strconv.Itoa(g.loads)
	g.mustLoad(lines("header X-Load "+number, site))
	for answered := 0; answered < 20; { // old and new listeners may share the port for a moment
		r := g.request(http.MethodPut, callback, nil)
		r.Close = true
		if a, err := g.try(r); err == nil && a.header.Get("X-Load") == number {
			answered++
		} else {
			answered = 0
		}
	}
	g.client.CloseIdleConnections()
}

// load runs the gateway with a site of the given directives, in place of the
// one it may be running.
func (g *gateway) load(site string) error {
	g.t.Helper()
	config, err := adapt(g.caddyfile(site))
	if err != nil {
		return err
	}
	return caddy.Load(config, true)
}

// adapt turns a Caddyfile into Caddy's JSON.
func adapt(caddyfile string) ([]byte, error) {
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
	return config, err
}

// caddyfile returns the configuration: nothing in it leaves this machine or
// the test's folder.
func (g *gateway) caddyfile(site string) string {
	address, certificate := "http://:"+strconv.Itoa(g.port), ""
	if g.via != plainHTTP1 {
		address = "https://127.0.0.1:" + strconv.Itoa(g.port)
		certificate = fmt.Sprintf("tls %s %s", filepath.Join(g.dir, "cert.pem"), filepath.Join(g.dir, "key.pem"))
	}
	return g.globalOptions() + fmt.Sprintf("%s {\n%s\n%s\n}\n", address, certificate, site)
}

func (g *gateway) globalOptions() string {
	return fmt.Sprintf(`{
	admin %s
	auto_https off
	persist_config off
	skip_install_trust
	default_bind 127.0.0.1
	grace_period 5s
	storage file_system %s
	storage_check off
	storage_clean_interval off
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
	%s
}
`, g.admin, filepath.Join(g.dir, "storage"), g.logFile(), g.logLevel, g.logFormat, g.servers, g.global)
}

func (g *gateway) logFile() string { return filepath.Join(g.dir, "caddy.log") }

// logs returns what Caddy has logged.
func (g *gateway) logs() string {
	g.t.Helper()
	text, err := os.ReadFile(g.logFile())
	if err != nil {
		g.t.Fatal(err)
	}
	return string(text)
}

// url returns the URL of a path and query of the gateway.
func (g *gateway) url(target string) string {
	scheme := "http"
	if g.via != plainHTTP1 {
		scheme = "https"
	}
	return fmt.Sprintf("%s://127.0.0.1:%d%s", scheme, g.port, target)
}

// dial opens a connection to the gateway for HTTP/1.1.
func (g *gateway) dial() net.Conn {
	g.t.Helper()
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(g.port))
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		g.t.Fatal(err)
	}
	if g.tls != nil {
		conn = tls.Client(conn, g.tls.Clone())
	}
	g.t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		g.t.Fatal(err)
	}
	if secure, ok := conn.(*tls.Conn); ok {
		if err := secure.Handshake(); err != nil {
			g.t.Fatal(err)
		}
	}
	return conn
}

// freePort returns a port of the loopback interface that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// makeCertificate writes a certificate for 127.0.0.1 and its key to dir, and
// returns the pool of those who trust it.
func makeCertificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "gateway"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	must(os.WriteFile(filepath.Join(dir, "cert.pem"), certPEM, 0o600))
	must(os.WriteFile(filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return pool
}

// eventually waits until what it is told to wait for holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("got nothing for %v, want %s", patience, what)
		}
	}
}

// lines joins the lines of a configuration.
func lines(s ...string) string { return strings.Join(s, "\n") }
