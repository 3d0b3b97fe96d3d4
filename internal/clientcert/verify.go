package clientcert

import (
	"crypto/x509"
	"errors"
	"time"
)

// The reasons for which a chain is not valid.
var (
	ErrAuthority   = errors.New("no trusted authority has issued the certificate")
	ErrNotYetValid = errors.New("the certificate is not valid yet")
	ErrExpired     = errors.New("the certificate has expired")
	ErrUsage       = errors.New("the certificate is not for client authentication")
)

// A Verifier verifies chains of client certificates, and remembers which it
// has verified. The zero value is ready for use, by several goroutines.
type Verifier struct{ verified cache }

// Verify verifies the chain that a client has sent, its own certificate first.
// The error is one of those above; blamed is the certificate that it is about.
func (v *Verifier) Verify(pool *x509.CertPool, chain []*x509.Certificate, now time.Time) (blamed *x509.Certificate, err error) {
	leaf := chain[0]
	if pool == nil { // which x509 takes for the authorities of the system
		return leaf, ErrAuthority
	}
	if v.verified.contains(pool, chain, now) {
		return nil, nil
	}
	intermediates := x509.NewCertPool()
	for _, cert := range chain[1:] {
		intermediates.AddCert(cert)
	}
	verified, err := leaf.Verify(x509.VerifyOptions{
		Roots:         pool,
		Intermediates: intermediates,
		CurrentTime:   now,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err == nil {
		v.verified.add(pool, chain, verified[0])
		return nil, nil
	}
	invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
	switch {
	case !ok:
		return leaf, ErrAuthority
	case invalid.Reason == x509.Expired && now.Before(invalid.Cert.NotBefore):
		return invalid.Cert, ErrNotYetValid
	case invalid.Reason == x509.Expired:
		return invalid.Cert, ErrExpired
	case invalid.Reason == x509.IncompatibleUsage:
		return invalid.Cert, ErrUsage
	}
	return invalid.Cert, ErrAuthority
}
