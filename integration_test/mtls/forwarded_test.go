package mtls

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
)

// subjectHeader is in which a proxy passes the subject of a certificate.
const subjectHeader = "X-Amzn-Mtls-Clientcert-Subject"

// trustedLoopback makes every client on the loopback interface a trusted proxy.
const trustedLoopback = "trusted_proxies static 127.0.0.1/32"

// forwarded returns a new notification as a proxy passes it, with these
// subjects.
func forwarded(g *harness.Gateway, subjects ...string) *http.Request {
	r := (&mutualGateway{Gateway: g}).notification()
	r.Host = ""
	if subjects != nil {
		r.Header[subjectHeader] = subjects
	}
	return r
}

// passed is what a proxy may pass, and the reason to refuse it when the proxy
// is trusted.
var passed = []struct {
	name     string
	subjects []string
	reason   string
}{
	{"right", []string{"CN=" + metaName}, ""},
	{"right, among others", []string{"CN=" + metaName + ",OU=Webhooks,O=Meta,L=Menlo Park,ST=California,C=US"}, ""},
	{"right, the name last", []string{"C=US,ST=California,L=Menlo Park,O=Meta,OU=Webhooks,CN=" + metaName}, ""},
	{"right, the name in the middle", []string{"C=US,CN=" + metaName + ",O=Meta"}, ""},
	{"right, with an escaped comma", []string{`CN=` + metaName + `,O=Meta Platforms\, Inc.,C=US`}, ""},
	{"right, with an escaped comma before it", []string{`O=Meta Platforms\, Inc.,CN=` + metaName}, ""},
	{"right, with a comma escaped in hex", []string{`O=Meta Platforms\2C Inc.,CN=` + metaName}, ""},
	{"right, in one part with another", []string{"OU=Webhooks+CN=" + metaName + ",O=Meta"}, ""},
	{"right, attribute type in lower case", []string{"cn=" + metaName}, ""},
	{"right, attribute type as a number", []string{"2.5.4.3=" + metaName}, ""},

	{"none", nil, certMissing},
	{"empty", []string{""}, certMissing},

	{"twice", []string{"CN=" + metaName, "CN=" + metaName}, certMalformedSubject},
	{"right, then empty", []string{"CN=" + metaName, ""}, certMalformedSubject},
	{"empty, then right", []string{"", "CN=" + metaName}, certMalformedSubject},
	{"another, then right", []string{"CN=evil.example", "CN=" + metaName}, certMalformedSubject},
	{"the name alone", []string{metaName}, certMalformedSubject},
	{"comma at the end", []string{"CN=" + metaName + ","}, certMalformedSubject},
	{"comma at the start", []string{",CN=" + metaName}, certMalformedSubject},
	{"no value", []string{"CN"}, certMalformedSubject},
	{"no attribute type", []string{"=" + metaName}, certMalformedSubject},
	{"of slashes", []string{"/C=US/CN=" + metaName}, ""},
	{"of slashes, the name not last", []string{"/CN=" + metaName + "/O=Meta"}, certMalformedSubject},
	{"of semicolons", []string{"C=US;CN=" + metaName}, certMalformedSubject},
	{"space before the name", []string{"CN= " + metaName}, certMalformedSubject},
	{"comma that is not escaped", []string{"CN=" + metaName + ",O=Meta Platforms, Inc."}, certMalformedSubject},
	{"quoted", []string{`CN="` + metaName + `"`}, certMalformedSubject},
	{"unknown escape", []string{`CN=` + metaName + `,O=\zz`}, certMalformedSubject},
	{"half an escape", []string{`CN=` + metaName + `\`}, certMalformedSubject},
	{"two subjects in one", []string{"CN=" + metaName + ", CN=evil.example"}, certMalformedSubject},
	{"a certificate", []string{"-----BEGIN%20CERTIFICATE-----"}, certMalformedSubject},

	{"suffix", []string{"CN=" + metaName + ".evil.example"}, certWrongName},
	{"prefix", []string{"CN=evil." + metaName}, certWrongName},
	{"another case", []string{"CN=" + strings.ToUpper(metaName)}, certWrongName},
	{"trailing dot", []string{"CN=" + metaName + "."}, certWrongName},
	{"NUL behind it", []string{`CN=` + metaName + `\00`}, certWrongName},
	{"space behind it", []string{`CN=` + metaName + `\20`}, certWrongName},
	{"another name", []string{"CN=evil.example"}, certWrongName},
	{"empty name", []string{"CN="}, certWrongName},
	{"two common names", []string{"CN=evil.example,CN=" + metaName}, certWrongName},
	{"two common names, the right one first", []string{"CN=" + metaName + ",CN=evil.example"}, certWrongName},
	{"two common names, one as a number", []string{"CN=" + metaName + ",2.5.4.3=evil.example"}, certWrongName},
	{"two common names in one part", []string{"CN=evil.example+CN=" + metaName}, certWrongName},
	{"the right common name twice", []string{"CN=" + metaName + ",CN=" + metaName}, certWrongName},
	{"only as O", []string{"O=" + metaName}, certWrongName},
	{"only as OU", []string{"OU=" + metaName + ",CN=evil.example"}, certWrongName},
	{"inside an escaped value", []string{`O=x\,CN=` + metaName}, certWrongName},
	{"inside an escaped value, in hex", []string{`O=x\2CCN=` + metaName + `,CN=evil.example`}, certWrongName},
	{"inside an escaped common name", []string{`CN=x\,CN\=` + metaName}, certWrongName},
	{"behind an escaped backslash", []string{`O=x\\\,CN=` + metaName}, certWrongName},
	{"with its attribute type in O", []string{"O=CN=" + metaName}, certWrongName},
}

// TestForwardedSubject has a proxy pass subjects that is trusted, and others
// that are not.
func TestForwardedSubject(t *testing.T) {
	proxies := map[string]struct {
		servers string // options
		header  http.Header
		trusted bool
	}{
		"trusted":                       {trustedLoopback, nil, true},
		"trusted, for somebody else":    {trustedLoopback, http.Header{"X-Forwarded-For": {"203.0.113.9"}}, true},
		"no trusted proxies":            {"", nil, false},
		"other trusted proxies":         {"trusted_proxies static 10.0.0.0/16", nil, false},
		"claims to be a trusted proxy":  {"trusted_proxies static 10.0.0.0/16", http.Header{"X-Forwarded-For": {"10.0.0.1"}}, false},
		"claims to come from a trusted": {"trusted_proxies static 10.0.0.0/16", http.Header{"Forwarded": {"for=10.0.0.1"}, "X-Real-Ip": {"10.0.0.1"}}, false},
		"claims to be this machine":     {"", http.Header{"X-Forwarded-For": {"127.0.0.1"}}, false},
	}
	for name, proxy := range proxies {
		for _, via := range []harness.Transport{harness.PlainHTTP1, harness.TLSHTTP2} {
			t.Run(name+", "+string(via), func(t *testing.T) {
				u := harness.NewUpstream(t, nil)
				g := harness.NewGateway(t, via)
				g.Servers = proxy.servers
				g.MustLoad(guarded(clientCert("forwarded "+subjectHeader), u))
				for _, tc := range passed {
					t.Run(tc.name, func(t *testing.T) {
						u.Forget()
						r := forwarded(g, tc.subjects...)
						maps.Copy(r.Header, proxy.header)
						reason := tc.reason
						if !proxy.trusted && tc.subjects != nil {
							reason = certUntrustedProxy
						}
						wantReason(t, g.Do(r), reason)
						harness.WantReached(t, u, reason == "")
					})
				}
			})
		}
	}
}

func TestForwardedSubjectStaysHere(t *testing.T) {
	for _, mode := range []string{"each", "batch", "original"} {
		t.Run(mode, func(t *testing.T) {
			u := harness.NewUpstream(t, nil)
			g := harness.NewGateway(t, harness.PlainHTTP1)
			g.Servers = trustedLoopback
			g.MustLoad(guarded(harness.Hook("deliver "+mode, "client_cert {", "forwarded "+subjectHeader, "}"), u))
			r := forwarded(g, "CN="+metaName)
			r.Header.Set("X-Amzn-Mtls-Clientcert-Issuer", "CN=Root")
			wantReason(t, g.Do(r), "")
			for name := range u.Only().Header {
				if strings.Contains(strings.ToLower(name), "mtls") {
					t.Errorf("got %s upstream, want it kept here", name)
				}
			}
		})
	}
}

// TestForwardedHeaderIsNamedByTheConfiguration has the header in other
// writings, and others in its place.
func TestForwardedHeaderIsNamedByTheConfiguration(t *testing.T) {
	for _, tc := range []struct {
		configured, sent string
		reason           string
	}{
		{subjectHeader, strings.ToLower(subjectHeader), ""},
		{strings.ToLower(subjectHeader), subjectHeader, ""},
		{strings.ToUpper(subjectHeader), subjectHeader, ""},
		{"X-Client-Subject", "X-Client-Subject", ""},
		{"X-Client-Subject", subjectHeader, certMissing},
		{subjectHeader, strings.ReplaceAll(subjectHeader, "-", "_"), certMissing},
		{subjectHeader, strings.ReplaceAll(subjectHeader, "-", "."), certMissing},
	} {
		t.Run(tc.configured+" "+tc.sent, func(t *testing.T) {
			u := harness.NewUpstream(t, nil)
			g := harness.NewGateway(t, harness.PlainHTTP1)
			g.Servers = trustedLoopback
			g.MustLoad(guarded(clientCert("forwarded "+tc.configured), u))
			r := forwarded(g)
			r.Header[tc.sent] = []string{"CN=" + metaName}
			wantReason(t, g.Do(r), tc.reason)
			harness.WantReached(t, u, tc.reason == "")
		})
	}
}

func TestForwardedVerificationRequests(t *testing.T) {
	for _, tc := range []struct {
		require  string
		subjects []string
		status   int
	}{
		{"notifications", nil, 200},
		{"notifications", []string{"CN=evil.example"}, 200},
		{"all", nil, 403},
		{"all", []string{"CN=evil.example"}, 403},
		{"all", []string{"CN=" + metaName}, 200},
	} {
		g := harness.NewGateway(t, harness.PlainHTTP1)
		g.Servers = trustedLoopback
		g.MustLoad(guarded(clientCert("require "+tc.require, "forwarded "+subjectHeader), harness.NewUpstream(t, nil)))
		r := g.Request(http.MethodGet, harness.Callback+"?"+harness.Verification(harness.Token, "1"), nil)
		if tc.subjects != nil {
			r.Header[subjectHeader] = tc.subjects
		}
		if got := g.Do(r); got.Status != tc.status {
			t.Errorf("require %s, %q: got answer %d %q, want %d", tc.require, tc.subjects, got.Status, got.Body, tc.status)
		}
	}
}

// TestForwardedBesideTLS has a gateway that both a proxy and Meta itself may
// connect to.
func TestForwardedBesideTLS(t *testing.T) {
	const rightSubject = "CN=" + metaName
	for _, k := range kinds {
		for servers, cases := range map[string][]struct {
			visitor visitor
			subject string
			reason  string
		}{
			trustedLoopback: {
				{visitor{name: "nobody"}, "", certMissing},
				{visitor{name: "nobody"}, rightSubject, ""},
				{visitor{name: "Meta", shown: right()}, "", ""},
				{visitor{name: "Meta", shown: right()}, "CN=evil.example", certWrongName},
				{visitor{name: "another", shown: intermediate.Issue("evil.example").TLS(intermediate)}, "", certWrongName},
			},
			"": {
				{visitor{name: "nobody"}, rightSubject, certUntrustedProxy},
				{visitor{name: "Meta", shown: right()}, "", ""},
				{visitor{name: "another", shown: intermediate.Issue("evil.example").TLS(intermediate)}, rightSubject, certUntrustedProxy},
			},
		} {
			t.Run(k.String()+", "+servers, func(t *testing.T) {
				u := harness.NewUpstream(t, nil)
				g := newMutualGateway(t)
				g.Servers = servers
				g.serve(clientAuth("verify_if_given", g.root), guarded(clientCert("forwarded "+subjectHeader), u))
				for _, tc := range cases {
					t.Run(tc.visitor.name+" "+tc.subject, func(t *testing.T) {
						u.Forget()
						r := g.notification()
						if tc.subject != "" {
							r.Header.Set(subjectHeader, tc.subject)
						}
						wantReason(t, g.sender(t, k, tc.visitor.shown).do(r), tc.reason)
						harness.WantReached(t, u, tc.reason == "")
					})
				}
			})
		}
	}
}
