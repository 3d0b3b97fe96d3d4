package mtls

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/certs"
)

// mutualTLSChapter returns the page on mutual TLS.
func mutualTLSChapter(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(harness.Repository, "docs", "guides", "mutual-tls.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// mutualTLSRecipes returns the three configurations in that chapter.
func mutualTLSRecipes(t *testing.T) (dedicated, shared, terminated string) {
	t.Helper()
	blocks := regexp.MustCompile("(?ms)^```caddyfile\n(.*?)^```$").FindAllStringSubmatch(mutualTLSChapter(t), -1)
	if len(blocks) != 3 {
		t.Fatalf("got %d configurations in the page on mutual TLS, want 3", len(blocks))
	}
	return blocks[0][1], blocks[1][1], blocks[2][1]
}

// prepareRecipes makes a folder and an environment in which recipes load.
func prepareRecipes(t *testing.T, g *mutualGateway) {
	t.Helper()
	t.Chdir(g.Dir)
	harness.WriteFile(t, g.Dir, "meta-outbound-api-ca.pem", root.PEM())
	t.Setenv("META_VERIFY_TOKEN", harness.Token)
	t.Setenv("META_APP_SECRET", harness.AppSecret)
	t.Setenv("WEBHOOK_SECRET", harness.NewSecret)
}

// moved returns a recipe with what has to differ for it to run here: its
// address, its app, and a server certificate that is there already.
func moved(t *testing.T, g *mutualGateway, u *harness.Upstream, recipe, address, here string) string {
	t.Helper()
	changes := [][2]string{
		{"\n" + address + " {\n", "\n" + here + ":" + strconv.Itoa(g.Port) + " {\n" + giveReason + "\n"},
		{"app:8080", u.Addr},
	}
	if strings.HasPrefix(here, "https:") {
		changes = append(changes, [2]string{"\ttls {\n", "\ttls cert.pem key.pem {\n"})
	}
	recipe = "\n" + recipe
	for _, change := range changes {
		if !strings.Contains(recipe, change[0]) {
			t.Fatalf("got no %q in the recipe, want it there to be changed:\n%s", change[0], recipe)
		}
		recipe = strings.ReplaceAll(recipe, change[0], change[1])
	}
	return recipe
}

func TestDedicatedHostOfThePage(t *testing.T) {
	recipe, _, _ := mutualTLSRecipes(t)
	u, g := harness.NewUpstream(t, nil), newMutualGateway(t)
	prepareRecipes(t, g)
	g.mustLoadSites(moved(t, g, u, recipe, "webhooks.example.com", "https://"+mutualHost))
	for _, k := range kinds {
		t.Run(k.String(), func(t *testing.T) {
			u.Forget()
			for _, shown := range []*tls.Certificate{nil, certs.SelfSigned(metaName).TLS(), metaLeaf(certs.Expired).TLS(intermediate)} {
				g.sender(t, k, shown).wantNoHandshake()
			}
			other := g.sender(t, k, intermediate.Issue("evil.example").TLS(intermediate))
			wantReason(t, other.do(g.notification()), certWrongName)
			u.WantNone()
			meta := g.sender(t, k, right())
			if got := meta.do(g.verification("42")); got.Status != 200 || got.Body != "42" {
				t.Errorf("verification: got answer %d %q, want 200 and the challenge", got.Status, got.Body)
			}
			wantReason(t, meta.do(g.notification()), "")
			harness.WantReached(t, u, true)
		})
	}
	// the way out, should verification requests come without a certificate
	g.mustLoadSites(strings.Replace(moved(t, g, u, recipe, "webhooks.example.com", "https://"+mutualHost), "require_and_verify", "verify_if_given", 1))
	nobody := g.sender(t, kinds[0], nil)
	harness.Eventually(t, "the challenge without a certificate", func() bool {
		got, err := nobody.try(g.verification("42"))
		return err == nil && got.Status == 200 && got.Body == "42"
	})
	wantReason(t, nobody.do(g.notification()), certMissing)
}

func TestSharedHostOfThePage(t *testing.T) {
	_, recipe, _ := mutualTLSRecipes(t)
	u, g := harness.NewUpstream(t, nil), newMutualGateway(t)
	prepareRecipes(t, g)
	g.mustLoadSites(moved(t, g, u, recipe, "shop.example.com", "https://"+mutualHost))
	for _, k := range kinds {
		for _, v := range []visitor{
			{name: "browser", chain: certMissing},
			{name: "browser with a certificate", shown: certs.SelfSigned("Ada").TLS(), chain: certUnknownAuthority},
			{name: "Meta", shown: right()},
		} {
			t.Run(k.String()+", "+v.name, func(t *testing.T) {
				u.Forget()
				s := g.sender(t, k, v.shown)
				r := g.Request("GET", "/cart", nil)
				r.Host = mutualHost
				harness.WantStatus(t, s.do(r), 200)
				if got := u.Only().URI; got != "/cart" {
					t.Errorf("got %s upstream, want /cart", got)
				}
				u.Forget()
				wantReason(t, s.do(g.notification()), v.chain)
				harness.WantReached(t, u, v.chain == "")
			})
		}
	}
}

func TestLoadBalancerOfThePage(t *testing.T) {
	_, _, recipe := mutualTLSRecipes(t)
	u := harness.NewUpstream(t, nil)
	for addresses, trusted := range map[string]bool{"127.0.0.0/8": true, "10.0.0.0/16": false} {
		t.Run(addresses, func(t *testing.T) {
			g := &mutualGateway{Gateway: harness.NewGateway(t, harness.PlainHTTP1)}
			prepareRecipes(t, g)
			// the recipe has global options, so the gateway's cannot stand beside them
			_, servers, ok := strings.Cut(recipe, "servers {\n")
			servers, site, found := strings.Cut(servers, "}\n}\n")
			if !ok || !found {
				t.Fatalf("got no global options in the recipe, want them at its start:\n%s", recipe)
			}
			g.Servers = strings.Replace(servers, "10.0.0.0/16", addresses, 1)
			site = moved(t, g, u, strings.TrimLeft(site, "\n"), "http://webhooks.example.com", "http://"+mutualHost)
			g.mustLoadSites(site)
			for subject, reason := range map[string]string{
				"CN=" + metaName + `,O=Meta Platforms\, Inc.,L=Menlo Park,ST=California,C=US`: "",
				"CN=evil.example": certWrongName,
			} {
				u.Forget()
				r := g.notification()
				r.Header.Set(subjectHeader, subject)
				if !trusted {
					reason = certUntrustedProxy
				}
				wantReason(t, g.Do(r), reason)
				harness.WantReached(t, u, reason == "")
			}
			wantReason(t, g.Do(g.notification()), certMissing)
		})
	}
}

// TestWhatThePatternLetsThroughIsRefusedHere compares with the pattern of the
// nginx recipe in Meta's documentation, as the page has it, and the names
// that the page says it lets through.
func TestWhatThePatternLetsThroughIsRefusedHere(t *testing.T) {
	chapter := mutualTLSChapter(t)
	quoted := regexp.MustCompile(`\$ssl_client_s_dn ~ "([^"]+)"`).FindStringSubmatch(chapter)
	if quoted == nil {
		t.Fatal("got no nginx pattern in the page, want it there")
	}
	pattern := regexp.MustCompile(quoted[1])
	rightLeaf := metaLeaf()
	if subject := distinguishedName(rightLeaf.RawSubject); !pattern.MatchString(subject) {
		t.Errorf("got no match of %q with %q, want the pattern to know Meta", pattern, subject)
	}

	cases := []struct {
		leaf    *certs.Cert
		subject string // as nginx writes it: RFC 2253
	}{
		{intermediate.Issue(metaName + ".evil.example"), "CN=client.webhooks.fbclientcerts.com.evil.example"},
		{intermediate.Issue("clientXwebhooks.fbclientcerts.com"), "CN=clientXwebhooks.fbclientcerts.com"},
		{intermediate.Issue("", certs.Subject(certs.Organization("CN="+metaName))), "O=CN=client.webhooks.fbclientcerts.com"},
	}
	for _, tc := range cases {
		if !strings.Contains(chapter, "`"+tc.subject+"`") {
			t.Errorf("got no `%s` in the page, want it among what the pattern lets through", tc.subject)
		}
	}
	cases = append(cases, []struct {
		leaf    *certs.Cert
		subject string
	}{
		{metaLeaf(certs.Subject(certs.Country("US"), certs.CommonName("evil.example"), certs.Organization("CN="+metaName))), "O=CN=client.webhooks.fbclientcerts.com,CN=evil.example,C=US"},
		{metaLeaf(certs.Subject(certs.Organization("x,CN="+metaName), certs.CommonName("evil.example"))), `CN=evil.example,O=x\,CN=client.webhooks.fbclientcerts.com`},
		{metaLeaf(certs.Subject(certs.CommonName(metaName), certs.CommonName("evil.example"))), "CN=evil.example,CN=client.webhooks.fbclientcerts.com"},
	}...)
	for name, verifier := range verifiers {
		t.Run(name, func(t *testing.T) {
			u, g := harness.NewUpstream(t, nil), newMutualGateway(t)
			policy, handler := verifier(g.root)
			g.serve(policy, guarded(handler, u))
			for _, tc := range cases {
				if got := distinguishedName(tc.leaf.RawSubject); got != tc.subject {
					t.Errorf("got subject %q, want %q", got, tc.subject)
				}
				if !pattern.MatchString(tc.subject) {
					t.Errorf("got no match of %q with %q, want one", pattern, tc.subject)
				}
				for _, k := range kinds {
					wantReason(t, g.sender(t, k, tc.leaf.TLS(intermediate)).do(g.notification()), certWrongName)
				}
			}
			u.WantNone()
			wantReason(t, g.sender(t, kinds[0], rightLeaf.TLS(intermediate)).do(g.notification()), "")
		})
	}
}
