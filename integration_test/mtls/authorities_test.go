package mtls

import (
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
