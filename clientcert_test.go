package metawebhook

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddytls"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/clientcert"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/delivery"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/certs"
)

// A testPool is a trust pool. It can be loaded anew.
type testPool struct{ pool *x509.CertPool }

func (p *testPool) CertPool() *x509.CertPool { return p.pool }

func poolOf(of ...*certs.Cert) *testPool { return &testPool{certs.Pool(of...)} }

// newClientCert returns a check with its own pool, or none.
func newClientCert(pool caddytls.CA) *ClientCert {
	c := &ClientCert{pool: pool, now: func() time.Time { return certs.Now }}
	c.setDefaults()
	return c
}

// connected returns a request over a connection with these certificates.
func connected(verified bool, chain ...*certs.Cert) *http.Request {
	r := newNotification(testBody)
	r.TLS = &tls.ConnectionState{PeerCertificates: certs.Chain(chain...)}
	if verified {
		r.TLS.VerifiedChains = [][]*x509.Certificate{r.TLS.PeerCertificates}
	}
	return r
}

func TestCertificateHasToBeVerified(t *testing.T) {
	root := certs.SelfSigned("Root", certs.Authority)
	middle := root.Issue("Intermediate", certs.Authority)
	for _, tc := range []struct {
		name  string
		chain []*certs.Cert
		pool  *testPool
		want  error
	}{
		{"right", []*certs.Cert{middle.Issue(defaultCertName), middle}, poolOf(root), nil},
		{"intermediate missing", []*certs.Cert{middle.Issue(defaultCertName)}, poolOf(root), errCertAuthority},
		{"no pool", []*certs.Cert{root.Issue(defaultCertName)}, new(testPool), errCertAuthority},
		{"expired", []*certs.Cert{root.Issue(defaultCertName, certs.Expired)}, poolOf(root), errCertExpired},
		{"not yet valid", []*certs.Cert{root.Issue(defaultCertName, certs.NotYetValid)}, poolOf(root), errCertNotYetValid},
		{"for servers", []*certs.Cert{root.Issue(defaultCertName, certs.ForServers)}, poolOf(root), errCertUsage},
		{"another name", []*certs.Cert{root.Issue("evil.example")}, poolOf(root), errCertName},
		{"none", nil, poolOf(root), errNoCert},
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

func TestTrustPoolMayBeLoadedAnew(t *testing.T) {
	root := certs.SelfSigned("Root", certs.Authority)
	pool := poolOf(root)
	c, r := newClientCert(pool), connected(false, root.Issue(defaultCertName))
	for _, tc := range []struct {
		pool *x509.CertPool
		want error
	}{{certs.Pool(root), nil}, {certs.Pool(), errCertAuthority}, {certs.Pool(root), nil}} {
		pool.pool = tc.pool
		if _, err := c.check(r); err != tc.want {
			t.Errorf("got %v, want %v", err, tc.want)
		}
	}
}

func TestCertificateThatMerelyArrivedIsNoIdentity(t *testing.T) {
	leaf := certs.SelfSigned(defaultCertName)
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
	// with a pool of its own, the verification of the connection does not count
	if _, err := newClientCert(poolOf()).check(connected(true, leaf)); err != errCertAuthority {
		t.Errorf("verified by the connection policy alone: got %v, want %v", err, errCertAuthority)
	}
}

func TestCertificateHasToNameMeta(t *testing.T) {
	for _, tc := range []struct {
		name    string
		subject []pkix.AttributeTypeAndValue
		want    error
	}{
		{"right", []pkix.AttributeTypeAndValue{certs.CommonName(defaultCertName)}, nil},
		{"right, among others", []pkix.AttributeTypeAndValue{certs.Country("US"), certs.Organization("Meta"), certs.CommonName(defaultCertName)}, nil},
		{"suffix", []pkix.AttributeTypeAndValue{certs.CommonName(defaultCertName + ".evil.example")}, errCertName},
		{"prefix", []pkix.AttributeTypeAndValue{certs.CommonName("evil." + defaultCertName)}, errCertName},
		{"another case", []pkix.AttributeTypeAndValue{certs.CommonName(strings.ToUpper(defaultCertName))}, errCertName},
		{"NUL", []pkix.AttributeTypeAndValue{certs.CommonName(defaultCertName + "\x00.evil.example")}, errCertName},
		{"trailing dot", []pkix.AttributeTypeAndValue{certs.CommonName(defaultCertName + ".")}, errCertName},
		{"empty", []pkix.AttributeTypeAndValue{certs.CommonName("")}, errCertName},
		{"none", []pkix.AttributeTypeAndValue{certs.Organization("Meta")}, errCertName},
		{"no subject", nil, errCertName},
		{"two", []pkix.AttributeTypeAndValue{certs.CommonName("evil.example"), certs.CommonName(defaultCertName)}, errCertName},
		{"twice the right one", []pkix.AttributeTypeAndValue{certs.CommonName(defaultCertName), certs.CommonName(defaultCertName)}, errCertName},
		{"as the organization", []pkix.AttributeTypeAndValue{certs.Organization(defaultCertName)}, errCertName},
		{"as the unit", []pkix.AttributeTypeAndValue{certs.Unit("CN=" + defaultCertName)}, errCertName},
		{"inside a value", []pkix.AttributeTypeAndValue{certs.Organization("x,CN=" + defaultCertName), certs.CommonName("evil.example")}, errCertName},
	} {
		t.Run(tc.name, func(t *testing.T) {
			leaf := certs.SelfSigned("", certs.Subject(tc.subject...), func(c *x509.Certificate) { c.DNSNames = []string{defaultCertName} })
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
		if _, err := c.check(connected(true, certs.SelfSigned(name))); err != want {
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

// What proxies have been seen to send.
func TestNotationsOfForwardedSubjects(t *testing.T) {
	const cn = defaultCertName
	for _, tc := range []struct {
		subject string
		want    error
	}{
		{`CN=` + cn + `,OU=x,O=Meta Platforms\, Inc.,L=Menlo Park,ST=California,C=US`, nil},
		{`CN=` + cn, nil},
		{`cn=` + cn, nil},
		{`2.5.4.3=` + cn, nil},
		{`CN=` + cn + `+OU=x,O=M`, nil},
		{`CN=` + cn + `, O=Meta, C=US`, nil},
		{`C=US, O=Meta, CN=` + cn, nil},
		{`/C=US/ST=California/O=Meta/CN=` + cn, nil},
		{`2.5.4.3=#1321` + hex.EncodeToString([]byte(cn)), nil},
		{`Hash=0a1b;Subject="CN=` + cn + `,O=Meta"`, nil},
		{`By=spiffe://gateway;Hash=0a1b;Subject="CN=` + cn + `,O=Meta Platforms\, Inc.,C=US";URI=`, nil},
		{`Subject="/C=US/CN=` + cn + `"`, nil},

		{cn, errCertSubject},
		{`CN = ` + cn, errCertSubject},
		{`CN="` + cn + `",O=Meta`, errCertSubject},
		{`CN=` + cn + `,`, errCertSubject},
		{`CN=` + cn + `, CN=evil.example`, errCertSubject},
		{`C=US,O=Meta, CN=` + cn, errCertSubject},
		{`/CN=` + cn + `/O=x`, errCertSubject},
		{`/O=x\/CN=` + cn, errCertSubject},
		{`/O=x+CN=` + cn, errCertSubject},
		{`2.5.4.3=#0421` + hex.EncodeToString([]byte(cn)), errCertSubject},
		{`Hash=0a1b;URI=x;Subject="CN=` + cn + `"`, errCertSubject},
		{`Hash=0a1b;Subject="CN=` + cn + `",By=spiffe://sidecar;Hash=2c3d;Subject="CN=gateway"`, errCertSubject},
		{`Subject%3D%22CN%3D` + cn + `%22`, errCertSubject},
		{`:` + base64.StdEncoding.EncodeToString(certs.SelfSigned(cn).Raw) + `:`, errCertSubject}, // of RFC 9440, in another header

		{`CN=` + cn + `.evil.example`, errCertName},
		{`O=CN\=` + cn + `,CN=x`, errCertName},
		{`O=x\, CN=` + cn + `, CN=evil.example`, errCertName},
		{`/O=x/CN=` + cn + `/CN=evil.example`, errCertName},
		{`/O=x, CN=` + cn + `/CN=evil.example`, errCertName},
		{`/CN=` + cn + `, O=x`, errCertName},
		{`2.5.4.3=#0c04` + hex.EncodeToString([]byte("evil")), errCertName},
		{`CN=evil.example,2.5.4.3=#1321` + hex.EncodeToString([]byte(cn)), errCertName},
		{`Hash=0a1b;Subject="CN=evil.example,O=x";URI=CN`, errCertName},
		{`Hash=0a1b;Subject=""`, errCertName},
	} {
		c := newClientCert(nil)
		c.Forwarded = "X-Subject"
		r := newNotification(testBody)
		r.Header.Set("X-Subject", tc.subject)
		setVar(r, caddyhttp.TrustedProxyVarKey, true)
		if _, err := c.check(r); err != tc.want {
			t.Errorf("%s: got %v, want %v", tc.subject, err, tc.want)
		}
	}
}

func TestForwardedCertificate(t *testing.T) {
	root := certs.SelfSigned("Root", certs.Authority)
	middle := root.Issue("Intermediate", certs.Authority)
	other := certs.SelfSigned("Root", certs.Authority)
	twoNames := certs.Subject(certs.CommonName("evil.example"), certs.CommonName(defaultCertName))
	written := func(c *certs.Cert) string { return ":" + base64.StdEncoding.EncodeToString(c.Raw) + ":" }
	right, intermediate := written(middle.Issue(defaultCertName)), written(middle)
	for _, tc := range []struct {
		name        string
		untrusted   bool
		cert, chain []string
		want        int
		reason      string
	}{
		{name: "right", cert: []string{right}, chain: []string{intermediate}, want: 0},
		{name: "right, with the root", cert: []string{right}, chain: []string{intermediate + ", " + written(root)}, want: 0},
		{name: "right, of the root itself", cert: []string{written(root.Issue(defaultCertName))}, want: 0},
		{name: "from an untrusted address", untrusted: true, cert: []string{right}, chain: []string{intermediate}, want: 403, reason: "client_cert_untrusted_proxy"},
		{name: "none", want: 403, reason: "client_cert_missing"},
		{name: "a chain alone", chain: []string{intermediate}, want: 403, reason: "client_cert_missing"},
		{name: "empty", cert: []string{""}, want: 403, reason: "client_cert_missing"},
		{name: "colons alone", cert: []string{"::"}, chain: []string{intermediate}, want: 403, reason: "client_cert_missing"},
		{name: "twice", cert: []string{right, right}, chain: []string{intermediate}, want: 403, reason: "client_cert_malformed_subject"},
		{name: "the chain twice", cert: []string{right}, chain: []string{intermediate, intermediate}, want: 403, reason: "client_cert_malformed_subject"},
		{name: "a list", cert: []string{right + ", " + intermediate}, want: 403, reason: "client_cert_malformed_subject"},
		{name: "not a certificate", cert: []string{":AAAA:"}, want: 403, reason: "client_cert_malformed_subject"},
		{name: "a bad chain", cert: []string{right}, chain: []string{":AAAA:"}, want: 403, reason: "client_cert_malformed_subject"},
		{name: "a subject", cert: []string{"CN=" + defaultCertName}, want: 403, reason: "client_cert_malformed_subject"},
		{name: "of Envoy", cert: []string{`Subject="CN=` + defaultCertName + `"`}, want: 403, reason: "client_cert_malformed_subject"},
		{name: "without its intermediate", cert: []string{right}, want: 403, reason: "client_cert_unknown_authority"},
		{name: "self-signed", cert: []string{written(certs.SelfSigned(defaultCertName))}, want: 403, reason: "client_cert_unknown_authority"},
		{name: "self-signed, with the right chain", cert: []string{written(certs.SelfSigned(defaultCertName))}, chain: []string{intermediate}, want: 403, reason: "client_cert_unknown_authority"},
		{name: "of another authority", cert: []string{written(other.Issue(defaultCertName))}, chain: []string{written(other)}, want: 403, reason: "client_cert_unknown_authority"},
		{name: "expired", cert: []string{written(root.Issue(defaultCertName, certs.Expired))}, want: 403, reason: "client_cert_expired"},
		{name: "not yet valid", cert: []string{written(root.Issue(defaultCertName, certs.NotYetValid))}, want: 403, reason: "client_cert_not_yet_valid"},
		{name: "for servers", cert: []string{written(root.Issue(defaultCertName, certs.ForServers))}, want: 403, reason: "client_cert_wrong_usage"},
		{name: "another name", cert: []string{written(root.Issue("evil.example"))}, want: 403, reason: "client_cert_wrong_name"},
		{name: "two names", cert: []string{written(root.Issue("", twoNames))}, want: 403, reason: "client_cert_wrong_name"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := provisioned(t, func(h *Handler) {
				h.ClientCert = &ClientCert{Forwarded: "client-cert", TrustPoolRaw: inlinePool(root)}
				h.Dedup = &delivery.Dedup{Off: true}
			})
			for range 2 { // the second time from the cache
				r := newNotification(testBody)
				if tc.cert != nil {
					r.Header["Client-Cert"] = tc.cert
				}
				if tc.chain != nil {
					r.Header["Client-Cert-Chain"] = tc.chain
				}
				setVar(r, caddyhttp.TrustedProxyVarKey, !tc.untrusted)
				next := new(app)
				_, status, reason := serve(h, r, next)
				if status != tc.want || reason != tc.reason || (tc.want == 0) != (len(next.requests) > 0) {
					t.Errorf("got %d %q and %d requests to the next handler, want %d %q", status, reason, len(next.requests), tc.want, tc.reason)
				}
			}
		})
	}
}

// inlinePool returns a trust pool as a configuration has it.
func inlinePool(of *certs.Cert) json.RawMessage {
	return json.RawMessage(`{"provider": "inline", "trusted_ca_certs": ["` + base64.StdEncoding.EncodeToString(of.Raw) + `"]}`)
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
		{&ClientCert{Require: "some"}, `client_cert: require: must be one of notifications, all, not "some"`},
		{&ClientCert{Forwarded: "X Subject"}, `client_cert: forwarded: "X Subject" is not the name of a header`},
		{&ClientCert{TrustPoolRaw: []byte(`{"provider":"nowhere"}`)}, "client_cert: trust_pool: "},
		{&ClientCert{Forwarded: "client-cert"}, "client_cert: forwarded Client-Cert: needs a trust_pool"},
	} {
		h := &Handler{VerifyToken: []string{testToken}, AppSecret: []string{testSecret}, ClientCert: tc.cert}
		if err := provision(t, newContext(t), h); err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("got  %v\nwant %s", err, tc.want)
		}
	}
}

func TestForwardedCertificateNeedsATrustPool(t *testing.T) {
	for _, tc := range []struct{ block, want string }{
		{"forwarded Client-Cert", "client_cert: forwarded Client-Cert: needs a trust_pool"},
		{"forwarded client-cert", "client_cert: forwarded Client-Cert: needs a trust_pool"},
		{"forwarded X-Subject", ""},
		{"trust_pool inline {\n trust_der AAAA\n }\n forwarded Client-Cert", ""},
		{"forwarded Client-Cert\n trust_pool inline {\n trust_der AAAA\n }", ""},
	} {
		err := new(Handler).UnmarshalCaddyfile(caddyfile.NewTestDispenser("meta_webhook {\n client_cert {\n " + tc.block + "\n }\n}"))
		switch {
		case tc.want == "" && err != nil:
			t.Errorf("%s: got %v, want no error", tc.block, err)
		case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "Testfile:4")):
			t.Errorf("%s: got %v, want %s at Testfile:4", tc.block, err, tc.want)
		}
	}
}

// The fields of the log are all that is told of a certificate.
func TestRefusalShowsTheCertificate(t *testing.T) {
	leaf := certs.SelfSigned("evil.example")
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
	root := certs.SelfSigned("Root", certs.Authority)
	middle := root.Issue("Intermediate", certs.Authority)
	leaf := middle.Issue(defaultCertName)
	r := connected(false, leaf, middle)
	b.Run("own pool, remembered", func(b *testing.B) {
		c := newClientCert(poolOf(root))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.check(r); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("own pool, first time", func(b *testing.B) {
		c := newClientCert(poolOf(root))
		b.ReportAllocs()
		for b.Loop() {
			c.verifier = clientcert.Verifier{}
			if _, err := c.check(r); err != nil {
				b.Fatal(err)
			}
		}
	})
}
