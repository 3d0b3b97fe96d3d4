// Package sender sends verification requests and signed notifications as Meta
// does, and explains in plain words what is wrong with the answer.
package sender

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"
)

// SignatureHeader is the header of a notification's signature.
const SignatureHeader = "X-Hub-Signature-256"

// Meta's user agents.
const (
	verificationAgent = "facebookplatform/1.0 (+http://developers.facebook.com)"
	notificationAgent = "facebookexternalua"
)

// maxAnswer is the number of bytes kept of an answer's body.
const maxAnswer = 64 << 10

// A Sender sends to one callback URL. Like Meta, it uses HTTP/1.1 and does not
// follow redirects.
type Sender struct {
	url     *url.URL
	client  http.Client
	hasCert bool        // a client certificate is configured
	asked   atomic.Bool // the server asked for a client certificate
}

// An Answer is the answer of a callback URL.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte // its beginning
	Took   time.Duration
}

// StatusText returns the status as a number and text, such as 200 OK.
func (a Answer) StatusText() string {
	if text := http.StatusText(a.Status); text != "" {
		return strconv.Itoa(a.Status) + " " + text
	}
	return strconv.Itoa(a.Status)
}

// Options configure a Sender.
type Options struct {
	Roots       *x509.CertPool   // authorities of the server's certificate; nil for the system's
	Certificate *tls.Certificate // client certificate; may be nil
	Timeout     time.Duration    // of a request, including the answer
}

// New returns a sender to a callback URL. It presents the client certificate
// whenever the server asks for one, whatever authorities the server names, so
// that the server decides.
func New(callback *url.URL, o Options) *Sender {
	s := &Sender{url: callback, hasCert: o.Certificate != nil}
	shown := o.Certificate
	if shown == nil {
		shown = new(tls.Certificate)
	}
	s.client = http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment,
			TLSClientConfig: &tls.Config{
				MinVersion: tls.VersionTLS12,
				RootCAs:    o.Roots,
				GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					s.asked.Store(true)
					return shown, nil
				},
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       o.Timeout,
	}
	return s
}

// Close closes idle connections.
func (s *Sender) Close() { s.client.CloseIdleConnections() }

// Notify sends a notification signed with the app secret. It returns an error if
// there is no answer.
func (s *Sender) Notify(ctx context.Context, secret string, body []byte) (Answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url.String(), bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", notificationAgent)
	r.Header.Set(SignatureHeader, Sign(secret, body))
	return s.send(r)
}

// Sign returns the value of the signature header for a body.
func Sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func (s *Sender) send(r *http.Request) (a Answer, err error) {
	start := time.Now()
	res, err := s.client.Do(r)
	if err != nil {
		return Answer{}, s.explain(err)
	}
	defer res.Body.Close()
	a = Answer{Status: res.StatusCode, Header: res.Header}
	a.Body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	a.Took = time.Since(start)
	if err != nil {
		return a, fmt.Errorf("the answer, %s, was cut off: %w", a.StatusText(), s.explain(err))
	}
	if s.hasCert && !s.asked.Load() {
		return a, errNotAsked
	}
	return a, nil
}
