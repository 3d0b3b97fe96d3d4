package command

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/delivery"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/listen"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/loopback"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/sender"
)

// A forward brings messages to the app on this machine.
type forward struct {
	to      string
	secret  secretFlag
	timeout time.Duration

	url    *url.URL // nil if nothing is forwarded
	keys   delivery.SigningKeys
	client http.Client
}

func (f *forward) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.to, "forward-to", "", "URL of the app on this machine (default: events are printed only)")
	f.secret = secretFlag{what: "secret to sign with", flag: "secret-file", variable: "WEBHOOK_SECRET"}
	flags.StringVar(&f.secret.path, f.secret.flag, "", "File with the secret to sign with (default: $"+f.secret.variable+", else a new one, which is printed)")
	flags.DurationVar(&f.timeout, "timeout", 30*time.Second, "Time limit for each request to the app, including the answer")
}

// open checks where to forward to and what to sign with.
func (f *forward) open(p *listenPrinter, roots *x509.CertPool) (err error) {
	if f.to == "" {
		return nil
	}
	if f.timeout <= 0 {
		return errors.New("--timeout: must be positive")
	}
	u, err := url.Parse(f.to)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("--forward-to: must be an absolute URL such as http://localhost:3000/webhooks")
	case !loopback.Is(u.Hostname()):
		return errors.New("--forward-to: must be on this machine: localhost, or an address of it such as 127.0.0.1")
	}
	if f.keys, err = f.signingKeys(p); err != nil {
		return err
	}
	f.url = u
	f.client = http.Client{
		Transport: &http.Transport{
			TLSClientConfig:    &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
			DisableCompression: true, // headers as they were delivered
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       f.timeout,
	}
	return nil
}

// signingKeys returns what to sign with. A secret that is made here is printed.
func (f *forward) signingKeys(p *listenPrinter) (delivery.SigningKeys, error) {
	if !f.secret.given() {
		secret := newSigningSecret()
		p.notice("The app can check the signatures with the secret " + secret)
		return delivery.ParseSigningKeys([]string{secret})
	}
	secret, source, err := f.secret.read()
	if err != nil {
		return nil, err
	}
	keys, err := delivery.ParseSigningKeys([]string{secret})
	if err != nil {
		return nil, fmt.Errorf("the secret to sign with, from %s, must be whsec_ and 24 to 64 bytes in base64", source)
	}
	return keys, nil
}

func (f *forward) close() { f.client.CloseIdleConnections() }

// newSigningSecret returns a secret of Standard Webhooks.
func newSigningSecret() string {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return "whsec_" + base64.StdEncoding.EncodeToString(key)
}

// A forwarded message is what has come of forwarding it. The answer is zero if
// nothing was forwarded.
type forwarded struct {
	sender.Answer
	err error
}

// send forwards a message, with the headers that it was delivered with and a
// new signature.
func (f *forward) send(ctx context.Context, m *listen.Message) (out forwarded) {
	if f.url == nil {
		return out
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url.String(), bytes.NewReader(m.Body))
	if err != nil {
		return forwarded{err: err}
	}
	for name, values := range m.Header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	if r.Header.Get("User-Agent") == "" {
		r.Header["User-Agent"] = []string{""} // none of our own
	}
	f.keys.Sign(r.Header, r.Header.Get("Webhook-Id"), m.Body, time.Now())
	start := time.Now()
	res, err := f.client.Do(r)
	if err != nil {
		return forwarded{err: sender.Explain(f.url, f.timeout, err)}
	}
	defer res.Body.Close()
	out.Status, out.Header = res.StatusCode, res.Header
	out.Body, err = io.ReadAll(io.LimitReader(res.Body, 64<<10))
	out.Took = time.Since(start)
	if err != nil {
		out.err = fmt.Errorf("the answer, %s, was cut off: %w", out.StatusText(), sender.Explain(f.url, f.timeout, err))
	}
	return out
}
