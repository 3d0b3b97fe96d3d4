package mtls

import (
	"crypto/x509/pkix"
	"encoding/asn1"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/certs"
)

// metaName is the common name of the certificate that Meta presents.
const metaName = "client.webhooks.fbclientcerts.com"

// The authorities. Meta's are the ones that gateways trust.
var (
	root         = certs.SelfSigned("Root", certs.Authority)
	intermediate = root.Issue("Intermediate", certs.Authority)
	otherRoot    = certs.SelfSigned("Root", certs.Authority)
	// otherIntermediate has the names of intermediate, and nothing else of it.
	otherIntermediate = otherRoot.Issue("Intermediate", certs.Authority)
)

// distinguishedName returns a name as RFC 2253 and nginx write it, with
// nothing of it left out.
func distinguishedName(raw []byte) string {
	var rdns pkix.RDNSequence
	harness.Must(asn1.Unmarshal(raw, &rdns))
	return rdns.String()
}
