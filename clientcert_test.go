package metawebhook

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
)

// An issuer is a certificate with its key.
type issuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issue makes a certificate with the name, changed by each of the options. A
// nil issuer signs itself.
func (i *issuer) issue(t testing.TB, name string, options ...func(*x509.Certificate)) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    testNow.Add(-time.Hour),
		NotAfter:     testNow.Add(time.Hour),
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, option := range options {
		option(template)
	}
	parent, signer := template, key
	if i != nil {
		parent, signer = i.cert, i.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &issuer{cert, key}
}

// testNow is the time by which certificates are judged here.
var testNow = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func authority(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.ExtKeyUsage = true, true, nil
	c.KeyUsage = x509.KeyUsageCertSign
}

func expired(c *x509.Certificate)     { c.NotAfter = testNow.Add(-time.Minute) }
func notYetValid(c *x509.Certificate) { c.NotBefore = testNow.Add(time.Minute) }
func forServers(c *x509.Certificate)  { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }

// subject replaces the subject with one of these attributes.
func subject(attributes ...pkix.AttributeTypeAndValue) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		var rdns pkix.RDNSequence
		for _, a := range attributes {
			rdns = append(rdns, pkix.RelativeDistinguishedNameSET{a})
		}
		c.RawSubject, _ = asn1.Marshal(rdns)
	}
}

func nameAttribute(id int, value string) pkix.AttributeTypeAndValue {
	return pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, id}, Value: value}
}

// A testPool is a trust pool. It can be loaded anew.
type testPool struct{ pool *x509.CertPool }

func (p *testPool) CertPool() *x509.CertPool { return p.pool }

func poolOf(certs ...*x509.Certificate) *testPool {
	pool := x509.NewCertPool()
	for _, c := range certs {
		pool.AddCert(c)
	}
	return &testPool{pool}
}

// newClientCert returns a check with its own pool, or none.
func newClientCert(pool caddytls.CA) *ClientCert {
	c := &ClientCert{pool: pool, now: func() time.Time { return testNow }}
	c.setDefaults()
	return c
}

// connected returns a request over a connection with these certificates.
func connected(verified bool, chain ...*x509.Certificate) *http.Request {
	r := newNotification(testBody)
	r.TLS = &tls.ConnectionState{PeerCertificates: chain}
	if verified {
		r.TLS.VerifiedChains = [][]*x509.Certificate{chain}
	}
	return r
}

func TestCertificateHasToBeVerified(t *testing.T) {
	root := (*issuer)(nil).issue(t, "Root", authority)
	middle := root.issue(t, "Intermediate", authority)
	otherRoot := (*issuer)(nil).issue(t, "Root", authority)
	leaf := func(i *issuer, options ...func(*x509.Certificate)) *x509.Certificate {
		return i.issue(t, defaultCertName, options...).cert
	}
	right := leaf(middle)
	for _, tc := range []struct {
		name  string
		chain []*x509.Certificate
		pool  *testPool
		want  error
	}{
		{"right", []*x509.Certificate{right, middle.cert}, poolOf(root.cert), nil},
		{"right, with the root", []*x509.Certificate{right, middle.cert, root.cert}, poolOf(root.cert), nil},
		{"right, of the root itself", []*x509.Certificate{leaf(root)}, poolOf(root.cert), nil},
		{"the intermediate as the anchor", []*x509.Certificate{right}, poolOf(middle.cert), nil},
		{"intermediate missing", []*x509.Certificate{right}, poolOf(root.cert), errCertAuthority},
		{"another authority of the same name", []*x509.Certificate{right, middle.cert}, poolOf(otherRoot.cert), errCertAuthority},
		{"no pool", []*x509.Certificate{right, middle.cert}, new(testPool), errCertAuthority},
		{"no authority", []*x509.Certificate{right, middle.cert}, poolOf(), errCertAuthority},
		{"self-signed", []*x509.Certificate{leaf(nil)}, poolOf(root.cert), errCertAuthority},
		{"issued by a leaf", []*x509.Certificate{leaf(middle.issue(t, "leaf")), middle.cert}, poolOf(root.cert), errCertAuthority},
		{"expired", []*x509.Certificate{leaf(middle, expired), middle.cert}, poolOf(root.cert), errCertExpired},
		{"not yet valid", []*x509.Certificate{leaf(middle, notYetValid), middle.cert}, poolOf(root.cert), errCertNotYetValid},
		{"for servers", []*x509.Certificate{leaf(middle, forServers), middle.cert}, poolOf(root.cert), errCertUsage},
		{"none", nil, poolOf(root.cert), errNoCert},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newClientCert(tc.pool)
			for range 2 { // the second time from the cache
				if _, err := c.check(connected(false, tc.chain...)); err != tc.want {
					t.Errorf("got %v, want %v", err, tc.want)
				}
			}
		})
	}
}

func TestCertificateThatMerelyArrivedIsNoIdentity(t *testing.T) {
	leaf := (*issuer)(nil).issue(t, defaultCertName).cert
	c := newClientCert(nil)
	if _, err := c.check(connected(false, leaf)); err != errUnverifiedCert {
		t.Errorf("not verified: got %v, want %v", err, errUnverifiedCert)
	}
	if _, err := c.check(connected(true, leaf)); err != nil {
		t.Errorf("verified by the connection policy: got %v", err)
	}
	if _, err := c.check(connected(false)); err != errNoCert {
		t.Errorf("none: got %v, want %v", err, errNoCert)
	}
	if _, err := c.check(newNotification(testBody)); err != errNoCert {
		t.Errorf("no TLS: got %v, want %v", err, errNoCert)
	}
	// with a pool of its own, somebody else's verification does not count
	if _, err := newClientCert(poolOf()).check(connected(true, leaf)); err != errCertAuthority {
		t.Errorf("verified by the connection policy alone: got %v, want %v", err, errCertAuthority)
	}
}

func TestCertificateHasToNameMeta(t *testing.T) {
	const cn, o, ou = 3, 10, 11
	for _, tc := range []struct {
		name    string
		subject []pkix.AttributeTypeAndValue
		want    error
	}{
		{"right", []pkix.AttributeTypeAndValue{nameAttribute(cn, defaultCertName)}, nil},
		{"right, among others", []pkix.AttributeTypeAndValue{nameAttribute(6, "US"), nameAttribute(o, "Meta"), nameAttribute(cn, defaultCertName)}, nil},
		{"suffix", []pkix.AttributeTypeAndValue{nameAttribute(cn, defaultCertName+".evil.example")}, errCertName},
		{"prefix", []pkix.AttributeTypeAndValue{nameAttribute(cn, "evil."+defaultCertName)}, errCertName},
		{"another case", []pkix.AttributeTypeAndValue{nameAttribute(cn, strings.ToUpper(defaultCertName))}, errCertName},
		{"NUL", []pkix.AttributeTypeAndValue{nameAttribute(cn, defaultCertName+"\x00.evil.example")}, errCertName},
		{"trailing dot", []pkix.AttributeTypeAndValue{nameAttribute(cn, defaultCertName+".")}, errCertName},
		{"empty", []pkix.AttributeTypeAndValue{nameAttribute(cn, "")}, errCertName},
		{"none", []pkix.AttributeTypeAndValue{nameAttribute(o, "Meta")}, errCertName},
		{"no subject", nil, errCertName},
		{"two", []pkix.AttributeTypeAndValue{nameAttribute(cn, "evil.example"), nameAttribute(cn, defaultCertName)}, errCertName},
		{"twice the right one", []pkix.AttributeTypeAndValue{nameAttribute(cn, defaultCertName), nameAttribute(cn, defaultCertName)}, errCertName},
		{"as the organization", []pkix.AttributeTypeAndValue{nameAttribute(o, defaultCertName)}, errCertName},
		{"as the unit", []pkix.AttributeTypeAndValue{nameAttribute(ou, "CN="+defaultCertName)}, errCertName},
		{"inside a value", []pkix.AttributeTypeAndValue{nameAttribute(o, "x,CN="+defaultCertName), nameAttribute(cn, "evil.example")}, errCertName},
	} {
		t.Run(tc.name, func(t *testing.T) {
			leaf := (*issuer)(nil).issue(t, "", subject(tc.subject...), func(c *x509.Certificate) { c.DNSNames = []string{defaultCertName} }).cert
			if _, err := newClientCert(nil).check(connected(true, leaf)); err != tc.want {
				t.Errorf("%s: got %v, want %v", leaf.Subject, err, tc.want)
			}
		})
	}
}

func TestAnyNameIsAccepted(t *testing.T) {
	c := newClientCert(nil)
	c.Names = []string{"a.example", "b.example"}
	for name, want := range map[string]error{"a.example": nil, "b.example": nil, "c.example": errCertName, defaultCertName: errCertName} {
		if _, err := c.check(connected(true, (*issuer)(nil).issue(t, name).cert)); err != want {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
	}
}

func TestForwardedSubject(t *testing.T) {
	const header = "X-Amzn-Mtls-Clientcert-Subject"
	right := "CN=" + defaultCertName + ",O=Meta Platforms\\, Inc.,C=US"
	for _, tc := range []struct {
		name    string
		trusted bool
		values  []string
		want    error
	}{
		{"right", true, []string{right}, nil},
		{"the name last", true, []string{"C=US,CN=" + defaultCertName}, nil},
		{"from an untrusted address", false, []string{right}, errUntrustedProxy},
		{"twice", true, []string{right, right}, errCertSubject},
		{"empty", true, []string{""}, errNoCert},
		{"none", true, nil, errNoCert},
		{"none, from an untrusted address", false, nil, errNoCert},
		{"malformed", true, []string{right + ","}, errCertSubject},
		{"another name", true, []string{"CN=evil.example"}, errCertName},
		{"no name", true, []string{"O=" + defaultCertName}, errCertName},
		{"two names", true, []string{right + ",CN=evil.example"}, errCertName},
		{"inside an escaped value", true, []string{`O=x\,CN=` + defaultCertName}, errCertName},
		{"inside an escaped value, in hex", true, []string{`CN=evil.example,O=x\2CCN=` + defaultCertName}, errCertName},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newClientCert(nil)
			c.Forwarded = header
			r := newNotification(testBody)
			if tc.values != nil {
				r.Header[header] = tc.values
			}
			setVar(r, caddyhttp.TrustedProxyVarKey, tc.trusted)
			if _, err := c.check(r); err != tc.want {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
}

func TestWhichRequestsNeedACertificate(t *testing.T) {
	for _, tc := range []struct {
		require, method string
		want            int
	}{
		{requireNotifications, http.MethodGet, 0},
		{requireNotifications, http.MethodPost, 403},
		{requireAll, http.MethodGet, 403},
		{requireAll, http.MethodPost, 403},
		{requireAll, http.MethodPut, 405},
	} {
		h := provisioned(t, func(h *Handler) { h.ClientCert = &ClientCert{Require: tc.require} })
		r := newNotification(testBody)
		r.Method = tc.method
		r.URL.RawQuery = "hub.mode=subscribe&hub.challenge=1&hub.verify_token=correct+horse"
		next := new(app)
		_, status, reason := serve(h, r, next)
		if status != tc.want || status == 403 && reason != "client_cert_missing" || len(next.requests) > 0 {
			t.Errorf("%s, %s: got %d %q and %d requests to the next handler, want %d", tc.require, tc.method, status, reason, len(next.requests), tc.want)
		}
	}
}

func TestVerifiedChainsAreRememberedWhileValid(t *testing.T) {
	root := (*issuer)(nil).issue(t, "Root", authority, func(c *x509.Certificate) { c.NotAfter = testNow.Add(30 * time.Minute) })
	chain := []*x509.Certificate{root.issue(t, defaultCertName).cert, root.cert}
	pool := poolOf(root.cert)
	c := newClientCert(pool)
	check := func(want error) {
		t.Helper()
		if _, err := c.check(connected(false, chain...)); err != want {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	check(nil)
	if !c.verified.contain(pool.pool, chain, testNow) {
		t.Error("the chain was not remembered")
	}
	if c.verified.contain(pool.pool, chain[:1], testNow) {
		t.Error("a part of the chain was taken for it")
	}
	for _, outside := range []time.Duration{-2 * time.Hour, 31 * time.Minute} {
		if c.verified.contain(pool.pool, chain, testNow.Add(outside)) {
			t.Errorf("the chain is remembered %s from now, when a certificate in it is not valid", outside)
		}
	}
	pool.pool = x509.NewCertPool() // loaded anew, without the authority
	check(errCertAuthority)
	pool.pool = poolOf(root.cert).pool
	check(nil)
}

func TestRememberedChainsAreBounded(t *testing.T) {
	root := (*issuer)(nil).issue(t, "Root", authority)
	pool := poolOf(root.cert)
	c := newClientCert(pool)
	for range 2*maxVerifiedChains + 1 {
		if _, err := c.check(connected(false, root.issue(t, defaultCertName).cert)); err != nil {
			t.Fatal(err)
		}
		if n := len(c.verified.valid); n > maxVerifiedChains {
			t.Fatalf("got %d chains, want at most %d", n, maxVerifiedChains)
		}
	}
}

func TestServerOnWhichNoCertificateCanPass(t *testing.T) {
	policy := func(mode string) caddytls.ConnectionPolicies {
		return caddytls.ConnectionPolicies{new(caddytls.ConnectionPolicy), {ClientAuthentication: &caddytls.ClientAuthentication{Mode: mode}}}
	}
	for _, tc := range []struct {
		name     string
		policies caddytls.ConnectionPolicies
		own      bool // a trust pool
		proxy    bool
		fails    bool
		warns    bool
	}{
		{name: "no TLS", fails: true},
		{name: "no TLS, own pool", own: true, fails: true},
		{name: "no TLS, behind a proxy", proxy: true},
		{name: "TLS without client_auth", policies: caddytls.ConnectionPolicies{new(caddytls.ConnectionPolicy)}, fails: true},
		{name: "TLS without client_auth, own pool", policies: caddytls.ConnectionPolicies{new(caddytls.ConnectionPolicy)}, own: true, fails: true},
		{name: "request", policies: policy("request"), fails: true},
		{name: "require", policies: policy("require"), fails: true},
		{name: "request, own pool", policies: policy("request"), own: true},
		{name: "require, own pool", policies: policy("require"), own: true},
		{name: "verify_if_given", policies: policy("verify_if_given")},
		{name: "verify_if_given beside request", policies: append(policy("verify_if_given"), policy("request")...), warns: true},
		{name: "verify_if_given beside request, own pool", policies: append(policy("verify_if_given"), policy("request")...), own: true},
		{name: "require_and_verify", policies: policy("require_and_verify")},
		{name: "require_and_verify, own pool", policies: policy("require_and_verify"), own: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var pool caddytls.CA
			if tc.own {
				pool = poolOf()
			}
			c := newClientCert(pool)
			if tc.proxy {
				c.Forwarded = "X-Subject"
			}
			server := &caddyhttp.Server{TLSConnPolicies: tc.policies}
			core, logs := observer.New(zap.WarnLevel)
			err := c.checkServer(server, zap.New(core))
			if tc.fails != (err != nil) {
				t.Errorf("got %v, want an error: %t", err, tc.fails)
			}
			if tc.warns != (logs.Len() > 0) {
				t.Errorf("got warnings %v, want any: %t", logs.All(), tc.warns)
			}
		})
	}
}

func TestClientCertConfigurationErrors(t *testing.T) {
	for _, tc := range []struct {
		cert *ClientCert
		want string
	}{
		{&ClientCert{Names: []string{""}}, "client_cert: a name is empty"},
		{&ClientCert{Require: "some"}, `client_cert: require: "some" is neither notifications nor all`},
		{&ClientCert{Forwarded: "X Subject"}, `client_cert: forwarded: "X Subject" is not the name of a header`},
		{&ClientCert{TrustPoolRaw: []byte(`{"provider":"nowhere"}`)}, "client_cert: trust_pool: "},
	} {
		h := &Handler{VerifyToken: []string{testToken}, AppSecret: []string{testSecret}, ClientCert: tc.cert}
		if err := provision(t, newContext(t), h); err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("got  %v\nwant %s", err, tc.want)
		}
	}
}

// The fields of the log are all that is told of a certificate.
func TestRefusalShowsTheCertificate(t *testing.T) {
	leaf := (*issuer)(nil).issue(t, "evil.example").cert
	shown, err := newClientCert(poolOf()).check(connected(false, leaf))
	if !errors.Is(err, errCertAuthority) {
		t.Fatal(err)
	}
	var got []string
	for _, f := range shown {
		got = append(got, f.Key)
	}
	if want := "subject issuer serial not_before not_after"; strings.Join(got, " ") != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func BenchmarkClientCert(b *testing.B) {
	root := (*issuer)(nil).issue(b, "Root", authority)
	middle := root.issue(b, "Intermediate", authority)
	chain := []*x509.Certificate{middle.issue(b, defaultCertName).cert, middle.cert}
	r := connected(false, chain...)
	b.Run("own pool, remembered", func(b *testing.B) {
		c := newClientCert(poolOf(root.cert))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.check(r); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("own pool, first time", func(b *testing.B) {
		c := newClientCert(poolOf(root.cert))
		b.ReportAllocs()
		for b.Loop() {
			c.verified = verifiedChains{}
			if _, err := c.check(r); err != nil {
				b.Fatal(err)
			}
		}
	})
}
