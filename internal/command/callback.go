package command

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/loopback"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/sender"
)

// callbackFlags are what callback URL to send to, and how.
type callbackFlags struct {
	url, cert, key, caCert string
	timeout                time.Duration
}

func (c *callbackFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&c.url, "url", "http://localhost:8080/webhooks", "The callback URL")
	flags.StringVar(&c.cert, "cert", "", "PEM file with a client certificate and its intermediates, to present as Meta does (mutual TLS)")
	flags.StringVar(&c.key, "key", "", "PEM file with the key of --cert, if it is not in the same file")
	flags.StringVar(&c.caCert, "cacert", "", "PEM file with the authorities to trust instead of the system's")
	flags.DurationVar(&c.timeout, "timeout", 30*time.Second, "How long to wait for an answer")
}

// A callback is a callback URL to send to.
type callback struct {
	*sender.Sender
	url   *url.URL
	local bool // on this machine
}

func (c *callbackFlags) open() (*callback, error) {
	u, err := url.Parse(c.url)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("--url: must be like https://webhooks.example.com/path")
	}
	if c.timeout <= 0 {
		return nil, errors.New("--timeout: must be longer than 0s")
	}
	options := sender.Options{Timeout: c.timeout}
	if options.Certificate, err = c.certificate(u); err != nil {
		return nil, err
	}
	if options.Roots, err = c.roots(); err != nil {
		return nil, err
	}
	return &callback{sender.New(u, options), u, loopback.Is(u.Hostname())}, nil
}

// certificate returns the client's certificate, and nil if it has none.
func (c *callbackFlags) certificate(u *url.URL) (*tls.Certificate, error) {
	switch {
	case c.cert == "" && c.key == "":
		return nil, nil
	case c.cert == "":
		return nil, errors.New("--key: is the key of --cert, which is missing")
	case u.Scheme != "https":
		return nil, errors.New("--cert: without TLS nobody asks for a certificate. Use https:// in --url")
	}
	key := c.key
	if key == "" {
		key = c.cert
	}
	cert, err := tls.LoadX509KeyPair(c.cert, key)
	if err != nil {
		return nil, fmt.Errorf("--cert, --key: %w", err)
	}
	return &cert, nil
}

// roots returns the authorities to trust, and nil for the system's.
func (c *callbackFlags) roots() (*x509.CertPool, error) {
	if c.caCert == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(c.caCert)
	if err != nil {
		return nil, fmt.Errorf("--cacert: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("--cacert: %s has no certificate in PEM", c.caCert)
	}
	return pool, nil
}
