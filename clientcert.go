package metawebhook

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
	"golang.org/x/net/http/httpguts"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddytls"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/clientcert"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/rule"
)

// defaultCertName is the common name of the certificate that Meta presents.
const defaultCertName = "client.webhooks.fbclientcerts.com"

// Which requests have to come with a certificate.
const (
	requireNotifications = "notifications"
	requireAll           = "all"
)

// The headers of RFC 9440, in which a proxy passes on a certificate and the
// chain that the client has sent with it.
const (
	clientCertHeader      = "Client-Cert"
	clientCertChainHeader = "Client-Cert-Chain"
)

// ClientCert makes sure that it is Meta who is connected, by the client
// certificate that Meta presents once mutual TLS is switched on in the App
// Dashboard. The certificate has to be verified, and to name Meta.
//
// It is verified by Caddy's TLS client authentication, with the mode
// `verify_if_given` or `require_and_verify` in the server's connection policy;
// or here, with a `trust_pool`; or by a proxy that `forwarded` trusts with it.
type ClientCert struct {
	// The common names that are accepted, byte for byte. A certificate must
	// have exactly one common name, and it must be one of these. Default:
	// `client.webhooks.fbclientcerts.com`.
	Names []string `json:"names,omitempty"`

	// Which requests have to come with the certificate: `notifications`, so
	// that verification requests may come without, or `all`. Default:
	// `notifications`.
	Require string `json:"require,omitempty"`

	// The certificate authorities to verify certificates with, for this
	// handler alone. The server's connection policy then only has to ask for
	// certificates, with client authentication in the mode `request`, and
	// other paths of the host are none of its business. Without it, only a
	// certificate that the connection policy has verified counts.
	TrustPoolRaw json.RawMessage `json:"trust_pool,omitempty" caddy:"namespace=tls.ca_pool.source inline_key=provider"`

	// The header in which a proxy that terminates TLS passes on the client
	// certificate. It counts only in requests that come from one of the
	// server's `trusted_proxies`; a header that is repeated, or that may be
	// read in two ways, is refused. Default: none.
	//
	// `Client-Cert` holds the certificate itself, by RFC 9440, and
	// `Client-Cert-Chain` its intermediates. It is verified here: `trust_pool`
	// is required.
	//
	// Any other header holds the subject of a certificate that the proxy has
	// verified, such as `X-Amzn-Mtls-Clientcert-Subject` of AWS load balancers.
	// Its first characters tell the notation:
	//
	// - RFC 4514 or 2253, as AWS, nginx and Cloudflare write it:
	//   `CN=example.com,O=Example\, Inc.,C=US`, with a space behind every comma
	//   or none, and values in hexadecimal form.
	// - OpenSSL's one line, as HAProxy writes it:
	//   `/C=US/O=Example, Inc./CN=example.com`. The common name must stand
	//   last; a backslash or plus sign is ambiguous. Of a certificate without a
	//   common name, a slash in another value passes for one; prefer RFC 2253
	//   if the proxy has it.
	// - `X-Forwarded-Client-Cert` of Envoy and Istio:
	//   `Hash=…;Subject="CN=example.com,C=US"`, from one proxy alone.
	Forwarded string `json:"forwarded,omitempty"`

	pool     caddytls.CA
	verifier clientcert.Verifier
	now      func() time.Time
}

func (c *ClientCert) setDefaults() {
	if len(c.Names) == 0 {
		c.Names = []string{defaultCertName}
	}
	if c.Require == "" {
		c.Require = requireNotifications
	}
	c.Forwarded = http.CanonicalHeaderKey(c.Forwarded)
}

// provision loads the trust pool, and reports what can be told of the server
// already.
func (c *ClientCert) provision(ctx caddy.Context, logger *zap.Logger) error {
	c.now = time.Now
	if c.TrustPoolRaw != nil {
		module, err := ctx.LoadModule(c, "TrustPoolRaw")
		if err != nil {
			return fmt.Errorf("trust_pool: %v", err)
		}
		pool, ok := module.(caddytls.CA)
		if !ok {
			return fmt.Errorf("trust_pool: %T has no certificate authorities", module)
		}
		c.pool = pool
	}
	server, _ := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	return c.checkServer(server, logger)
}

func (c *ClientCert) validate() error {
	if err := checkNames(c.Names); err != nil {
		return err
	}
	if err := checkRequire(c.Require); err != nil {
		return rule.For("require", err)
	}
	if c.Forwarded != "" {
		if err := checkHeaderName(c.Forwarded); err != nil {
			return fmt.Errorf("forwarded: %q %v", c.Forwarded, err)
		}
	}
	return c.checkForwardedPool()
}

// checkNames returns what is wrong with the names that are accepted.
func checkNames(names []string) error {
	if slices.Contains(names, "") {
		return errors.New("a name is empty")
	}
	return nil
}

// checkRequire returns what is wrong with a value of require.
func checkRequire(value string) error {
	return rule.OneOf(value, requireNotifications, requireAll)
}

// checkHeaderName returns what is wrong with the name of a header.
func checkHeaderName(name string) error {
	if !httpguts.ValidHeaderFieldName(name) {
		return errors.New("is not the name of a header")
	}
	return nil
}

// checkForwardedPool returns what is missing to verify forwarded certificates.
func (c *ClientCert) checkForwardedPool() error {
	if http.CanonicalHeaderKey(c.Forwarded) == clientCertHeader && c.TrustPoolRaw == nil && c.pool == nil {
		return fmt.Errorf("forwarded %s: needs a trust_pool to verify the certificate with", clientCertHeader)
	}
	return nil
}

// checkServer reports a server on which no certificate can ever pass as an
// error. It warns of one that asks for certificates and verifies them for
// some of its hosts only, because there is no telling which the handler is of.
func (c *ClientCert) checkServer(server *caddyhttp.Server, logger *zap.Logger) error {
	if server == nil || c.Forwarded != "" {
		return nil
	}
	asking, verifying := 0, 0
	for _, policy := range server.TLSConnPolicies {
		if policy.ClientAuthentication == nil {
			continue
		}
		auth, cfg := *policy.ClientAuthentication, new(tls.Config)
		if err := auth.ConfigureTLSConfig(cfg); err != nil {
			return nil // which Caddy is about to say
		}
		if cfg.ClientAuth != tls.NoClientCert {
			asking++
		}
		if cfg.ClientAuth >= tls.VerifyClientCertIfGiven {
			verifying++
		}
	}
	switch {
	case c.pool != nil && asking == 0:
		return errors.New("the server never asks for a certificate: set client_auth in its tls directive, with mode request")
	case c.pool == nil && verifying == 0:
		return errors.New("nothing verifies certificates: set client_auth in the tls directive, with mode verify_if_given, or give a trust_pool here")
	case c.pool == nil && verifying < asking:
		logger.Warn("client_cert refuses clients of those hosts whose client_auth verifies nothing; give it a trust_pool to verify here",
			zap.String("server", server.Name()))
	}
	return nil
}

// certRefusals are the refusals of chains that are not valid.
var certRefusals = map[error]refusal{
	clientcert.ErrAuthority:   errCertAuthority,
	clientcert.ErrNotYetValid: errCertNotYetValid,
	clientcert.ErrExpired:     errCertExpired,
	clientcert.ErrUsage:       errCertUsage,
}

// check returns the refusal of a request that does not come from a client it has
// to, and what was presented, for the log.
func (c *ClientCert) check(r *http.Request) ([]zap.Field, error) {
	if c.Forwarded != "" {
		if values, ok := r.Header[c.Forwarded]; ok {
			return c.checkForwarded(r, values)
		}
	}
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil, errNoCert
	}
	if c.pool != nil {
		return c.checkChain(r.TLS.PeerCertificates)
	}
	leaf := r.TLS.PeerCertificates[0]
	if len(r.TLS.VerifiedChains) == 0 {
		return certFields(leaf), errUnverifiedCert
	}
	return c.checkName(leaf)
}

// checkChain is check by a chain that nothing has verified yet.
func (c *ClientCert) checkChain(chain []*x509.Certificate) ([]zap.Field, error) {
	if blamed, err := c.verifier.Verify(c.pool.CertPool(), chain, c.now()); err != nil {
		return certFields(blamed), certRefusals[err]
	}
	return c.checkName(chain[0])
}

// checkName is check by a certificate that was verified.
func (c *ClientCert) checkName(leaf *x509.Certificate) ([]zap.Field, error) {
	if !c.accepts(clientcert.CommonNames(leaf)) {
		return certFields(leaf), errCertName
	}
	return nil, nil
}

// accepts reports whether a certificate with these common names has one, and
// it is one of ours.
func (c *ClientCert) accepts(commonNames []string) bool {
	return len(commonNames) == 1 && slices.Contains(c.Names, commonNames[0])
}

// checkForwarded is check by the header of a proxy.
func (c *ClientCert) checkForwarded(r *http.Request, values []string) ([]zap.Field, error) {
	if trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool); !trusted {
		return nil, errUntrustedProxy
	}
	if len(values) != 1 {
		return nil, errCertSubject
	}
	if values[0] == "" {
		return nil, errNoCert
	}
	if c.Forwarded == clientCertHeader {
		return c.checkForwardedChain(values[0], r.Header[clientCertChainHeader])
	}
	shown := []zap.Field{zap.String("subject", values[0])}
	commonNames, err := clientcert.SubjectCommonNames(values[0])
	if err != nil {
		return shown, errCertSubject
	}
	if !c.accepts(commonNames) {
		return shown, errCertName
	}
	return nil, nil
}

// checkForwardedChain is check by the headers of RFC 9440.
func (c *ClientCert) checkForwardedChain(cert string, intermediates []string) ([]zap.Field, error) {
	if cert == "::" { // of proxies that write the colons without a certificate, too
		return nil, errNoCert
	}
	if len(intermediates) > 1 {
		return nil, errCertSubject
	}
	chain, err := clientcert.ParseChain(cert, strings.Join(intermediates, ","))
	if err != nil {
		return nil, errCertSubject
	}
	return c.checkChain(chain)
}

// certFields returns what the log says about a certificate.
func certFields(cert *x509.Certificate) []zap.Field {
	return []zap.Field{
		zap.String("subject", clientcert.DistinguishedName(cert.RawSubject)),
		zap.String("issuer", clientcert.DistinguishedName(cert.RawIssuer)),
		zap.String("serial", fmt.Sprintf("%x", cert.SerialNumber)),
		zap.Time("not_before", cert.NotBefore),
		zap.Time("not_after", cert.NotAfter),
	}
}
