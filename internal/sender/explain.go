package sender

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
)

// errNotAsked is the error for a client certificate that the server does not ask for.
var errNotAsked = errors.New("the server did not ask for a client certificate: " +
	"it has no client_auth for this host name, or a proxy in front of it terminates TLS")

// explain returns the reason why there is no answer, in plain words. It omits
// the URL, whose query holds the verify token.
func (s *Sender) explain(err error) error {
	if late, ok := errors.AsType[net.Error](err); ok && late.Timeout() {
		return fmt.Errorf("no answer from %s within %s", s.url.Host, s.client.Timeout)
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if reason := s.tlsReason(err); reason != "" {
		return errors.New(reason)
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return fmt.Errorf("no such host: %s", dns.Name)
		}
		return fmt.Errorf("looking up %s: %s", dns.Name, dns.Err)
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("connection refused: nothing listens at %s", s.address())
	case errors.Is(err, context.Canceled):
		return errors.New("canceled")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		switch {
		case s.asked.Load() && s.hasCert:
			return fmt.Errorf("%s closed the connection, perhaps because it rejects the client certificate", s.url.Host)
		case s.asked.Load():
			return fmt.Errorf("%s closed the connection, perhaps because it requires a client certificate. Use --cert and --key", s.url.Host)
		}
		return fmt.Errorf("%s closed the connection", s.url.Host)
	}
	return err
}

// address returns the host and port of the URL.
func (s *Sender) address() string {
	port := s.url.Port()
	switch {
	case port != "":
	case s.url.Scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	return net.JoinHostPort(s.url.Hostname(), port)
}

// tlsReason returns the reason why there is no TLS connection, or the empty
// string if err has nothing to do with TLS.
func (s *Sender) tlsReason(err error) string {
	if name, ok := errors.AsType[x509.HostnameError](err); ok {
		return fmt.Sprintf("TLS: the server's certificate is for %s, not for %s", names(name.Certificate), name.Host)
	}
	if authority, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "TLS: the server's certificate comes from an untrusted authority" + issuer(authority.Cert) +
			", or the server does not send the intermediate certificate. Use --cacert for a private authority; Meta trusts public ones only"
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		return invalidReason(invalid)
	}
	if record, ok := errors.AsType[tls.RecordHeaderError](err); ok && record.Conn != nil {
		return "TLS: the server does not speak TLS on this port"
	}
	text := err.Error()
	if strings.Contains(text, "server gave HTTP response to HTTPS client") {
		return "TLS: the server speaks plain HTTP on this port. Use http:// in the URL, or another port"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return s.alertReason(strings.TrimPrefix(op.Err.Error(), "tls: "))
	}
	if strings.HasPrefix(text, "tls: ") || strings.HasPrefix(text, "x509: ") {
		return "TLS: " + strings.TrimPrefix(strings.TrimPrefix(text, "tls: "), "x509: ")
	}
	return ""
}

// alertReason returns the meaning of the alert with which the server ended the
// connection.
func (s *Sender) alertReason(alert string) string {
	switch {
	case s.asked.Load() && !s.hasCert:
		return "TLS: the server requires a client certificate (" + alert + "). Use --cert and --key"
	case s.asked.Load() && strings.Contains(alert, "certificate"):
		return "TLS: the server rejects the client certificate (" + alert + "): " +
			"it is from an authority that client_auth does not trust, is expired, lacks its intermediate, or is not for clients"
	case strings.Contains(alert, "unrecognized name"), strings.Contains(alert, "internal error"):
		return fmt.Sprintf("TLS: the server has no certificate for %s (%s)", s.url.Hostname(), alert)
	}
	return "TLS: the server refuses the connection: " + alert
}

// invalidReason returns what is wrong with the server's certificate.
func invalidReason(invalid x509.CertificateInvalidError) string {
	cert := invalid.Cert
	if invalid.Reason != x509.Expired || cert == nil {
		return "TLS: the server's certificate is not valid: " + strings.TrimPrefix(invalid.Error(), "x509: ")
	}
	if cert.NotBefore.After(time.Now()) {
		return "TLS: the server's certificate is not valid before " + cert.NotBefore.UTC().Format(time.RFC3339)
	}
	return "TLS: the server's certificate expired at " + cert.NotAfter.UTC().Format(time.RFC3339)
}

// names returns the names in a certificate.
func names(cert *x509.Certificate) string {
	all := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		all = append(all, ip.String())
	}
	switch {
	case len(all) == 0:
		return "no name"
	case len(all) > 5:
		return fmt.Sprintf("%q and others", strings.Join(all[:5], ", "))
	}
	return fmt.Sprintf("%q", strings.Join(all, ", "))
}

// issuer returns the issuer of a certificate, in parentheses.
func issuer(cert *x509.Certificate) string {
	if cert == nil || cert.Issuer.String() == "" {
		return ""
	}
	return fmt.Sprintf(" (%q)", cert.Issuer.String())
}

// Explain returns the reason why there is no answer from a URL, in plain words,
// as a Sender to it does.
func Explain(u *url.URL, timeout time.Duration, err error) error {
	return New(u, Options{Timeout: timeout}).explain(err)
}
