package mtls

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/certs"
)

// TestWhichRequestsNeedACertificate has senders without one, and with one.
func TestWhichRequestsNeedACertificate(t *testing.T) {
	for _, tc := range []struct {
		option         string
		verification   string // the reason to refuse one without a certificate
		notification   string
		foreignVisitor string // the reason to refuse a verification with a foreign one
	}{
		{"", "", certMissing, ""},
		{"require notifications", "", certMissing, ""},
		{"require all", certMissing, certMissing, certUnknownAuthority},
	} {
		t.Run(tc.option, func(t *testing.T) {
			u := harness.NewUpstream(t, nil)
			g := newMutualGateway(t)
			g.serve(clientAuth("request", ""), guarded(clientCert("trust_pool file "+g.root, tc.option), u))
			verify := func(t *testing.T, s *sender, reason string) {
				t.Helper()
				got := s.do(g.verification("1158201444"))
				if reason == "" && (got.Status != http.StatusOK || got.Body != "1158201444") {
					t.Errorf("verification: got answer %d %q, want 200 and the challenge", got.Status, got.Body)
				} else if reason != "" {
					wantReason(t, got, reason)
				}
			}
			for _, k := range kinds {
				t.Run(k.String(), func(t *testing.T) {
					u.Forget()
					none := g.sender(t, k, nil)
					verify(t, none, tc.verification)
					wantReason(t, none.do(g.notification()), tc.notification)
					verify(t, g.sender(t, k, certs.SelfSigned(metaName).TLS()), tc.foreignVisitor)
					u.WantNone()

					meta := g.sender(t, k, right())
					verify(t, meta, "")
					u.WantNone()
					wantReason(t, meta.do(g.notification()), "")
					harness.WantReached(t, u, true)
				})
			}
		})
	}
}

// TestRightCertificateIsNoTokenAndNoSignature makes sure that the one does
// not stand for the other, and neither for the signature.
func TestRightCertificateIsNoTokenAndNoSignature(t *testing.T) {
	u := harness.NewUpstream(t, nil)
	g := newMutualGateway(t)
	g.serve(clientAuth("require_and_verify", g.root), guarded(clientCert("require all"), u))
	for _, k := range kinds {
		meta := g.sender(t, k, right())
		wrongToken := g.verification("1")
		wrongToken.URL.RawQuery = harness.Verification("wrong", "1")
		wrongSignature := g.notification()
		wrongSignature.Header.Set(harness.SignatureHeader, harness.Sign("wrong", nil))
		noSignature := g.notification()
		noSignature.Header.Del(harness.SignatureHeader)
		for _, tc := range []struct {
			request *http.Request
			status  int
			reason  string
		}{
			{wrongToken, 403, "verify_token_mismatch"},
			{wrongSignature, 401, "signature_mismatch"},
			{noSignature, 401, "signature_missing"},
		} {
			if got := meta.do(tc.request); got.Status != tc.status || got.Body != tc.reason {
				t.Errorf("%s: got answer %d %q, want %d %q", k, got.Status, got.Body, tc.status, tc.reason)
			}
		}
	}
	u.WantNone()
}

// TestCertificateIsCheckedBeforeTheBody has senders whose body never comes to
// its end, and whose signature is wrong as well.
func TestCertificateIsCheckedBeforeTheBody(t *testing.T) {
	u := harness.NewUpstream(t, nil)
	g := newMutualGateway(t)
	g.serve(clientAuth("request", ""), guarded(clientCert("trust_pool file "+g.root), u))
	signatures := map[string][]string{"right": nil, "wrong": {harness.Sign("wrong", nil)}, "malformed": {"x"}, "missing": {}}
	for _, k := range kinds {
		for reason, shown := range map[string]*tls.Certificate{
			certMissing:     nil,
			certExpired:     metaLeaf(certs.Expired).TLS(intermediate),
			certWrongName:   intermediate.Issue("evil.example").TLS(intermediate),
			certNotYetValid: metaLeaf(certs.NotYetValid).TLS(intermediate),
		} {
			for signature, values := range signatures {
				t.Run(fmt.Sprintf("%s, %s, %s signature", k, reason, signature), func(t *testing.T) {
					r := g.notification()
					r.Body, r.GetBody = harness.Stalling(), nil
					if values != nil {
						r.Header[harness.SignatureHeader] = values
					}
					begin := time.Now()
					got := g.sender(t, k, shown).do(r)
					if took := time.Since(begin); took > harness.AtOnce {
						t.Errorf("got the answer after %v, want it at once", took)
					}
					wantReason(t, got, reason)
				})
			}
		}
	}
	u.WantNone()
}

// TestSharedHostLeavesBrowsersAlone has the handler demand the certificate on
// one path of a host.
func TestSharedHostLeavesBrowsersAlone(t *testing.T) {
	u := harness.NewUpstream(t, nil)
	g := newMutualGateway(t)
	handler := strings.Replace(clientCert("trust_pool file "+g.root), harness.Callback, "", 1)
	g.serve(clientAuth("request", ""), harness.Lines(
		"handle "+harness.Callback+"* {", handler, "reverse_proxy "+u.Addr, "}",
		"handle {", "reverse_proxy "+u.Addr, "}", giveReason))

	everyone := map[string]visitor{
		"no certificate":  {chain: certMissing},
		"other authority": {shown: otherIntermediate.Issue("Ada").TLS(otherIntermediate), chain: certUnknownAuthority},
		"self-signed":     {shown: certs.SelfSigned(metaName).TLS(), chain: certUnknownAuthority},
		"expired":         {shown: metaLeaf(certs.Expired).TLS(intermediate), chain: certExpired},
		"Meta":            {shown: right()},
	}
	for _, k := range kinds {
		for name, v := range everyone {
			t.Run(k.String()+", "+name, func(t *testing.T) {
				s := g.sender(t, k, v.shown)
				for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut} {
					for _, target := range []string{"/", "/login", "/webhook", "/x" + harness.Callback} {
						u.Forget()
						r := g.Request(method, target, strings.NewReader("x"))
						r.Host = mutualHost
						harness.WantStatus(t, s.do(r), 200)
						if got := u.Only(); got.Method != method || got.URI != target || got.Body != "x" {
							t.Errorf("got %s %s %q upstream, want %s %s as it was sent", got.Method, got.URI, got.Body, method, target)
						}
					}
				}
				for _, target := range []string{
					harness.Callback, harness.Callback + "/", harness.Callback + "/deeper", harness.Callback + "?x", "/WEBHOOKS", "//webhooks", "/%77ebhooks", "/x/../webhooks",
				} {
					u.Forget()
					r := g.notification()
					r.URL = harness.Must(url.Parse(g.URL(target)))
					wantReason(t, s.do(r), v.chain)
					harness.WantReached(t, u, v.chain == "")
				}
			})
		}
	}
}
