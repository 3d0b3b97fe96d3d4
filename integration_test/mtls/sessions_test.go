package mtls

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
)

// The ways to verify a certificate.
var verifiers = map[string]func(file string) (tlsOptions, handler string){
	"client_auth": func(file string) (string, string) { return clientAuth("verify_if_given", file), clientCert() },
	"own pool": func(file string) (string, string) {
		return clientAuth("request", ""), clientCert("trust_pool file " + file)
	},
}

// withEachVerifier runs a test with each of them, in every way to connect.
func withEachVerifier(t *testing.T, test func(t *testing.T, g *mutualGateway, u *harness.Upstream, k kind)) {
	t.Helper()
	for name, verifier := range verifiers {
		t.Run(name, func(t *testing.T) {
			u := harness.NewUpstream(t, nil)
			g := newMutualGateway(t)
			policy, handler := verifier(g.root)
			g.serve(policy, guarded(handler, u))
			for _, k := range kinds {
				t.Run(k.String(), func(t *testing.T) { test(t, g, u, k) })
			}
		})
	}
}

// TestCertificateCountsForTheWholeConnection sends several requests on one
// connection.
func TestCertificateCountsForTheWholeConnection(t *testing.T) {
	withEachVerifier(t, func(t *testing.T, g *mutualGateway, u *harness.Upstream, k kind) {
		u.Forget()
		meta := g.sender(t, k, right())
		connections := 0
		trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
			if !info.Reused {
				connections++
			}
		}}
		const requests = 5
		for range requests {
			r := g.notification()
			wantReason(t, meta.do(r.WithContext(httptrace.WithClientTrace(r.Context(), trace))), "")
		}
		if connections != 1 {
			t.Errorf("got %d connections, want 1", connections)
		}
		if got := len(u.Requests()); got != requests {
			t.Errorf("got %d requests upstream, want %d", got, requests)
		}
	})
}

// TestRefusalIsForEveryRequest has a wrong certificate come again, on
// connections old and new, while the right one comes in between.
func TestRefusalIsForEveryRequest(t *testing.T) {
	g := newMutualGateway(t)
	u := harness.NewUpstream(t, nil)
	g.serve(clientAuth("request", ""), guarded(clientCert("trust_pool file "+g.root), u))
	for _, k := range kinds {
		t.Run(k.String(), func(t *testing.T) {
			meta := g.sender(t, k, right())
			// the same chain but for the leaf, and the same leaf but for the chain
			others := map[string]*sender{
				certWrongName:        g.sender(t, k, intermediate.Issue("evil.example").TLS(intermediate)),
				certUnknownAuthority: g.sender(t, k, &tls.Certificate{Certificate: meta.shown.Certificate[:1], PrivateKey: meta.shown.PrivateKey}),
			}
			for range 3 {
				wantReason(t, meta.do(g.notification()), "")
				u.Forget()
				for reason, other := range others {
					wantReason(t, other.do(g.notification()), reason)
				}
				u.WantNone()
			}
		})
	}
}

// TestResumedSessionsAreNoWayIn connects anew with what the gateway has given
// for the resumption of sessions.
func TestResumedSessionsAreNoWayIn(t *testing.T) {
	withEachVerifier(t, func(t *testing.T, g *mutualGateway, u *harness.Upstream, k kind) {
		sessions := tls.NewLRUClientSessionCache(8)
		meta, nobody := g.sender(t, k, right()), g.sender(t, k, nil)
		meta.resume(sessions)
		nobody.resume(tls.NewLRUClientSessionCache(8))
		for range 3 {
			u.Forget()
			wantReason(t, nobody.do(g.notification()), certMissing)
			u.WantNone()
			wantReason(t, meta.do(g.notification()), "")
			harness.WantReached(t, u, true)
			meta.client.CloseIdleConnections()
			nobody.client.CloseIdleConnections()
		}
	})
}

// resume lets the sender resume sessions.
func (s *sender) resume(sessions tls.ClientSessionCache) {
	s.transport().TLSClientConfig.ClientSessionCache = sessions
}

// TestAnotherPoolCountsAfterTheReload loads a pool that does not hold Meta's
// authority, under senders that have been connected before, and that may
// resume their sessions; and then Meta's again.
func TestAnotherPoolCountsAfterTheReload(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.String(), func(t *testing.T) {
			u := harness.NewUpstream(t, nil)
			g := newMutualGateway(t)
			other := harness.WriteFile(t, g.Dir, "other.pem", otherRoot.PEM())
			site := func(file string) string { return guarded(clientCert("trust_pool file "+file), u) }
			g.serve(clientAuth("request", ""), site(g.root))
			meta := g.sender(t, k, right())
			meta.resume(tls.NewLRUClientSessionCache(8))
			for range 2 {
				meta.settle("")
				g.serve(clientAuth("request", ""), site(other))
				meta.settle(certUnknownAuthority)
				u.Forget()
				wantReason(t, meta.do(g.notification()), certUnknownAuthority)
				u.WantNone()
				g.serve(clientAuth("request", ""), site(g.root))
			}
		})
	}
}

// settle waits until a new configuration is the one that answers, and makes
// sure that it stays so. Caddy lets what the one before has begun come to its
// end, connections included.
func (s *sender) settle(reason string) {
	s.t.Helper()
	harness.Eventually(s.t, "the answer "+strconv.Quote(reason), func() bool {
		got, err := s.try(s.g.notification())
		return err == nil && got.Body == reason
	})
	for range 3 { // the first of them may have filled a cache
		wantReason(s.t, s.do(s.g.notification()), reason)
	}
}

// TestPoolFileIsReadAtTheReload changes the authorities in a file, and not the
// configuration.
func TestPoolFileIsReadAtTheReload(t *testing.T) {
	u := harness.NewUpstream(t, nil)
	g := newMutualGateway(t)
	load := func() { g.serve(clientAuth("request", ""), guarded(clientCert("trust_pool file "+g.root), u)) }
	old := otherIntermediate.Issue(metaName).TLS(otherIntermediate)
	for _, tc := range []struct {
		file         []byte
		before, meta string // the reasons to refuse the certificates of either authority
	}{
		{otherRoot.PEM(), "", certUnknownAuthority},
		{append(otherRoot.PEM(), root.PEM()...), "", ""},
		{root.PEM(), certUnknownAuthority, ""},
	} {
		harness.WriteFile(t, g.Dir, "root.pem", tc.file)
		load()
		for _, k := range kinds {
			g.sender(t, k, old).settle(tc.before)
			g.sender(t, k, right()).settle(tc.meta)
		}
	}
}

// TestConnectionDoesNotOutliveItsPool holds on to a connection over a reload.
func TestConnectionDoesNotOutliveItsPool(t *testing.T) {
	u := harness.NewUpstream(t, nil)
	g := newMutualGateway(t)
	other := harness.WriteFile(t, g.Dir, "other.pem", otherRoot.PEM())
	g.serve(clientAuth("request", ""), guarded(clientCert("trust_pool file "+g.root), u))
	meta := right()
	g.TLS.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return meta, nil }
	conn := g.Dial()
	answers := bufio.NewReader(conn)
	post := func() (*http.Response, error) {
		body := string(harness.Page([]string{fmt.Sprintf("connection-%d", notified.Add(1))}))
		if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\n%s: %s\r\nContent-Length: %d\r\n\r\n%s",
			harness.Callback, mutualHost, harness.SignatureHeader, harness.Sign(harness.AppSecret, []byte(body)), len(body), body); err != nil {
			return nil, err
		}
		res, err := http.ReadResponse(answers, nil)
		if err != nil {
			return nil, err
		}
		defer res.Body.Close()
		_, err = io.Copy(io.Discard, res.Body)
		return res, err
	}
	for range 2 {
		if res, err := post(); err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("got %v and error %v, want 200", res, err)
		}
	}
	g.serve(clientAuth("request", ""), guarded(clientCert("trust_pool file "+other), u))
	harness.Eventually(t, "the connection closed, or 403 on it", func() bool {
		res, err := post()
		return err != nil || res.StatusCode == http.StatusForbidden
	})
}
