// Package certs makes certificates for tests and benchmarks. It panics where
// one cannot be made, which only a mistake of its caller is a reason for.
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

// Now is a time at which certificates are valid, unless an option says
// otherwise.
var Now = time.Now()

// A Cert is a certificate with its key.
type Cert struct {
	*x509.Certificate
	Key *ecdsa.PrivateKey
}

// An Option changes a certificate before it is signed.
type Option = func(*x509.Certificate)

// SelfSigned makes a certificate that is signed with its own key.
func SelfSigned(name string, options ...Option) *Cert {
	return (*Cert)(nil).Issue(name, options...)
}

// Issue makes a certificate for clients with a common name, signed by c.
func (c *Cert) Issue(name string, options ...Option) *Cert {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: must(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    Now.Add(-time.Hour),
		NotAfter:     Now.Add(time.Hour),
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
	return &Cert{must(x509.ParseCertificate(der)), key}
}

// TLS returns what a server or a client presents that has this certificate,
// with the certificates that lead to it.
func (c *Cert) TLS(with ...*Cert) *tls.Certificate {
	presented := &tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: c.Key}
	for _, other := range with {
		presented.Certificate = append(presented.Certificate, other.Raw)
	}
	return presented
}

// PEM returns the certificate in a block of its own.
func (c *Cert) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// KeyPEM returns the key in a block of its own.
func (c *Cert) KeyPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(c.Key))})
}

// Pool returns a pool of these certificates.
func Pool(certs ...*Cert) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range certs {
		pool.AddCert(c.Certificate)
	}
	return pool
}

// Chain returns the certificates without their keys.
func Chain(certs ...*Cert) []*x509.Certificate {
	chain := make([]*x509.Certificate, 0, len(certs))
	for _, c := range certs {
		chain = append(chain, c.Certificate)
	}
	return chain
}

// Authority makes a certificate one that may issue others, valid for a month.
func Authority(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid = true, true
	c.KeyUsage, c.ExtKeyUsage = x509.KeyUsageCertSign, nil
	c.NotAfter = Now.AddDate(0, 1, 0)
}

// Expired makes a certificate end before Now.
func Expired(c *x509.Certificate) { c.NotAfter = Now.Add(-time.Minute) }

// NotYetValid makes a certificate begin a minute after this call.
func NotYetValid(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }

// ForServers makes a certificate one for servers alone.
func ForServers(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }

// Usage replaces what a certificate is for; without arguments, it is for
// anything.
func Usage(of ...x509.ExtKeyUsage) Option {
	return func(c *x509.Certificate) { c.ExtKeyUsage = of }
}

// DNSNames gives a certificate subject alternative names.
func DNSNames(names ...string) Option {
	return func(c *x509.Certificate) { c.DNSNames = names }
}

// Loopback gives a certificate the subject alternative name 127.0.0.1.
func Loopback(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} }

// Subject replaces the subject with one of these attributes, each a part of
// its own.
func Subject(attributes ...pkix.AttributeTypeAndValue) Option {
	var parts pkix.RDNSequence
	for _, attribute := range attributes {
		parts = append(parts, pkix.RelativeDistinguishedNameSET{attribute})
	}
	return rawSubject(parts)
}

// SubjectInOnePart replaces the subject with one of these attributes, all of
// them in one part.
func SubjectInOnePart(attributes ...pkix.AttributeTypeAndValue) Option {
	return rawSubject(pkix.RDNSequence{attributes})
}

func rawSubject(parts pkix.RDNSequence) Option {
	return func(c *x509.Certificate) { c.RawSubject = must(asn1.Marshal(parts)) }
}

// The attributes of a subject.
func CommonName(value string) pkix.AttributeTypeAndValue   { return attribute(3, value) }
func Country(value string) pkix.AttributeTypeAndValue      { return attribute(6, value) }
func Organization(value string) pkix.AttributeTypeAndValue { return attribute(10, value) }
func Unit(value string) pkix.AttributeTypeAndValue         { return attribute(11, value) }

func attribute(id int, value string) pkix.AttributeTypeAndValue {
	return pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, id}, Value: value}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
