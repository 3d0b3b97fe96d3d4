package mtls

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/certs"
)

// The reasons to refuse a certificate.
const (
	certMissing          = "client_cert_missing"
	certNotVerified      = "client_cert_not_verified"
	certUnknownAuthority = "client_cert_unknown_authority"
	certExpired          = "client_cert_expired"
	certNotYetValid      = "client_cert_not_yet_valid"
	certWrongUsage       = "client_cert_wrong_usage"
	certWrongName        = "client_cert_wrong_name"
	certMalformedSubject = "client_cert_malformed_subject"
	certUntrustedProxy   = "client_cert_untrusted_proxy"
)

// A visitor is one who connects with a certificate.
type visitor struct {
	name  string
	shown *tls.Certificate // nil: none

	chain     string // the reason why the authority does not vouch for it, if so
	wrongName bool   // it is not Meta's
	wrongKey  bool   // it is not the visitor's
}

// right is Meta.
func right() *tls.Certificate { return metaLeaf().TLS(intermediate) }

// metaLeaf issues a certificate of Meta's as Meta has it.
func metaLeaf(options ...func(*x509.Certificate)) *certs.Cert {
	return intermediate.Issue(metaName, options...)
}

// visitors returns all sorts of visitors.
func visitors() []visitor {
	vouched := func(options ...func(*x509.Certificate)) *tls.Certificate {
		return metaLeaf(options...).TLS(intermediate)
	}
	named := func(name string) *tls.Certificate { return intermediate.Issue(name).TLS(intermediate) }
	server, client := x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth
	expiredIntermediate := root.Issue("Intermediate", certs.Authority, certs.Expired)
	stolen := metaLeaf()
	stolen.Key = metaLeaf().Key
	badCA := metaLeaf()

	return []visitor{
		{name: "right", shown: vouched()},
		{name: "right, with the root", shown: metaLeaf().TLS(intermediate, root)},
		{name: "right, of the root itself", shown: root.Issue(metaName).TLS()},
		{name: "right, for servers and clients", shown: vouched(certs.Usage(server, client))},
		{name: "right, the name among others", shown: vouched(certs.Subject(certs.Country("US"), certs.Organization("Meta Platforms, Inc."), certs.CommonName(metaName)))},
		{name: "right, with other names as SAN", shown: vouched(certs.DNSNames("evil.example"))},

		{name: "no certificate"},
		{name: "right, of another's key", shown: stolen.TLS(intermediate), wrongKey: true},

		{name: "other authority", shown: otherIntermediate.Issue(metaName).TLS(otherIntermediate), chain: certUnknownAuthority},
		{name: "other authority, with its root", shown: otherIntermediate.Issue(metaName).TLS(otherIntermediate, otherRoot), chain: certUnknownAuthority},
		{name: "other authority, with the right chain", shown: otherIntermediate.Issue(metaName).TLS(intermediate, root), chain: certUnknownAuthority},
		{name: "self-signed", shown: certs.SelfSigned(metaName).TLS(), chain: certUnknownAuthority},
		{name: "self-signed, an authority", shown: certs.SelfSigned(metaName, certs.Authority).TLS(), chain: certUnknownAuthority},
		{name: "issued by one without authority", shown: badCA.Issue(metaName).TLS(badCA, intermediate), chain: certUnknownAuthority},
		{name: "intermediate missing", shown: metaLeaf().TLS(), chain: certUnknownAuthority},
		{name: "another's intermediate", shown: metaLeaf().TLS(otherIntermediate), chain: certUnknownAuthority},
		{name: "expired", shown: vouched(certs.Expired), chain: certExpired},
		{name: "intermediate expired", shown: expiredIntermediate.Issue(metaName).TLS(expiredIntermediate), chain: certExpired},
		{name: "not yet valid", shown: vouched(certs.NotYetValid), chain: certNotYetValid},
		{name: "for servers only", shown: vouched(certs.Usage(server)), chain: certWrongUsage},

		{name: "suffix", shown: named(metaName + ".evil.example"), wrongName: true},
		{name: "prefix", shown: named("evil." + metaName), wrongName: true},
		{name: "another case", shown: named("Client.Webhooks.FBClientCerts.com"), wrongName: true},
		{name: "NUL at the end", shown: named(metaName + "\x00"), wrongName: true},
		{name: "NUL and more", shown: named(metaName + "\x00.evil.example"), wrongName: true},
		{name: "trailing dot", shown: named(metaName + "."), wrongName: true},
		{name: "space behind", shown: named(metaName + " "), wrongName: true},
		{name: "wildcard", shown: named("*.webhooks.fbclientcerts.com"), wrongName: true},
		{name: "another name", shown: named("evil.example"), wrongName: true},
		{name: "no name", shown: vouched(certs.Subject(certs.Organization("Meta"))), wrongName: true},
		{name: "two common names, the right one first", shown: vouched(certs.Subject(certs.CommonName(metaName), certs.CommonName("evil.example"))), wrongName: true},
		{name: "two common names, the right one last", shown: vouched(certs.Subject(certs.CommonName("evil.example"), certs.CommonName(metaName))), wrongName: true},
		{name: "two common names in one part", shown: vouched(certs.SubjectInOnePart(certs.CommonName("evil.example"), certs.CommonName(metaName))), wrongName: true},
		{name: "the right common name twice", shown: vouched(certs.Subject(certs.CommonName(metaName), certs.CommonName(metaName))), wrongName: true},
		{name: "only as O", shown: vouched(certs.Subject(certs.Organization(metaName))), wrongName: true},
		{name: "only as OU", shown: vouched(certs.Subject(certs.Unit(metaName), certs.CommonName("evil.example"))), wrongName: true},
		{name: "only as SAN", shown: vouched(certs.Subject(certs.CommonName("evil.example")), certs.DNSNames(metaName)), wrongName: true},
		{name: "only as SAN, no subject", shown: vouched(certs.Subject(), certs.DNSNames(metaName)), wrongName: true},
		{name: "inside an escaped O", shown: vouched(certs.Subject(certs.Organization("x,CN=" + metaName))), wrongName: true},
		{name: "inside an escaped CN", shown: named("x,CN=" + metaName), wrongName: true},
		{name: "with its attribute type", shown: named("CN=" + metaName), wrongName: true},
	}
}

// meets returns what becomes of a visitor: no handshake, or the reason, empty
// for a success.
func (v visitor) meets(mode string, ownPool bool) (handshake bool, reason string) {
	verifies := mode == "verify_if_given" || mode == "require_and_verify"
	switch {
	case v.shown == nil:
		return !strings.HasPrefix(mode, "require"), certMissing
	case v.wrongKey, verifies && v.chain != "":
		return false, ""
	case !verifies && !ownPool:
		return true, certNotVerified
	case v.chain != "":
		return true, v.chain
	case v.wrongName:
		return true, certWrongName
	}
	return true, ""
}

// TestWhoIsConnected has all visitors come to gateways of every client_auth
// mode, with a trust_pool in client_cert and without.
func TestWhoIsConnected(t *testing.T) {
	everyone := visitors()
	for _, mode := range []string{"request", "require", "verify_if_given", "require_and_verify"} {
		for _, ownPool := range []bool{false, true} {
			t.Run(mode+map[bool]string{true: ", own pool"}[ownPool], func(t *testing.T) {
				u := harness.NewUpstream(t, nil)
				g := newMutualGateway(t)
				policy, handler := clientAuth(mode, ""), clientCert()
				if strings.Contains(mode, "verify") {
					policy = clientAuth(mode, g.root)
				}
				if ownPool {
					handler = clientCert("trust_pool file " + g.root)
				}
				// without a site that verifies, request and require do not load
				verifies := g.site("other."+mutualHost, clientAuth("verify_if_given", g.root), "respond 404")
				g.mustLoadSites(g.site(mutualHost, policy, guarded(handler, u)), verifies)
				wantMet(t, g, u, everyone, mode, ownPool)
			})
		}
	}
}

// wantMet has everyone knock in every way, and checks what they meet.
func wantMet(t *testing.T, g *mutualGateway, u *harness.Upstream, everyone []visitor, mode string, ownPool bool) {
	t.Helper()
	for _, k := range kinds {
		for _, v := range everyone {
			t.Run(k.String()+", "+v.name, func(t *testing.T) {
				u.Forget()
				s := g.sender(t, k, v.shown)
				handshake, reason := v.meets(mode, ownPool)
				if handshake {
					wantReason(t, s.do(g.notification()), reason)
				} else {
					s.wantNoHandshake()
				}
				harness.WantReached(t, u, handshake && reason == "")
			})
		}
	}
}

// TestIntermediateAsTheAnchor trusts the intermediate alone, as AWS has it.
func TestIntermediateAsTheAnchor(t *testing.T) {
	everyone := []visitor{
		{name: "right", shown: right()},
		{name: "right, without the intermediate", shown: metaLeaf().TLS()},
		{name: "right, with the root", shown: metaLeaf().TLS(intermediate, root)},
		{name: "another name", shown: intermediate.Issue("evil.example").TLS(), wrongName: true},
		{name: "of the root itself", shown: root.Issue(metaName).TLS(root), chain: certUnknownAuthority},
		{name: "of another intermediate", shown: root.Issue("Intermediate", certs.Authority).Issue(metaName).TLS(intermediate), chain: certUnknownAuthority},
		{name: "other authority", shown: otherIntermediate.Issue(metaName).TLS(otherIntermediate), chain: certUnknownAuthority},
		{name: "expired", shown: metaLeaf(certs.Expired).TLS(), chain: certExpired},
		{name: "no certificate"},
	}
	for _, mode := range []string{"request", "verify_if_given"} {
		t.Run(mode, func(t *testing.T) {
			u := harness.NewUpstream(t, nil)
			g := newMutualGateway(t)
			anchor := harness.WriteFile(t, g.Dir, "intermediate.pem", intermediate.PEM())
			ownPool := mode == "request"
			if ownPool {
				g.serve(clientAuth(mode, ""), guarded(clientCert("trust_pool file "+anchor), u))
			} else {
				g.serve(clientAuth(mode, anchor), guarded(clientCert(), u))
			}
			wantMet(t, g, u, everyone, mode, ownPool)
		})
	}
}

// TestOwnPoolCountsBesideTheServers has a server and a handler that trust
// different authorities: a certificate has to satisfy both.
func TestOwnPoolCountsBesideTheServers(t *testing.T) {
	u := harness.NewUpstream(t, nil)
	g := newMutualGateway(t)
	other := harness.WriteFile(t, g.Dir, "other.pem", otherRoot.PEM())
	g.serve(clientAuth("require_and_verify", g.root), guarded(clientCert("trust_pool file "+other), u))
	for _, k := range kinds {
		t.Run(k.String(), func(t *testing.T) {
			got := g.sender(t, k, right()).do(g.notification())
			wantReason(t, got, certUnknownAuthority)
			g.sender(t, k, otherIntermediate.Issue(metaName).TLS(otherIntermediate)).wantNoHandshake()
			u.WantNone()
		})
	}
}

func TestAnyOfSeveralNamesIsAccepted(t *testing.T) {
	u := harness.NewUpstream(t, nil)
	g := newMutualGateway(t)
	g.serve(clientAuth("verify_if_given", g.root), guarded(harness.Hook("client_cert new.example old.example"), u))
	for name, reason := range map[string]string{
		"new.example":             "",
		"old.example":             "",
		"new.example old.example": certWrongName,
		"another.example":         certWrongName,
		metaName:                  certWrongName, // the default, which is replaced
	} {
		u.Forget()
		got := g.sender(t, kinds[0], intermediate.Issue(name).TLS(intermediate)).do(g.notification())
		wantReason(t, got, reason)
		harness.WantReached(t, u, reason == "")
	}
}
