// Package certs makes certificates for tests and benchmarks. It panics if one
// cannot be made: only a mistake of its caller is a reason.
package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"net"
	"time"
)

// A Certificate is one with its key.
type Certificate struct {
	*x509.Certificate
	Key *ecdsa.PrivateKey
}

// Issue makes a certificate with a common name, changed by each of the
// options.
func (c *Certificate) Issue(name string, options ...func(*x509.Certificate)) *Certificate {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: must(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, option := range options {
		option(template)
	}
	parent, signer := template, key
	if c != nil {
		parent, signer = c.Certificate, c.Key
	}
	der := must(x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer))
	return &Certificate{must(x509.ParseCertificate(der)), key}
}

// SelfSigned makes a certificate that nobody else has issued.
func SelfSigned(name string, options ...func(*x509.Certificate)) *Certificate {
	return (*Certificate)(nil).Issue(name, options...)
}

// TLS returns what a client presents that has this certificate, with the
// certificates that lead to it.
func (c *Certificate) TLS(with ...*Certificate) *tls.Certificate {
	shown := &tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: c.Key}
	for _, other := range with {
		shown.Certificate = append(shown.Certificate, other.Raw)
	}
	return shown
}

// PEM returns the certificate alone.
func (c *Certificate) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// Authority makes the certificate one that others may be issued by.
func Authority(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid = true, true
	c.KeyUsage, c.ExtKeyUsage = x509.KeyUsageCertSign, nil
	c.NotAfter = time.Now().AddDate(0, 1, 0)
}

// Expired makes the certificate one whose time is over.
func Expired(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }

// NotYetValid makes the certificate one whose time is to come.
func NotYetValid(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }

// Usage replaces what the certificate is for.
func Usage(of ...x509.ExtKeyUsage) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.ExtKeyUsage = of }
}

// DNSNames gives the certificate subject alternative names.
func DNSNames(names ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.DNSNames = names }
}

// Subject replaces the subject.
func Subject(rdns ...pkix.RelativeDistinguishedNameSET) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.RawSubject = must(asn1.Marshal(pkix.RDNSequence(rdns))) }
}

// RDN returns a part of a subject.
func RDN(attributes ...pkix.AttributeTypeAndValue) pkix.RelativeDistinguishedNameSET {
	return attributes
}

// The attributes of subjects.
func CommonName(value string) pkix.AttributeTypeAndValue   { return attribute(3, value) }
func Country(value string) pkix.AttributeTypeAndValue      { return attribute(6, value) }
func Organization(value string) pkix.AttributeTypeAndValue { return attribute(10, value) }
func Unit(value string) pkix.AttributeTypeAndValue         { return attribute(11, value) }

func attribute(id int, value string) pkix.AttributeTypeAndValue {
	return pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, id}, Value: value}
}

// DistinguishedName returns a name as RFC 2253 and nginx write it, with
// nothing of it left out.
func DistinguishedName(raw []byte) string {
	var rdns pkix.RDNSequence
	must(asn1.Unmarshal(raw, &rdns))
	return rdns.String()
}

// KeyPEM returns the key.
func (c *Certificate) KeyPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(c.Key))})
}

// Pool returns the pool of those who trust this certificate alone.
func (c *Certificate) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.Certificate)
	return pool
}

// LoopbackAddress makes the certificate one for 127.0.0.1.
func LoopbackAddress(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
