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

// newTLSReceiver starts a receiver over TLS with a mode of client
// authentication. It also returns PEM files with its certificate, its key, and
// both.
func newTLSReceiver(t *testing.T, mode tls.ClientAuthType, respond http.HandlerFunc) (r *receiver, cert, key, both string) {
	t.Helper()
	r = new(receiver)
	r.Server = httptest.NewUnstartedServer(r.recording(respond))
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
	verify("--cacert", cert).want(t, 2, "", "requires a client certificate")
	verify("--cert", both).want(t, 2, "", "from an untrusted authority")
}

func TestMutualTLSThatIsOff(t *testing.T) {
	cleanEnvironment(t)
	r, cert, _, both := newTLSReceiver(t, tls.NoClientCert, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.FormValue("hub.challenge"))
	})
	args := []string{"--url", r.URL, "--cacert", cert, "--cert", both}
	command(t, "", append(args, "verify")...).want(t, 2, "", "Error: the server did not ask for a client certificate")
	command(t, "{}", append(args, "send")...).want(t, 2, "200 OK", "Error: the server did not ask for a client certificate")
	command(t, "", "verify", "--url", r.URL, "--cacert", cert).want(t, 0, "200 OK", "")
}

func TestInvalidCallbacks(t *testing.T) {
	cleanEnvironment(t)
	_, cert, key, both := newTLSReceiver(t, tls.NoClientCert, nil)
	missing := filepath.Join(t.TempDir(), "missing")
	const https = "https://localhost:1/"
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"no scheme":          {[]string{"--url", "localhost:8080/webhooks"}, "--url: must be an absolute URL such as https://"},
		"no host":            {[]string{"--url", "http:///webhooks"}, "--url: must be an absolute URL such as https://"},
		"no URL":             {[]string{"--url", "http://[::1"}, "--url: must be an absolute URL such as https://"},
		"no time":            {[]string{"--timeout", "0s"}, "--timeout: must be positive"},
		"a key alone":        {[]string{"--url", https, "--key", key}, "--key: requires --cert"},
		"no key":             {[]string{"--url", https, "--cert", cert}, "--cert, --key: "},
		"no such file":       {[]string{"--url", https, "--cert", missing}, missing},
		"without TLS":        {[]string{"--cert", both}, "--cert: requires an https:// URL"},
		"no such authority":  {[]string{"--url", https, "--cacert", missing}, "--cacert: open " + missing},
		"a key as authority": {[]string{"--url", https, "--cacert", key}, "--cacert: no PEM certificate in " + key},
	} {
		t.Run(name, func(t *testing.T) {
			command(t, "", append([]string{"verify"}, test.args...)...).want(t, 1, "", test.want)
			command(t, "{}", append([]string{"send"}, test.args...)...).want(t, 1, "", test.want)
		})
	}
}
