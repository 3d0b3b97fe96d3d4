package command

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
)

// newTLSReceiver starts a receiver over TLS that asks for a client certificate
// in this mode, and returns with it PEM files: of its certificate, its key,
// and both.
func newTLSReceiver(t *testing.T, mode tls.ClientAuthType, respond http.HandlerFunc) (r *receiver, cert, key, both string) {
	t.Helper()
	r = new(receiver)
	r.Server = httptest.NewUnstartedServer(r.keep(respond))
	r.Config.ErrorLog = log.New(io.Discard, "", 0)
	r.TLS = &tls.Config{ClientAuth: mode}
	r.StartTLS()
	t.Cleanup(r.Close)
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate().Raw})
	pkcs8, err := x509.MarshalPKCS8PrivateKey(r.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	return r, textFile(t, string(certPEM)), textFile(t, string(keyPEM)), textFile(t, string(certPEM)+string(keyPEM))
}

func TestMutualTLS(t *testing.T) {
	cleanEnvironment(t)
	r, cert, key, both := newTLSReceiver(t, tls.RequireAnyClientCert, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.FormValue("hub.challenge"))
	})
	verify := func(args ...string) result {
		return command(t, "", append([]string{"verify", "--url", r.URL}, args...)...)
	}
	verify("--cacert", cert, "--cert", cert, "--key", key).want(t, 0, "200 OK", "")
	verify("--cacert", cert, "--cert", both).want(t, 0, "200 OK", "")
	command(t, "{}", "send", "--url", r.URL, "--cacert", cert, "--cert", both).want(t, 0, "200 OK", "")
	r.mu.Lock()
	if r.certs != 3 {
		t.Errorf("got %d client certificates, want 3", r.certs)
	}
	r.mu.Unlock()
	verify("--cacert", cert).want(t, 2, "", "demands a client certificate")
	verify("--cert", both).want(t, 2, "", "from an authority that is not trusted here")
}

func TestMutualTLSThatIsNotOn(t *testing.T) {
	cleanEnvironment(t)
	r, cert, _, both := newTLSReceiver(t, tls.NoClientCert, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.FormValue("hub.challenge"))
	})
	args := []string{"--url", r.URL, "--cacert", cert, "--cert", both}
	command(t, "", append(args, "verify")...).want(t, 2, "", "Error: the server did not ask for a client certificate")
	command(t, "{}", append(args, "send")...).want(t, 2, "200 OK", "Error: the server did not ask for a client certificate")
	command(t, "", "verify", "--url", r.URL, "--cacert", cert).want(t, 0, "200 OK", "")
}

func TestCallbacksThatCannotBe(t *testing.T) {
	cleanEnvironment(t)
	_, cert, key, both := newTLSReceiver(t, tls.NoClientCert, nil)
	missing := filepath.Join(t.TempDir(), "missing")
	const https = "https://localhost:1/"
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"no scheme":          {[]string{"--url", "localhost:8080/webhooks"}, "--url: must be like https://"},
		"no host":            {[]string{"--url", "http:///webhooks"}, "--url: must be like https://"},
		"no URL":             {[]string{"--url", "http://[::1"}, "--url: must be like https://"},
		"no time":            {[]string{"--timeout", "0s"}, "--timeout: must be longer than 0s"},
		"a key alone":        {[]string{"--url", https, "--key", key}, "--key: is the key of --cert"},
		"no key":             {[]string{"--url", https, "--cert", cert}, "--cert, --key: "},
		"no such file":       {[]string{"--url", https, "--cert", missing}, missing},
		"without TLS":        {[]string{"--cert", both}, "--cert: without TLS nobody asks for a certificate"},
		"no such authority":  {[]string{"--url", https, "--cacert", missing}, "--cacert: open " + missing},
		"a key as authority": {[]string{"--url", https, "--cacert", key}, "has no certificate in PEM"},
	} {
		t.Run(name, func(t *testing.T) {
			command(t, "", append([]string{"verify"}, test.args...)...).want(t, 1, "", test.want)
			command(t, "{}", append([]string{"send"}, test.args...)...).want(t, 1, "", test.want)
		})
	}
}
