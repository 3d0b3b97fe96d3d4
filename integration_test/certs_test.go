package integration_test

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
	"os"
	"path/filepath"
	"testing"
	"time"
)

// metaName is the common name of the certificate that Meta presents.
const metaName = "client.webhooks.fbclientcerts.com"

// A certificate is one with its key.
type certificate struct {
	*x509.Certificate
	key *ecdsa.PrivateKey
}

// The authorities. Meta's are the ones that gateways trust.
var (
	root         = selfSigned("Root", authority)
	intermediate = root.issue("Intermediate", authority)
	otherRoot    = selfSigned("Root", authority)
	// otherIntermediate has the names of intermediate, and nothing else of it.
	otherIntermediate = otherRoot.issue("Intermediate", authority)
)

// issue makes a certificate with a common name, changed by each of the
// options.
func (c *certificate) issue(name string, options ...func(*x509.Certificate)) *certificate {
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
		parent, signer = c.Certificate, c.key
	}
	der := must(x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer))
	return &certificate{must(x509.ParseCertificate(der)), key}
}

// selfSigned makes a certificate that nobody else has issued.
func selfSigned(name string, options ...func(*x509.Certificate)) *certificate {
	return (*certificate)(nil).issue(name, options...)
}

// shown returns what a client presents that has this certificate, with the
// certificates that lead to it.
func (c *certificate) shown(with ...*certificate) *tls.Certificate {
	shown := &tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: c.key}
	for _, other := range with {
		shown.Certificate = append(shown.Certificate, other.Raw)
	}
	return shown
}

func (c *certificate) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func authority(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid = true, true
	c.KeyUsage, c.ExtKeyUsage = x509.KeyUsageCertSign, nil
	c.NotAfter = time.Now().AddDate(0, 1, 0)
}

func expired(c *x509.Certificate)     { c.NotAfter = time.Now().Add(-time.Minute) }
func notYetValid(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }

// usage replaces what the certificate is for.
func usage(of ...x509.ExtKeyUsage) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.ExtKeyUsage = of }
}

// dnsNames gives the certificate subject alternative names.
func dnsNames(names ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.DNSNames = names }
}

// subject replaces the subject.
func subject(rdns ...pkix.RelativeDistinguishedNameSET) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.RawSubject = must(asn1.Marshal(pkix.RDNSequence(rdns))) }
}

// rdn returns a part of a subject.
func rdn(attributes ...pkix.AttributeTypeAndValue) pkix.RelativeDistinguishedNameSET {
	return attributes
}

// The attributes of subjects.
func commonName(value string) pkix.AttributeTypeAndValue   { return attribute(3, value) }
func country(value string) pkix.AttributeTypeAndValue      { return attribute(6, value) }
func organization(value string) pkix.AttributeTypeAndValue { return attribute(10, value) }
func unit(value string) pkix.AttributeTypeAndValue         { return attribute(11, value) }

func attribute(id int, value string) pkix.AttributeTypeAndValue {
	return pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, id}, Value: value}
}

// distinguishedName returns a name as RFC 2253 and nginx write it, with
// nothing of it left out.
func distinguishedName(raw []byte) string {
	var rdns pkix.RDNSequence
	must(asn1.Unmarshal(raw, &rdns))
	return rdns.String()
}

// writeFile writes a file to the folder of a test, and returns its path.
func writeFile(t *testing.T, dir, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// must is for what fails only if the test is wrong.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
