package integration_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
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
			u := newUpstream(t, nil)
			g := newMutualGateway(t)
			g.serve(clientAuth("request", ""), guarded(clientCert("trust_pool file "+g.root, tc.option), u))
			verify := func(t *testing.T, s *sender, reason string) {
				t.Helper()
				got := s.do(g.verification("1158201444"))
				if reason == "" && (got.status != http.StatusOK || got.body != "1158201444") {
					t.Errorf("verification: got answer %d %q, want 200 and the challenge", got.status, got.body)
				} else if reason != "" {
					wantReason(t, got, reason)
				}
			}
			for _, k := range kinds {
				t.Run(k.String(), func(t *testing.T) {
					u.forget()
					none := g.sender(t, k, nil)
					verify(t, none, tc.verification)
					wantReason(t, none.do(g.notification()), tc.notification)
					verify(t, g.sender(t, k, selfSigned(metaName).shown()), tc.foreignVisitor)
					u.wantNone()

					meta := g.sender(t, k, right())
					verify(t, meta, "")
					u.wantNone()
					wantReason(t, meta.do(g.notification()), "")
					wantReached(t, u, true)
				})
			}
		})
	}
}

// TestRightCertificateIsNoTokenAndNoSignature makes sure that the one does
// not stand for the other, and neither for the signature.
func TestRightCertificateIsNoTokenAndNoSignature(t *testing.T) {
	u := newUpstream(t, nil)
	g := newMutualGateway(t)
	g.serve(clientAuth("require_and_verify", g.root), guarded(clientCert("require all"), u))
	for _, k := range kinds {
		meta := g.sender(t, k, right())
		wrongToken := g.verification("1")
		wrongToken.URL.RawQuery = verification("wrong", "1")
		wrongSignature := g.notification()
		wrongSignature.Header.Set(signatureHeader, sign("wrong", nil))
		noSignature := g.notification()
		noSignature.Header.Del(signatureHeader)
		for _, tc := range []struct {
			request *http.Request
			status  int
			reason  string
		}{
			{wrongToken, 403, "verify_token_mismatch"},
			{wrongSignature, 401, "signature_mismatch"},
			{noSignature, 401, "signature_missing"},
		} {
			if got := meta.do(tc.request); got.status != tc.status || got.body != tc.reason {
				t.Errorf("%s: got answer %d %q, want %d %q", k, got.status, got.body, tc.status, tc.reason)
			}
		}
	}
	u.wantNone()
}

// TestCertificateIsCheckedBeforeTheBody has senders whose body never comes to
// its end, and whose signature is wrong as well.
func TestCertificateIsCheckedBeforeTheBody(t *testing.T) {
	u := newUpstream(t, nil)
	g := newMutualGateway(t)
	g.serve(clientAuth("request", ""), guarded(clientCert("trust_pool file "+g.root), u))
	signatures := map[string][]string{"right": nil, "wrong": {sign("wrong", nil)}, "malformed": {"x"}, "missing": {}}
	for _, k := range kinds {
		for reason, shown := range map[string]*tls.Certificate{
			certMissing:     nil,
			certExpired:     metaLeaf(expired).shown(intermediate),
			certWrongName:   intermediate.issue("evil.example").shown(intermediate),
			certNotYetValid: metaLeaf(notYetValid).shown(intermediate),
		} {
			for signature, values := range signatures {
				t.Run(fmt.Sprintf("%s, %s, %s signature", k, reason, signature), func(t *testing.T) {
					r := g.notification()
					r.Body, r.GetBody = &stalling{closed: make(chan struct{})}, nil
					if values != nil {
						r.Header[signatureHeader] = values
					}
					begin := time.Now()
					got := g.sender(t, k, shown).do(r)
					if took := time.Since(begin); took > atOnce {
						t.Errorf("got the answer after %v, want it at once", took)
					}
					wantReason(t, got, reason)
				})
			}
		}
	}
	u.wantNone()
}

// TestSharedHostLeavesBrowsersAlone has the handler demand the certificate on
// one path of a host.
func TestSharedHostLeavesBrowsersAlone(t *testing.T) {
	u := newUpstream(t, nil)
	g := newMutualGateway(t)
	handler := strings.Replace(clientCert("trust_pool file "+g.root), callback, "", 1)
	g.serve(clientAuth("request", ""), lines(
		"handle "+callback+"* {", handler, "reverse_proxy "+u.addr, "}",
		"handle {", "reverse_proxy "+u.addr, "}", giveReason))

	everyone := map[string]visitor{
		"no certificate":  {chain: certMissing},
		"other authority": {shown: otherIntermediate.issue("Ada").shown(otherIntermediate), chain: certUnknownAuthority},
		"self-signed":     {shown: selfSigned(metaName).shown(), chain: certUnknownAuthority},
		"expired":         {shown: metaLeaf(expired).shown(intermediate), chain: certExpired},
		"Meta":            {shown: right()},
	}
	for _, k := range kinds {
		for name, v := range everyone {
			t.Run(k.String()+", "+name, func(t *testing.T) {
				s := g.sender(t, k, v.shown)
				for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut} {
					for _, target := range []string{"/", "/login", "/webhook", "/x" + callback} {
						u.forget()
						r := g.request(method, target, strings.NewReader("x"))
						r.Host = mutualHost
						wantStatus(t, s.do(r), 200)
						if got := u.only(); got.method != method || got.uri != target || got.body != "x" {
							t.Errorf("got %s %s %q upstream, want %s %s as it was sent", got.method, got.uri, got.body, method, target)
						}
					}
				}
				for _, target := range []string{
					callback, callback + "/", callback + "/deeper", callback + "?x", "/WEBHOOKS", "//webhooks", "/%77ebhooks", "/x/../webhooks",
				} {
					u.forget()
					r := g.notification()
					r.URL = must(url.Parse(g.url(target)))
					wantReason(t, s.do(r), v.chain)
					wantReached(t, u, v.chain == "")
				}
			})
		}
	}
}
