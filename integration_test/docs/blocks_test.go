package docs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/graph/graphtest"
)

// shells are those that people paste commands into.
var shells = []string{"bash", "zsh"}

// TestCommandsOfTheREADMEDoWhatItSays pastes the blocks, in their order: what
// runs a gateway into one terminal, and everything else into another.
func TestCommandsOfTheREADMEDoWhatItSays(t *testing.T) {
	t.Parallel()
	for _, shell := range shells {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			tool(shell).find(t)
			m := newMachine(t)
			m.write("example.Caddyfile", harness.ReadFile(t, filepath.Join(harness.Repository, "example.Caddyfile")))
			first, second := m.terminal(shell, nil), m.terminal(shell, nil)
			for _, b := range pageBlocks(t, theREADME, "sh") {
				if strings.Contains(b.text, "caddy run ") {
					first.send(b.text + "\n")
					first.wait(t, "serving initial configuration")
					continue
				}
				second.paste(b, false)
			}
			for _, want := range []string{
				"200 OK in ", "3 of 3 answered 200", "came before, and not to the app again",
				"http://localhost:8080/webhooks returned the challenge", "1158201444", "HTTP/1.1 200 OK", "\ndefault ",
			} {
				if !strings.Contains(second.said.String(), want) {
					t.Errorf("got no %q in the terminal, want it", want)
				}
			}
			page := m.run(nil, "curl", "--silent", "http://localhost:8080/inspector/events?limit=1000")
			page.wait(t, `"object":"whatsapp_business_account"`)
			page.wait(t, `"object":"page"`)
		})
	}
}

// TestCommandsOfTheGuidesRun pastes the blocks of all pages but the README, in
// their order, on a machine that has a gateway and what the pages say is there.
func TestCommandsOfTheGuidesRun(t *testing.T) {
	t.Parallel()
	for _, shell := range shells {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			tool(shell).find(t)
			m := newMachine(t)
			harness.MakeCertificate(t, m.dir)
			for name, text := range map[string]string{
				"verify_token": harness.Token, "token": harness.Token,
				"app_secret": harness.AppSecret, "secret": harness.AppSecret,
				"webhook_secret": harness.NewSecret,
				"client.pem":     harness.ReadFile(t, m.path("cert.pem")), "client.key": harness.ReadFile(t, m.path("key.pem")),
				"meta-outbound-api-ca.pem":         harness.ReadFile(t, m.path("cert.pem")),
				"meta-outbound-api-ca-2025-12.pem": harness.ReadFile(t, m.path("cert.pem")),
				"example.production.Caddyfile":     harness.ReadFile(t, filepath.Join(harness.Repository, "example.production.Caddyfile")),
				"Caddyfile":                        gatewayOfTheGuides,
				"SHA256SUMS":                       checksumOfNothing + "  empty\n",
				"empty":                            "",
			} {
				m.write(name, text)
			}
			env := []string{
				"META_VERIFY_TOKEN=" + harness.Token, "META_APP_SECRET=" + harness.AppSecret, "META_APP_ID=" + graphAppID,
				"META_ACCESS_TOKEN=" + graphtest.AccessToken, "CONFIG_DIR=" + m.dir,
				"SSL_CERT_FILE=" + m.path(".local/share/caddy/pki/authorities/local/root.crt"),
			}
			gateway := m.run(env, "caddy", "run", "--config", "Caddyfile")
			gateway.wait(t, "certificate obtained successfully")
			m.run(append(env, graphVariable+"="+m.path("graph")), harness.Must(os.Executable()))
			harness.Eventually(t, "the Graph API", func() bool { _, err := os.Stat(m.path("graph")); return err == nil })

			v := m.terminal(shell, env)
			for _, b := range pageBlocks(t, theGuides+" "+theReference, "sh") {
				v.paste(b, b.page == "docs/guides/stored-delivery.md") // which names events of another day
			}
			for _, want := range []string{
				"https://webhooks.example.com/webhooks returned the challenge", "Subscribed to messages of whatsapp_business_account",
				"Meta sends notifications of phone number 106540352242922 to https://webhooks.example.com/berlin",
				"Valid configuration", "whsec_", "Fingerprint",
			} {
				if !strings.Contains(v.said.String(), want) {
					t.Errorf("got no %q in the terminal, want it", want)
				}
			}
		})
	}
}

// checksumOfNothing is that of an empty file.
const checksumOfNothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// gatewayOfTheGuides is the gateway that is asked on the pages.
const gatewayOfTheGuides = `{
	local_certs
	skip_install_trust
}
http://localhost:8080 {
	meta_webhook {
		name local
		verify_token {env.META_VERIFY_TOKEN}
		app_secret {env.META_APP_SECRET}
	}
	respond 200
}
webhooks.example.com {
	tls internal {
		client_auth {
			mode request
		}
	}
	meta_webhook {
		name stored
		verify_token {env.META_VERIFY_TOKEN}
		app_secret {env.META_APP_SECRET}
		store file
		destination app {
			respond 200
		}
		destination crm {
			respond 500
		}
	}
}
`
