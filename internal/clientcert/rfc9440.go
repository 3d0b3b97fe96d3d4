package clientcert

import (
	"crypto/x509"
	"encoding/base64"
	"strings"
)

// maxIntermediates is how many certificates are read besides the client's own.
const maxIntermediates = 8

// ParseChain returns the certificates in the headers Client-Cert and
// Client-Cert-Chain of RFC 9440, the client's own first. There may be no
// chain. Nothing has verified them.
func ParseChain(cert, chain string) ([]*x509.Certificate, error) {
	leaf, err := parseByteSequence(cert)
	if err != nil {
		return nil, err
	}
	certs := []*x509.Certificate{leaf}
	if chain == "" {
		return certs, nil
	}
	items := strings.SplitN(chain, ",", maxIntermediates+1)
	if len(items) > maxIntermediates {
		return nil, ErrMalformed
	}
	for _, item := range items {
		intermediate, err := parseByteSequence(strings.Trim(item, " \t"))
		if err != nil {
			return nil, err
		}
		certs = append(certs, intermediate)
	}
	return certs, nil
}

// parseByteSequence returns the certificate in a byte sequence of RFC 8941:
// Base64 between colons.
func parseByteSequence(s string) (*x509.Certificate, error) {
	text, ok := strings.CutPrefix(s, ":")
	if !ok {
		return nil, ErrMalformed
	}
	if text, ok = strings.CutSuffix(text, ":"); !ok || strings.ContainsAny(text, "\r\n") {
		return nil, ErrMalformed // the decoder would skip line breaks
	}
	der, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, ErrMalformed
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, ErrMalformed
	}
	return cert, nil
}
