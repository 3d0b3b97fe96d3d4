// Package clientcert reads who a client certificate names, from the
// certificate itself and from the headers in which proxies pass it on, and
// verifies chains of certificates.
package clientcert

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
)

var oidCommonName = asn1.ObjectIdentifier{2, 5, 4, 3}

// CommonNames returns the common names in the subject of a certificate, in
// its order.
func CommonNames(cert *x509.Certificate) []string {
	var names []string
	for _, attribute := range cert.Subject.Names {
		if attribute.Type.Equal(oidCommonName) {
			name, _ := attribute.Value.(string)
			names = append(names, name)
		}
	}
	return names
}

// DistinguishedName writes a name in DER as RFC 2253 does, with every common
// name in it; a pkix.Name keeps only one.
func DistinguishedName(der []byte) string {
	var name pkix.RDNSequence
	if _, err := asn1.Unmarshal(der, &name); err != nil {
		return ""
	}
	return name.String()
}
