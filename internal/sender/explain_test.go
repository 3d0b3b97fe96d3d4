package sender

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/certs"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/freeport"
)

func named(c *x509.Certificate) {
	c.IPAddresses, c.DNSNames = nil, []string{"shop.example.com", "www.example.com"}
}
func nameless(c *x509.Certificate) { c.IPAddresses = nil }

func TestMissingAnswersAreExplained(t *testing.T) {
	ca, otherCA := certs.SelfSigned("CA", certs.Authority), certs.SelfSigned("CA", certs.Authority)
	serving := func(options ...func(*x509.Certificate)) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{*certificate(ca, options...)}}
	}
	requiring := func(mode tls.ClientAuthType, version uint16) *tls.Config {
		config := serving()
		config.ClientAuth, config.ClientCAs, config.MaxVersion = mode, certs.Pool(ca), version
		return config
	}
	trusting := Options{Roots: certs.Pool(ca)}
	showing := func(cert *tls.Certificate) Options {
		return Options{Roots: certs.Pool(ca), Certificate: cert}
	}
	certless := &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return new(tls.Config), nil }}
	client, stranger := certificate(ca), certificate(otherCA)
	hangUp := func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			conn.Close()
		}
	}
	hang := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}
	cut := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		io.WriteString(w, "half")
	}
	for name, test := range map[string]struct {
		setup
		want string // empty for no error
	}{
		"all is well":               {setup{server: serving(), client: trusting}, ""},
		"another name":              {setup{server: serving(named), client: trusting}, `TLS: the server's certificate is for "shop.example.com, www.example.com", not for 127.0.0.1`},
		"no name":                   {setup{server: serving(nameless), client: trusting}, "not for 127.0.0.1"},
		"another authority":         {setup{server: serving(), client: Options{Roots: certs.Pool(otherCA)}}, "from an untrusted authority"},
		"no authority":              {setup{server: serving()}, "or the server does not send the intermediate"},
		"expired":                   {setup{server: serving(certs.Expired), client: trusting}, "certificate expired at 20"},
		"not yet valid":             {setup{server: serving(certs.NotYetValid), client: trusting}, "is not valid before 20"},
		"for clients only":          {setup{server: serving(certs.Usage(x509.ExtKeyUsageClientAuth)), client: trusting}, "the server's certificate is not valid: "},
		"no certificate for it":     {setup{server: certless, client: trusting}, "the server has no certificate for 127.0.0.1"},
		"an old version":            {setup{server: &tls.Config{Certificates: serving().Certificates, MaxVersion: tls.VersionTLS10, MinVersion: tls.VersionTLS10}, client: trusting}, "TLS: "},
		"https for plain HTTP":      {setup{scheme: "https"}, "the server speaks plain HTTP on this port"},
		"plain HTTP for https":      {setup{server: serving(), scheme: "http"}, "the server speaks HTTPS on this port"},
		"a certificate, TLS 1.3":    {setup{server: requiring(tls.RequireAndVerifyClientCert, tls.VersionTLS13), client: trusting}, "requires a client certificate"},
		"a certificate, TLS 1.2":    {setup{server: requiring(tls.RequireAndVerifyClientCert, tls.VersionTLS12), client: trusting}, "requires a client certificate"},
		"the right one":             {setup{server: requiring(tls.RequireAndVerifyClientCert, 0), client: showing(client)}, ""},
		"the right one, if any":     {setup{server: requiring(tls.VerifyClientCertIfGiven, tls.VersionTLS12), client: showing(client)}, ""},
		"another one, TLS 1.2":      {setup{server: requiring(tls.RequireAndVerifyClientCert, tls.VersionTLS12), client: showing(stranger)}, "the client certificate"},
		"another one, TLS 1.3":      {setup{server: requiring(tls.RequireAndVerifyClientCert, tls.VersionTLS13), client: showing(stranger)}, "the client certificate"},
		"one that nobody asks for":  {setup{server: serving(), client: showing(client)}, "the server did not ask for a client certificate"},
		"a server that hangs up":    {setup{handler: hangUp}, "closed the connection"},
		"a server that hangs":       {setup{handler: hang, client: Options{Timeout: 50 * time.Millisecond}}, "within 50ms"},
		"an answer that is cut off": {setup{handler: cut}, "the answer, 200 OK, was cut off"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.handler == nil {
				test.handler = handle
			}
			s := test.sender(t)
			_, err := s.Verify(t.Context(), token)
			if test.want == "" && err != nil {
				t.Fatalf("got error %v, want none", err)
			}
			if test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Fatalf("got error %v, want one with %q", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), token) {
				t.Errorf("got error %v, want no verify token in it", err)
			}
		})
	}
}

func TestConnectionRefused(t *testing.T) {
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(freeport.Of(t)))
	s := New(&url.URL{Scheme: "http", Host: address}, Options{Timeout: time.Minute})
	_, err := s.Notify(t.Context(), secret, nil)
	if want := "connection refused: nothing listens at " + address; err == nil || err.Error() != want {
		t.Errorf("got error %v, want %q", err, want)
	}
}

func TestHostNotFound(t *testing.T) {
	s := New(&url.URL{Scheme: "http", Host: "example.com"}, Options{Timeout: time.Minute})
	for want, err := range map[string]error{
		"no such host: example.com":                  &net.DNSError{Name: "example.com", Err: "no such host", IsNotFound: true},
		"looking up example.com: server misbehaving": &net.DNSError{Name: "example.com", Err: "server misbehaving"},
		"no answer from example.com within 1m0s":     &net.DNSError{Name: "example.com", Err: "i/o timeout", IsTimeout: true},
	} {
		wrapped := &url.Error{Op: "Get", URL: "http://example.com/?" + token, Err: &net.OpError{Op: "dial", Err: err}}
		if got := s.explain(wrapped); got.Error() != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}
}

func TestAddress(t *testing.T) {
	for raw, want := range map[string]string{
		"http://example.com/":      "example.com:80",
		"https://example.com/":     "example.com:443",
		"https://example.com:8443": "example.com:8443",
		"http://[::1]/":            "[::1]:80",
	} {
		callback, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := New(callback, Options{}).address(); got != want {
			t.Errorf("%s: got %s, want %s", raw, got, want)
		}
	}
}
