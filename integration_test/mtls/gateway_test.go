package mtls

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/certs"
)

// mutualHost is the name of the gateways that ask for certificates. They need
// one: with client authentication, Caddy serves a host only to clients that have
// named it in the handshake.
const mutualHost = "webhooks.test"

// giveReason makes errors answer with the reason.
const giveReason = `handle_errors {
	respond "{http.meta_webhook.error}" {http.error.status_code}
}`

// A mutualGateway is a gateway that asks for certificates.
type mutualGateway struct {
	*harness.Gateway
	root string // the PEM file of Meta's root
}

// newMutualGateway returns a gateway that does not run yet.
func newMutualGateway(t *testing.T) *mutualGateway {
	t.Helper()
	g := &mutualGateway{Gateway: harness.NewGateway(t, harness.TLSHTTP2)}
	server := certs.SelfSigned("gateway", certs.ForServers, certs.DNSNames(mutualHost, "other."+mutualHost))
	harness.WriteFile(t, g.Dir, "cert.pem", server.PEM())
	harness.WriteFile(t, g.Dir, "key.pem", server.KeyPEM())
	g.root = harness.WriteFile(t, g.Dir, "root.pem", root.PEM())

	g.TLS = &tls.Config{RootCAs: certs.Pool(server), ServerName: mutualHost}
	return g
}

// clientAuth returns the TLS option to ask for certificates, and to verify
// them with a file if one is given.
func clientAuth(mode, file string) string {
	if file != "" {
		file = "trust_pool file " + file
	}
	return fmt.Sprintf("client_auth {\nmode %s\n%s\n}", mode, file)
}

// clientCert returns the handler with options of client_cert.
func clientCert(options ...string) string {
	if len(options) == 0 {
		return harness.Hook("client_cert")
	}
	return harness.Hook("client_cert {", harness.Lines(options...), "}")
}

// guarded returns the site whose handler is the given one, with u behind it.
func guarded(handler string, u *harness.Upstream) string {
	return harness.Lines(handler, "reverse_proxy "+u.Addr, giveReason)
}

// site returns a site with a host of its own.
func (g *mutualGateway) site(host, tlsOptions, directives string) string {
	return fmt.Sprintf("https://%s:%d {\ntls %s %s {\n%s\n}\n%s\n}\n", host, g.Port,
		filepath.Join(g.Dir, "cert.pem"), filepath.Join(g.Dir, "key.pem"), tlsOptions, directives)
}

// loadSites runs the gateway with these sites.
func (g *mutualGateway) loadSites(sites ...string) error {
	g.T.Helper()
	config, err := harness.Adapt(g.GlobalOptions() + harness.Lines(sites...))
	if err != nil {
		return err
	}
	return caddy.Load(config, true)
}

// mustLoadSites is loadSites, and ends the test if that fails.
func (g *mutualGateway) mustLoadSites(sites ...string) {
	g.T.Helper()
	if err := g.loadSites(sites...); err != nil {
		g.T.Fatalf("loading\n%s\ngot error %v, want none", harness.Lines(sites...), err)
	}
}

// serve runs the gateway with one site.
func (g *mutualGateway) serve(tlsOptions, directives string) {
	g.T.Helper()
	g.mustLoadSites(g.site(mutualHost, tlsOptions, directives))
}

// notified counts the notifications, so that each one is new.
var notified atomic.Int64

// notification returns a notification that was not sent before.
func (g *mutualGateway) notification() *http.Request {
	g.T.Helper()
	r := g.Gateway.Notification(harness.Page([]string{"mutual-" + strconv.FormatInt(notified.Add(1), 10)}))
	r.Host = mutualHost
	return r
}

// verification returns a verification request.
func (g *mutualGateway) verification(challenge string) *http.Request {
	g.T.Helper()
	r := g.Request(http.MethodGet, harness.Callback+"?"+harness.Verification(harness.Token, challenge), nil)
	r.Host = mutualHost
	return r
}

// A kind is how a sender connects.
type kind struct {
	version uint16 // of TLS
	proto   string // as net/http has it
}

var kinds = []kind{
	{tls.VersionTLS12, "HTTP/1.1"},
	{tls.VersionTLS12, "HTTP/2.0"},
	{tls.VersionTLS13, "HTTP/1.1"},
	{tls.VersionTLS13, "HTTP/2.0"},
}

// String returns the name of a subtest.
func (k kind) String() string { return tls.VersionName(k.version) + ", " + k.proto }

// A sender is one who connects to a mutual gateway.
type sender struct {
	g      *mutualGateway
	t      *testing.T
	kind   kind
	shown  *tls.Certificate
	tls    *tls.Config
	client *http.Client
}

// sender returns one who presents a certificate, or nil for none, whatever
// authorities the gateway names.
func (g *mutualGateway) sender(t *testing.T, k kind, shown *tls.Certificate) *sender {
	config := g.TLS.Clone()
	config.MinVersion, config.MaxVersion = k.version, k.version
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if shown == nil {
			return new(tls.Certificate), nil
		}
		return shown, nil
	}
	tr := &http.Transport{TLSClientConfig: config.Clone(), ForceAttemptHTTP2: k.proto == "HTTP/2.0"}
	t.Cleanup(tr.CloseIdleConnections)
	return &sender{g, t, k, shown, config, &http.Client{Transport: tr, Timeout: harness.Patience}}
}

func (s *sender) transport() *http.Transport { return s.client.Transport.(*http.Transport) }

// try sends a request.
func (s *sender) try(r *http.Request) (harness.Answer, error) {
	res, err := s.client.Do(r)
	if err != nil {
		return harness.Answer{}, err
	}
	if res.TLS.Version != s.kind.version || res.Proto != s.kind.proto {
		s.t.Errorf("got %s, %s, want %s", tls.VersionName(res.TLS.Version), res.Proto, s.kind)
	}
	return harness.ReadAnswer(res)
}

// do is try, and ends the test if there is no answer.
func (s *sender) do(r *http.Request) harness.Answer {
	s.t.Helper()
	a, err := s.try(r)
	if err != nil {
		s.t.Fatalf("%s %s: got error %v, want an answer", r.Method, r.URL, err)
	}
	return a
}

// wantNoHandshake fails the test unless the gateway refuses the handshake.
// With TLS 1.3, a client learns of that no sooner than it reads.
func (s *sender) wantNoHandshake() {
	s.t.Helper()
	raw, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.g.Port)), harness.Patience)
	if err != nil {
		s.t.Fatal(err)
	}
	defer raw.Close()
	if err := raw.SetDeadline(time.Now().Add(harness.Patience)); err != nil {
		s.t.Fatal(err)
	}
	config := s.tls.Clone()
	config.NextProtos = []string{"http/1.1"}
	if s.kind.proto == "HTTP/2.0" {
		config.NextProtos = []string{"h2"}
	}
	conn := tls.Client(raw, config)
	if err = conn.Handshake(); err == nil {
		_, err = conn.Read(make([]byte, 1))
	}
	if alert, ok := errors.AsType[*net.OpError](err); !ok || alert.Op != "remote error" {
		s.t.Errorf("got error %v, want the gateway to refuse the handshake", err)
	}
}

// wantReason fails the test unless an answer is the refusal with a reason, or
// a success for no reason.
func wantReason(t *testing.T, got harness.Answer, reason string) {
	t.Helper()
	status := map[bool]int{true: http.StatusOK, false: http.StatusForbidden}[reason == ""]
	if got.Status != status || got.Body != reason {
		t.Errorf("got answer %d %q, want %d %q", got.Status, got.Body, status, reason)
	}
}
