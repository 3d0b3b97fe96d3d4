package mtls

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/certs"
)

// TestConfigurationThatCanNeverPassDoesNotLoad looks for an error that says
// what to do, or for none.
func TestConfigurationThatCanNeverPassDoesNotLoad(t *testing.T) {
	const (
		noTLS = "no TLS"

		verify = "nothing verifies certificates: set client_auth in the tls directive, with mode verify_if_given, or give a trust_pool here"
		ask    = "the server never asks for a certificate: set client_auth in its tls directive, with mode request"
	)
	pool, proxy := "trust_pool file root.pem", "forwarded "+subjectHeader
	for _, tc := range []struct {
		name    string
		tls     string // the options of the tls directive, or noTLS
		options []string
		want    string // in the error; "" is none
	}{
		{"no TLS", noTLS, nil, verify},
		{"no TLS, own pool", noTLS, []string{pool}, ask},
		{"no TLS, required of all", noTLS, []string{"require all"}, verify},
		{"no TLS, forwarded", noTLS, []string{proxy}, ""},
		{"no TLS, forwarded, own pool", noTLS, []string{proxy, pool}, ""},
		{"no client_auth", "", nil, verify},
		{"no client_auth, own pool", "", []string{pool}, ask},
		{"no client_auth, forwarded", "", []string{proxy}, ""},
		{"request", clientAuth("request", ""), nil, verify},
		{"require", clientAuth("require", ""), nil, verify},
		{"request with a pool that goes unused", clientAuth("request", "root.pem"), nil, verify},
		{"request, forwarded", clientAuth("request", ""), []string{proxy}, ""},
		{"request, own pool", clientAuth("request", ""), []string{pool}, ""},
		{"require, own pool", clientAuth("require", ""), []string{pool}, ""},
		{"verify_if_given", clientAuth("verify_if_given", "root.pem"), nil, ""},
		{"verify_if_given, own pool", clientAuth("verify_if_given", "root.pem"), []string{pool}, ""},
		{"require_and_verify", clientAuth("require_and_verify", "root.pem"), nil, ""},
		{"require_and_verify, own pool", clientAuth("require_and_verify", "root.pem"), []string{pool}, ""},
		{"verifies by default", "client_auth {\ntrust_pool file root.pem\n}", nil, ""},
		{"verifies by default, as it used to be written", "client_auth {\ntrusted_ca_cert_file root.pem\n}", nil, ""},
		{"no such pool file", clientAuth("request", ""), []string{"trust_pool file nowhere.pem"}, "nowhere.pem"},
		{"no such pool module", clientAuth("request", ""), []string{"trust_pool nowhere"}, "tls.ca_pool.source.nowhere"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newMutualGateway(t)
			t.Chdir(g.Dir)
			site := g.site(mutualHost, tc.tls, clientCert(tc.options...))
			if tc.tls == noTLS {
				site = fmt.Sprintf("http://%s:%d {\n%s\n}", mutualHost, g.Port, clientCert(tc.options...))
			}
			config, err := harness.Adapt(g.GlobalOptions() + site)
			results := map[string]error{"adapting": err}
			if err == nil {
				results = map[string]error{"validating": harness.Validate(config), "loading": caddy.Load(config, true)}
			}
			for what, err := range results {
				switch {
				case tc.want == "" && err != nil:
					t.Errorf("%s: got error %v, want none", what, err)
				case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
					t.Errorf("%s: got error %v, want one with %q", what, err, tc.want)
				}
			}
		})
	}
}

// TestCertificateVerifiedForAnotherHostDoesNotCount has two hosts on a server,
// of which one verifies certificates, and the other merely takes them.
func TestCertificateVerifiedForAnotherHostDoesNotCount(t *testing.T) {
	const otherHost = "other." + mutualHost
	u := harness.NewUpstream(t, nil)
	g := newMutualGateway(t)
	g.mustLoadSites(
		g.site(mutualHost, clientAuth("request", ""), guarded(clientCert(), u)),
		g.site(otherHost, clientAuth("verify_if_given", g.root), guarded(clientCert(), u)))
	if !strings.Contains(g.Logs(), "hosts whose client_auth verifies nothing") {
		t.Error("got no warning of client_cert, want one")
	}
	for _, k := range kinds {
		t.Run(k.String(), func(t *testing.T) {
			u.Forget()
			wantReason(t, g.sender(t, k, nil).do(g.notification()), certMissing)
			wantReason(t, g.sender(t, k, right()).do(g.notification()), certNotVerified)
			wantReason(t, g.sender(t, k, certs.SelfSigned(metaName).TLS()).do(g.notification()), certNotVerified)

			toOther := g.sender(t, k, right())
			toOther.serverName(otherHost)
			harness.WantStatus(t, toOther.do(g.notification()), 421) // to a host it has not named in the handshake
			u.WantNone()
			r := g.notification()
			r.Host = otherHost
			wantReason(t, toOther.do(r), "")
			harness.WantReached(t, u, true)
		})
	}
}

// serverName has the sender name another host in the handshake.
func (s *sender) serverName(name string) { s.transport().TLSClientConfig.ServerName = name }

// TestCaddyfileErrorsOfClientCertNameTheLine has one option a time that is
// wrong.
func TestCaddyfileErrorsOfClientCertNameTheLine(t *testing.T) {
	for _, tc := range []struct {
		text string
		line int // of the error
		want string
	}{
		{"client_cert {\nrequire\n}", 5, "argument"},
		{"client_cert {\nrequire all notifications\n}", 5, "argument"},
		{"client_cert {\nrequire nothing\n}", 5, "require: must be one of notifications, all, not \"nothing\""},
		{"client_cert {\nrequire all\nrequire all\n}", 6, "require is given twice"},
		{"client_cert {\ntrust_pool\n}", 5, "argument"},
		{"client_cert {\ntrust_pool file\n}", 5, "no certificates specified"},
		{"client_cert {\ntrust_pool inline\ntrust_pool inline\n}", 5, "no certificates specified"},
		{"client_cert {\ntrust_pool file a.pem\ntrust_pool file b.pem\n}", 6, "trust_pool is given twice"},
		{"client_cert {\nforwarded\n}", 5, "argument"},
		{"client_cert {\nforwarded A B\n}", 5, "argument"},
		{"client_cert {\nforwarded \"\"\n}", 5, "'' is not the name of a header"},
		{"client_cert {\nforwarded \"Client Subject\"\n}", 5, "'Client Subject' is not the name of a header"},
		{"client_cert {\nforwarded A\nforwarded B\n}", 6, "forwarded is given twice"},
		{"client_cert {\nmode request\n}", 5, "unrecognized client_cert option 'mode'"},
		{"client_cert \"\"", 4, "name is empty"},
		{"client_cert\nclient_cert", 5, "client_cert is given twice"},
	} {
		t.Run(tc.text, func(t *testing.T) {
			_, err := harness.Adapt("http://:80 {\nmeta_webhook {\nverify_token a\n" + tc.text + "\n}\n}\n")
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), fmt.Sprintf("Caddyfile:%d", tc.line)) {
				t.Errorf("got error %v, want one at Caddyfile:%d with %q", err, tc.line, tc.want)
			}
		})
	}
}

// jsonConfig is the configuration of a host shared with browsers, by hand: the
// gateway's port and folder, its client_authentication, and client_cert.
const jsonConfig = `{
	"admin": {"disabled": true, "config": {"persist": false}},
	"storage": {"module": "file_system", "root": "%[2]s/storage"},
	"logging": {"logs": {"default": {"writer": {"output": "file", "filename": "%[2]s/caddy.log"}}}},
	"apps": {
		"http": {"grace_period": "5s", "servers": {"gateway": {
			"listen": ["127.0.0.1:%[1]d"],
			"protocols": ["h1", "h2"],
			"automatic_https": {"disable": true},
			"tls_connection_policies": [{"client_authentication": %[3]s}],
			"trusted_proxies": {"source": "static", "ranges": ["127.0.0.1/32"]},
			"routes": [{"handle": [
				{"handler": "meta_webhook", "verify_token": ["` + harness.Token + `"], "app_secret": ["` + harness.AppSecret + `"], "client_cert": %[4]s},
				{"handler": "static_response"}
			]}],
			"errors": {"routes": [{"handle": [
				{"handler": "static_response", "status_code": "{http.error.status_code}", "body": "{http.meta_webhook.error}"}
			]}]}
		}}},
		"tls": {"certificates": {"load_files": [{"certificate": "%[2]s/cert.pem", "key": "%[2]s/key.pem"}]}}
	}
}`

// TestJSONConfiguration has client_cert in Caddy's own language.
func TestJSONConfiguration(t *testing.T) {
	pool := `{"provider": "file", "pem_files": ["root.pem"]}`
	ownPool := `{"trust_pool": ` + pool + `}`
	request, verify := `{"mode": "request"}`, `{"mode": "verify_if_given", "ca": `+pool+`}`
	for _, tc := range []struct {
		name             string
		auth, clientCert string
		want             string // in the error; "" is none
	}{
		{"own pool", request, ownPool, ""},
		{"own pool, everything given", request, `{"names": ["` + metaName + `"], "require": "all", "trust_pool": ` + pool + `, "forwarded": "x-subject"}`, ""},
		{"verified", verify, `{}`, ""},
		{"verified by default", `{"ca": ` + pool + `}`, `{}`, ""},
		{"nothing verifies", request, `{}`, "nothing verifies certificates"},
		{"nothing asks", `null`, ownPool, "never asks for a certificate"},
		{"nothing asks, in other words", `{}`, ownPool, "never asks for a certificate"},
		{"an empty name", verify, `{"names": ["` + metaName + `", ""]}`, "a name is empty"},
		{"wrong require", verify, `{"require": "some"}`, `require: must be one of notifications, all, not "some"`},
		{"unknown member", verify, `{"mode": "request"}`, `unknown field "mode"`},
		{"pool without a provider", request, `{"trust_pool": {"pem_files": ["root.pem"]}}`, "provider"},
		{"unknown provider", request, `{"trust_pool": {"provider": "nowhere"}}`, "tls.ca_pool.source.nowhere"},
		{"no name of a header", `null`, `{"forwarded": "Client Subject"}`, "forwarded"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newMutualGateway(t)
			t.Chdir(g.Dir)
			config := fmt.Sprintf(jsonConfig, g.Port, filepath.ToSlash(g.Dir), tc.auth, tc.clientCert)
			err := caddy.Load([]byte(config), true)
			if tc.want != "" {
				if err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("got error %v, want one with %q", err, tc.want)
				}
				return
			}
			if err != nil {
				t.Fatalf("got error %v, want none", err)
			}
			for _, k := range kinds {
				wantReason(t, g.sender(t, k, right()).do(g.notification()), "")
				wantReason(t, g.sender(t, k, intermediate.Issue("evil.example").TLS(intermediate)).do(g.notification()), certWrongName)
			}
		})
	}
}

// clientCertOf returns client_cert of the handler in a configuration, as
// compact JSON.
func clientCertOf(t *testing.T, config []byte) string {
	t.Helper()
	return string(harness.Must(json.Marshal(harness.FindHandler(harness.Decode[any](t, string(config)))["client_cert"])))
}
