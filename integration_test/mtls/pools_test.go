package mtls

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/certs"
)

// TestClientCertInCaddyfileAndJSON writes client_cert in both languages.
func TestClientCertInCaddyfileAndJSON(t *testing.T) {
	for _, tc := range []struct{ name, caddyfile, json string }{
		{"alone", "client_cert", `{}`},
		{"empty block", "client_cert {\n}", `{}`},
		{"one name", "client_cert a.example", `{"names": ["a.example"]}`},
		{"several names", "client_cert a.example b.example", `{"names": ["a.example", "b.example"]}`},
		{"require notifications", "client_cert {\nrequire notifications\n}", `{"require": "notifications"}`},
		{"require all", "client_cert {\nrequire all\n}", `{"require": "all"}`},
		{"forwarded", "client_cert {\nforwarded X-Subject\n}", `{"forwarded": "X-Subject"}`},
		{"pool of files", "client_cert {\ntrust_pool file a.pem b.pem\n}", `{"trust_pool": {"provider": "file", "pem_files": ["a.pem", "b.pem"]}}`},
		{"pool with a block", "client_cert {\ntrust_pool file {\npem_file a.pem b.pem\n}\n}", `{"trust_pool": {"provider": "file", "pem_files": ["a.pem", "b.pem"]}}`},
		{"pool of the system", "client_cert {\ntrust_pool system\n}", `{"trust_pool": {"provider": "system"}}`},
		{"pool of an authority of Caddy's", "client_cert {\ntrust_pool pki_intermediate meta\n}", `{"trust_pool": {"provider": "pki_intermediate", "authority": ["meta"]}}`},
		{
			"everything, in another order",
			"client_cert a.example {\nforwarded X-Subject\ntrust_pool inline {\ntrust_der AAAA\ntrust_der BBBB\n}\nrequire all\n}",
			`{"names": ["a.example"], "require": "all", "trust_pool": {"provider": "inline", "trusted_ca_certs": ["AAAA", "BBBB"]}, "forwarded": "X-Subject"}`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			config, err := harness.Adapt("http://:80 {\n" + harness.Hook(tc.caddyfile) + "\n}\n")
			if err != nil {
				t.Fatal(err)
			}
			want := string(harness.Must(json.Marshal(harness.Decode[any](t, tc.json))))
			if got := clientCertOf(t, config); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// TestAnyModuleMayBeTheTrustPool runs a gateway with each kind of pool that
// Caddy has and that can be had here.
func TestAnyModuleMayBeTheTrustPool(t *testing.T) {
	authorities := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(root.PEM()) }))
	t.Cleanup(authorities.Close)
	der := base64.StdEncoding.EncodeToString(root.Raw)
	otherDER := base64.StdEncoding.EncodeToString(otherRoot.Raw)
	for _, tc := range []struct{ pool, json, global string }{
		{pool: "file DIR/root.pem", json: `{"provider": "file", "pem_files": ["DIR/root.pem"]}`},
		{pool: "inline {\ntrust_der " + der + "\n}", json: `{"provider": "inline", "trusted_ca_certs": ["` + der + `"]}`},
		{pool: "storage authorities/root.pem", json: `{"provider": "storage", "pem_keys": ["authorities/root.pem"]}`},
		{pool: "http " + authorities.URL, json: `{"provider": "http", "endpoints": ["` + authorities.URL + `"]}`},
		{
			pool:   "pki_root meta",
			json:   `{"provider": "pki_root", "authority": ["meta"]}`,
			global: "pki {\nca meta {\nroot {\ncert DIR/root.pem\nkey DIR/root-key.pem\n}\n}\n}",
		},
		{
			pool: "combined {\nsource inline {\ntrust_der " + otherDER + "\n}\nsource file DIR/root.pem\n}",
			json: `{"provider": "combined", "sources": [{"provider": "inline", "trusted_ca_certs": ["` + otherDER + `"]}, {"provider": "file", "pem_files": ["DIR/root.pem"]}]}`,
		},
	} {
		name, _, _ := strings.Cut(tc.pool, " ")
		t.Run(name, func(t *testing.T) {
			u := harness.NewUpstream(t, nil)
			g := newMutualGateway(t)
			harness.WriteFile(t, g.Dir, "root-key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: harness.Must(x509.MarshalPKCS8PrivateKey(root.Key))}))
			stored := filepath.Join(g.Dir, "storage", "authorities")
			if err := os.MkdirAll(stored, 0o700); err != nil {
				t.Fatal(err)
			}
			harness.WriteFile(t, stored, "root.pem", root.PEM())
			here := strings.NewReplacer("DIR", g.Dir)
			g.Global = here.Replace(tc.global)
			// an option behind the pool, which may have a block of its own
			handler := clientCert("trust_pool "+here.Replace(tc.pool), "require all")

			site := g.site(mutualHost, clientAuth("request", ""), guarded(handler, u))
			want := string(harness.Must(json.Marshal(harness.Decode[any](t, here.Replace(`{"require": "all", "trust_pool": `+tc.json+`}`)))))
			if got := clientCertOf(t, harness.Must(harness.Adapt(g.GlobalOptions()+site))); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			g.mustLoadSites(site)
			for _, k := range kinds {
				u.Forget()
				wantReason(t, g.sender(t, k, nil).do(g.verification("1")), certMissing)
				wantReason(t, g.sender(t, k, certs.SelfSigned(metaName).TLS()).do(g.notification()), certUnknownAuthority)
				u.WantNone()
				wantReason(t, g.sender(t, k, right()).do(g.notification()), "")
				harness.WantReached(t, u, true)
			}
		})
	}
}
