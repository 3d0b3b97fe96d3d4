package mtls

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/certs"
)

// refusals returns what the handler has logged of its refusals.
func refusals(g *harness.Gateway) []map[string]any {
	g.T.Helper()
	var found []map[string]any
	for line := range strings.Lines(g.Logs()) {
		if entry := harness.Decode[map[string]any](g.T, line); entry["logger"] == "http.handlers.meta_webhook" && entry["msg"] == "refused" {
			found = append(found, entry)
		}
	}
	return found
}

// wantLogged fails the test unless a log entry holds exactly these fields,
// beside the ones of every entry.
func wantLogged(t *testing.T, entry map[string]any, want map[string]any) {
	t.Helper()
	want = maps.Clone(want)
	maps.Copy(want, map[string]any{
		"level": "warn", "logger": "http.handlers.meta_webhook", "msg": "refused",
		"name": "default", "status": 403.0, "client_ip": "127.0.0.1",
	})
	got := maps.Clone(entry)
	delete(got, "ts")
	if !slices.Equal(slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want))) {
		t.Errorf("got fields %q, want %q", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
	for key, value := range want {
		if got[key] != value {
			t.Errorf("got %s %v, want %v", key, got[key], value)
		}
	}
}

// TestRefusedCertificateIsLogged looks for what tells an operator why Meta's
// new certificate fails, and for details that must stay out of the log.
func TestRefusedCertificateIsLogged(t *testing.T) {
	expiredIntermediate := root.Issue("Old Intermediate", certs.Authority, certs.Expired)
	forged := "x\n" + `{"level":"warn","logger":"http.handlers.meta_webhook","msg":"refused"}` + "\n"
	for _, tc := range []struct {
		reason string
		leaf   *certs.Cert
		with   *certs.Cert
		blamed *certs.Cert // nil: the leaf
	}{
		{certUnknownAuthority, otherIntermediate.Issue(metaName), otherIntermediate, nil},
		{certUnknownAuthority, certs.SelfSigned(metaName), nil, nil},
		{certUnknownAuthority, metaLeaf(), nil, nil},
		{certWrongName, intermediate.Issue("evil.example"), intermediate, nil},
		{certWrongName, intermediate.Issue(forged), intermediate, nil},
		{certWrongName, metaLeaf(certs.Subject(certs.Country("US"), certs.Organization("x,CN="+metaName), certs.CommonName(`"quoted"`))), intermediate, nil},
		{certWrongName, metaLeaf(certs.Subject(certs.CommonName("evil.example"), certs.CommonName(metaName))), intermediate, nil},
		{certWrongName, metaLeaf(certs.SubjectInOnePart(certs.CommonName("evil.example"), certs.CommonName(metaName))), intermediate, nil},
		{certExpired, metaLeaf(certs.Expired), intermediate, nil},
		{certExpired, expiredIntermediate.Issue(metaName), expiredIntermediate, expiredIntermediate},
		{certNotYetValid, metaLeaf(certs.NotYetValid), intermediate, nil},
		{certWrongUsage, metaLeaf(certs.ForServers), intermediate, nil},
	} {
		t.Run(fmt.Sprintf("%s %.30q", tc.reason, tc.leaf.Subject), func(t *testing.T) {
			u := harness.NewUpstream(t, nil)
			g := newMutualGateway(t)
			g.serve(clientAuth("request", ""), guarded(clientCert("trust_pool file "+g.root), u))
			shown := tc.leaf.TLS()
			if tc.with != nil {
				shown = tc.leaf.TLS(tc.with)
			}
			wantReason(t, g.sender(t, kinds[3], shown).do(g.notification()), tc.reason)
			blamed := tc.leaf
			if tc.blamed != nil {
				blamed = tc.blamed
			}
			entries := refusals(g.Gateway)
			if len(entries) != 1 {
				t.Fatalf("got %d refusals in the log, want 1:\n%s", len(entries), g.Logs())
			}
			wantLogged(t, entries[0], map[string]any{
				"reason":     tc.reason,
				"subject":    distinguishedName(blamed.RawSubject),
				"issuer":     distinguishedName(blamed.RawIssuer),
				"serial":     blamed.SerialNumber.Text(16),
				"not_before": float64(blamed.NotBefore.Unix()),
				"not_after":  float64(blamed.NotAfter.Unix()),
			})
			wantNoMaterial(t, g.Logs(), tc.leaf, blamed)
		})
	}
}

// wantNoMaterial fails the test if a log holds more of certificates than who
// they name.
func wantNoMaterial(t *testing.T, log string, certificates ...*certs.Cert) {
	t.Helper()
	for _, c := range certificates {
		// parts of it, for a whole one may be broken up into lines
		for what, bytes := range map[string][]byte{
			"certificate": c.Raw[:48],
			"public key":  c.RawSubjectPublicKeyInfo[len(c.RawSubjectPublicKeyInfo)-33:],
			"signature":   c.Signature[8:41],
		} {
			for form, text := range map[string]string{
				"base64": base64.StdEncoding.EncodeToString(bytes),
				"hex":    hex.EncodeToString(bytes),
				"itself": string(bytes),
			} {
				if strings.Contains(strings.ToLower(log), strings.ToLower(text)) {
					t.Errorf("got the %s of %s as %s in the log, want it kept out", what, c.Subject, form)
				}
			}
		}
	}
	for _, word := range []string{"BEGIN ", harness.AppSecret, harness.Token} {
		if strings.Contains(log, word) {
			t.Errorf("got %q in the log, want it kept out", word)
		}
	}
}

func TestMissingCertificateIsLogged(t *testing.T) {
	g := newMutualGateway(t)
	g.serve(clientAuth("verify_if_given", g.root), guarded(clientCert(), harness.NewUpstream(t, nil)))
	wantReason(t, g.sender(t, kinds[3], nil).do(g.notification()), certMissing)
	entries := refusals(g.Gateway)
	if len(entries) != 1 {
		t.Fatalf("got %d refusals in the log, want 1", len(entries))
	}
	wantLogged(t, entries[0], map[string]any{"reason": certMissing})
}

// TestRefusedSubjectIsLogged is for the subject that a proxy has passed.
func TestRefusedSubjectIsLogged(t *testing.T) {
	for reason, subject := range map[string]string{
		certWrongName:        "CN=evil.example,O=Evil",
		certMalformedSubject: "/CN=" + metaName + "/O=x",
	} {
		t.Run(reason, func(t *testing.T) {
			g := harness.NewGateway(t, harness.PlainHTTP1)
			g.Servers = trustedLoopback
			g.MustLoad(guarded(clientCert("forwarded "+subjectHeader), harness.NewUpstream(t, nil)))
			wantReason(t, g.Do(forwarded(g, subject)), reason)
			entries := refusals(g)
			if len(entries) != 1 {
				t.Fatalf("got %d refusals in the log, want 1", len(entries))
			}
			wantLogged(t, entries[0], map[string]any{"reason": reason, "subject": subject})
		})
	}
}

// TestRefusedHandshakeIsLoggedByCaddy is what the page on mutual TLS says of client_auth
// in a verifying mode.
func TestRefusedHandshakeIsLoggedByCaddy(t *testing.T) {
	g := newMutualGateway(t)
	g.serve(clientAuth("verify_if_given", g.root), guarded(clientCert(), harness.NewUpstream(t, nil)))
	g.sender(t, kinds[3], otherIntermediate.Issue(metaName).TLS(otherIntermediate)).wantNoHandshake()
	harness.Eventually(t, "the refused handshake in the log", func() bool {
		return strings.Contains(g.Logs(), "TLS handshake error")
	})
	for line := range strings.Lines(g.Logs()) {
		if strings.Contains(line, "TLS handshake error") {
			entry := harness.Decode[map[string]any](t, line)
			if text := fmt.Sprint(entry["msg"]); entry["level"] != "debug" || !strings.Contains(text, "failed to verify certificate") {
				t.Errorf("got %s %q, want debug, and that the certificate could not be verified", entry["level"], text)
			}
		}
	}
	if entries := refusals(g.Gateway); len(entries) > 0 {
		t.Errorf("got %v, want nothing of the handler, which saw no request", entries)
	}
}
