package mtls

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/certs"
)

func TestCommandsPresentACertificate(t *testing.T) {
	g := newMutualGateway(t)
	server := certs.SelfSigned("gateway", certs.ForServers, certs.DNSNames("localhost"))
	authority := harness.WriteFile(t, g.Dir, "cert.pem", server.PEM())
	harness.WriteFile(t, g.Dir, "key.pem", server.KeyPEM())
	files := func(c *certs.Cert) []string {
		cert := harness.WriteFile(t, t.TempDir(), "client.pem", slices.Concat(c.PEM(), intermediate.PEM()))
		return []string{"--cert", cert, "--key", harness.WriteFile(t, t.TempDir(), "client.key", c.KeyPEM())}
	}
	metas, others := files(intermediate.Issue(metaName)), files(intermediate.Issue("shop.example.com"))
	strangers := files(otherIntermediate.Issue(metaName))

	u := harness.NewUpstream(t, nil)
	g.mustLoadSites(g.site("localhost", clientAuth("verify_if_given", g.root), guarded(clientCert("require all"), u)))
	url := fmt.Sprintf("https://localhost:%d%s", g.Port, harness.Callback)
	verify := func(with ...string) harness.Run {
		t.Helper()
		return harness.Command(t, "", append([]string{"verify", "--url", url, "--cacert", authority}, with...)...)
	}
	verify(metas...).Want(t, 0, "returned the challenge", "")
	verify().Want(t, 2, "", "Error: 403 Forbidden: ")
	verify(others...).Want(t, 2, "", "Error: 403 Forbidden: ")
	verify(strangers...).Want(t, 2, "", "the client certificate")
	u.WantNone()
	harness.Command(t, "", append(metas, "send", "--sample", "page-feed", "--url", url, "--cacert", authority)...).Want(t, 0, "200 OK", "")
	u.Only()

	g.mustLoadSites(g.site("localhost", "", guarded(harness.Hook(), u)))
	harness.Eventually(t, "the gateway without client authentication", func() bool {
		return strings.Contains(verify(metas...).Stderr, "the server did not ask for a client certificate")
	})
	verify().Want(t, 0, "returned the challenge", "")
}
