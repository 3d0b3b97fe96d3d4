package command

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/loopback"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/sender"
)

// callbackFlags are the flags of commands that send to a callback URL.
type callbackFlags struct {
	url, cert, key, caCert string
	timeout                time.Duration
}

func (c *callbackFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&c.url, "url", "http://localhost:8080/webhooks", "Callback URL")
	flags.StringVar(&c.cert, "cert", "", "PEM file with the client certificate to present, and its intermediates (mutual TLS)")
	flags.StringVar(&c.key, "key", "", "PEM file with the private key of --cert (default: in the same file)")
	flags.StringVar(&c.caCert, "cacert", "", "PEM file with the certificate authorities to trust in place of the system's")
	flags.DurationVar(&c.timeout, "timeout", 30*time.Second, "Time limit for each request, including the answer")
}

// A callback sends to a callback URL.
type callback struct {
	*sender.Sender
	url   *url.URL
	local bool // the URL is on this machine
}

// open returns a callback that the caller must close.
func (c *callbackFlags) open() (*callback, error) {
	u, err := url.Parse(c.url)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("--url: must be an absolute URL such as https://webhooks.example.com/path")
	}
	if c.timeout <= 0 {
		return nil, errors.New("--timeout: must be positive")
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

// checkCallback returns an error if Meta would not accept the URL of --callback,
// and prints a warning if Meta may not.
func checkCallback(cmd *cobra.Command, raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https":
		return errors.New("--callback: must be an https:// URL such as https://webhooks.example.com/path")
	case u.User != nil || u.Fragment != "":
		return errors.New("--callback: must have neither a user nor a fragment")
	}
	if warning := plusWarning(u); warning != "" {
		cmd.PrintErrln("Warning:", warning)
	}
	return nil
}

// plusWarning returns a warning if a callback URL contains +, or the empty
// string.
func plusWarning(u *url.URL) string {
	if strings.Contains(u.EscapedPath(), "+") || strings.Contains(u.RawQuery, "+") {
		return "the callback URL contains +; Meta asks for %20 in place of it"
	}
	return ""
}

// certificate returns the client certificate, or nil if none is configured.
func (c *callbackFlags) certificate(u *url.URL) (*tls.Certificate, error) {
	switch {
	case c.cert == "" && c.key == "":
		return nil, nil
	case c.cert == "":
		return nil, errors.New("--key: requires --cert")
	case u.Scheme != "https":
		return nil, errors.New("--cert: requires an https:// URL")
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

// roots returns the authorities to trust, or nil for the system's.
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
		return nil, fmt.Errorf("--cacert: no PEM certificate in %s", c.caCert)
	}
	return pool, nil
}
