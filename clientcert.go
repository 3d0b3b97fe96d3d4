package metawebhook

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"go.uber.org/zap"
	"golang.org/x/net/http/httpguts"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
)

// defaultCertName is the common name of the certificate that Meta presents.
const defaultCertName = "client.webhooks.fbclientcerts.com"

// Which requests have to come with a certificate.
const (
	requireNotifications = "notifications"
	requireAll           = "all"
)

// ClientCert makes sure that it is Meta who is connected, by the client
// certificate that Meta presents once mutual TLS is switched on in the App
// Dashboard. The certificate has to be verified, and to name Meta.
//
// It is verified by Caddy's TLS client authentication, with the mode
// `verify_if_given` or `require_and_verify` in the server's connection policy;
// or here, where `trust_pool` is given; or by a proxy, where `forwarded` is.
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

	// The header in which a proxy that terminates TLS passes the subject of
	// the certificate that it has verified, as an RFC 4514 name, such as
	// `X-Amzn-Mtls-Clientcert-Subject` of AWS load balancers. It counts only
	// in requests that come from one of the server's `trusted_proxies`.
	Forwarded string `json:"forwarded,omitempty"`

	pool     caddytls.CA
	verified verifiedChains
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
	if slices.Contains(c.Names, "") {
		return errors.New("a name is empty")
	}
	if c.Require != requireNotifications && c.Require != requireAll {
		return fmt.Errorf("require: %q is neither %s nor %s", c.Require, requireNotifications, requireAll)
	}
	if c.Forwarded != "" && !httpguts.ValidHeaderFieldName(c.Forwarded) {
		return fmt.Errorf("forwarded: %q is not the name of a header", c.Forwarded)
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
		logger.Warn("client_cert refuses whoever connects to one of the hosts whose client_auth verifies nothing; to verify here, give it a trust_pool",
			zap.String("server", server.Name()))
	}
	return nil
}

// check returns the refusal of a request that does not come from whom it has
// to, and what was presented, for the log.
func (c *ClientCert) check(r *http.Request) ([]zap.Field, error) {
	if c.Forwarded != "" {
		if subjects, ok := r.Header[c.Forwarded]; ok {
			return c.checkForwarded(r, subjects)
		}
	}
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil, errNoCert
	}
	leaf := r.TLS.PeerCertificates[0]
	if c.pool != nil {
		if shown, err := c.verify(r.TLS.PeerCertificates); err != nil {
			return certFields(shown), err
		}
	} else if len(r.TLS.VerifiedChains) == 0 {
		return certFields(leaf), errUnverifiedCert
	}
	if !c.names(leaf) {
		return certFields(leaf), errCertName
	}
	return nil, nil
}

// names reports whether a certificate has one common name, and that is one of
// ours.
func (c *ClientCert) names(cert *x509.Certificate) bool {
	commonName, found := "", 0
	for _, attribute := range cert.Subject.Names {
		if attribute.Type.Equal(oidCommonName) {
			commonName, _ = attribute.Value.(string)
			found++
		}
	}
	return found == 1 && slices.Contains(c.Names, commonName)
}

var oidCommonName = asn1.ObjectIdentifier{2, 5, 4, 3}

// checkForwarded is check by the header of a proxy.
func (c *ClientCert) checkForwarded(r *http.Request, subjects []string) ([]zap.Field, error) {
	if trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool); !trusted {
		return nil, errUntrustedProxy
	}
	if len(subjects) != 1 {
		return nil, errCertSubject
	}
	if subjects[0] == "" {
		return nil, errNoCert
	}
	shown := []zap.Field{zap.String("subject", subjects[0])}
	commonNames, err := commonNames(subjects[0])
	if err != nil {
		return shown, errCertSubject
	}
	if len(commonNames) != 1 || !slices.Contains(c.Names, commonNames[0]) {
		return shown, errCertName
	}
	return nil, nil
}

// verify verifies a chain with the trust pool. It returns the refusal, and
// the certificate that is to blame.
func (c *ClientCert) verify(chain []*x509.Certificate) (*x509.Certificate, error) {
	now, pool := c.now(), c.pool.CertPool()
	if pool == nil { // which would mean the system's authorities
		return chain[0], errCertAuthority
	}
	if c.verified.contain(pool, chain, now) {
		return nil, nil
	}
	intermediates := x509.NewCertPool()
	for _, cert := range chain[1:] {
		intermediates.AddCert(cert)
	}
	leaf := chain[0]
	verified, err := leaf.Verify(x509.VerifyOptions{
		Roots:         pool,
		Intermediates: intermediates,
		CurrentTime:   now,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err == nil {
		c.verified.add(pool, chain, verified[0])
		return nil, nil
	}
	invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
	switch {
	case !ok:
		return leaf, errCertAuthority
	case invalid.Reason == x509.Expired && now.Before(invalid.Cert.NotBefore):
		return invalid.Cert, errCertNotYetValid
	case invalid.Reason == x509.Expired:
		return invalid.Cert, errCertExpired
	case invalid.Reason == x509.IncompatibleUsage:
		return invalid.Cert, errCertUsage
	}
	return invalid.Cert, errCertAuthority
}

// certFields are what the log tells of a certificate.
func certFields(cert *x509.Certificate) []zap.Field {
	return []zap.Field{
		zap.String("subject", distinguishedName(cert.RawSubject)),
		zap.String("issuer", distinguishedName(cert.RawIssuer)),
		zap.String("serial", fmt.Sprintf("%x", cert.SerialNumber)),
		zap.Time("not_before", cert.NotBefore),
		zap.Time("not_after", cert.NotAfter),
	}
}

// distinguishedName writes all of a name, of which a pkix.Name keeps only one
// common name.
func distinguishedName(raw []byte) string {
	var name pkix.RDNSequence
	if _, err := asn1.Unmarshal(raw, &name); err != nil {
		return ""
	}
	return name.String()
}
