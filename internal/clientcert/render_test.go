package clientcert

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/certs"
)

// randomSubject returns a subject of these values. The bits of shape say
// whether there is a common name, another one, in what order the parts come,
// and whether two of them are one. It reports whether that is a subject at all.
func randomSubject(commonName, other, organization string, shape byte) (pkix.RDNSequence, bool) {
	parts := pkix.RDNSequence{{certs.Country("US")}, {certs.Organization(organization)}}
	if shape&1 != 0 {
		parts = append(parts, pkix.RelativeDistinguishedNameSET{certs.CommonName(commonName)})
	}
	if shape&2 != 0 {
		parts = append(parts, pkix.RelativeDistinguishedNameSET{certs.CommonName(other)})
	} else {
		parts = append(parts, pkix.RelativeDistinguishedNameSET{certs.Unit(other)})
	}
	if shape&4 != 0 {
		slices.Reverse(parts)
	}
	if shape&8 != 0 {
		parts[1] = append(parts[1], parts[2]...)
		parts = slices.Delete(parts, 2, 3)
	}
	if shape&16 != 0 {
		parts[0], parts[len(parts)-1] = parts[len(parts)-1], parts[0]
	}
	if _, err := asn1.Marshal(parts); err != nil {
		return nil, false // not UTF-8
	}
	return parts, true
}

// certificateNames returns the common names as a certificate with the subject
// has them.
func certificateNames(subject pkix.RDNSequence) []string {
	der, _ := asn1.Marshal(subject)
	var read pkix.RDNSequence
	_, _ = asn1.Unmarshal(der, &read)
	cert := new(x509.Certificate)
	cert.Subject.FillFromRDNSequence(&read)
	return CommonNames(cert)
}

// join writes the parts of a subject, each attribute with write.
func join(subject pkix.RDNSequence, comma, plus string, write func(pkix.AttributeTypeAndValue) string) string {
	parts := make([]string, 0, len(subject))
	for _, part := range subject {
		attributes := make([]string, 0, len(part))
		for _, attribute := range part {
			attributes = append(attributes, write(attribute))
		}
		parts = append(parts, strings.Join(attributes, plus))
	}
	return strings.Join(parts, comma)
}

var attributeNames = map[string]string{"2.5.4.3": "CN", "2.5.4.6": "C", "2.5.4.10": "O", "2.5.4.11": "OU"}

func attributeName(a pkix.AttributeTypeAndValue) string { return attributeNames[a.Type.String()] }

// openSSLAttribute writes an attribute as OpenSSL does by RFC 2253.
func openSSLAttribute(a pkix.AttributeTypeAndValue) string {
	var b strings.Builder
	value := a.Value.(string)
	for i := range len(value) {
		switch c := value[i]; {
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\%02X`, c)
		case strings.IndexByte(`,+"\<>;`, c) >= 0, i == 0 && (c == '#' || c == ' '), i == len(value)-1 && c == ' ':
			b.WriteByte('\\')
			fallthrough
		default:
			b.WriteByte(c)
		}
	}
	return attributeName(a) + "=" + b.String()
}

func openSSLName(subject pkix.RDNSequence, comma string) string {
	subject = slices.Clone(subject)
	slices.Reverse(subject)
	return join(subject, comma, "+", openSSLAttribute)
}

// hexAttribute writes an attribute by its number, in hexadecimal form.
func hexAttribute(a pkix.AttributeTypeAndValue) string {
	der, _ := asn1.Marshal(a.Value)
	return a.Type.String() + "=#" + hex.EncodeToString(der)
}

// haproxyLine writes a name on one line as HAProxy does.
func haproxyLine(subject pkix.RDNSequence) string {
	return "/" + join(subject, "/", "/", func(a pkix.AttributeTypeAndValue) string {
		return attributeName(a) + "=" + a.Value.(string)
	})
}

// openSSLLine writes a name on one line as OpenSSL does, and nginx by it: with
// escaped slashes since OpenSSL 3.0.
func openSSLLine(subject pkix.RDNSequence, version int) string {
	plus := "/"
	if version >= 3 {
		plus = "+"
	}
	return "/" + join(subject, "/", plus, func(a pkix.AttributeTypeAndValue) string {
		var b strings.Builder
		value := a.Value.(string)
		for i := range len(value) {
			switch c := value[i]; {
			case c < ' ' || c > '~':
				fmt.Fprintf(&b, `\x%02X`, c)
			case version >= 3 && (c == '/' || c == '+'):
				b.WriteByte('\\')
				fallthrough
			default:
				b.WriteByte(c)
			}
		}
		return attributeName(a) + "=" + b.String()
	})
}

// The renderers above against what OpenSSL 3.0.19, HAProxy 2.6.12 and nginx
// 1.22.1 have written of certificates with these subjects.
func TestRenderersWriteAsProxiesDo(t *testing.T) {
	of := func(attributes ...pkix.AttributeTypeAndValue) pkix.RDNSequence {
		var subject pkix.RDNSequence
		for _, a := range attributes {
			subject = append(subject, pkix.RelativeDistinguishedNameSET{a})
		}
		return subject
	}
	for _, tc := range []struct {
		subject                    pkix.RDNSequence
		rfc2253, line, haproxyLine string
	}{
		{
			of(certs.Country("US"), certs.Organization("Meta Platforms, Inc."), certs.CommonName(name)),
			"CN=" + name + `,O=Meta Platforms\, Inc.,C=US`,
			"/C=US/O=Meta Platforms, Inc./CN=" + name, "/C=US/O=Meta Platforms, Inc./CN=" + name,
		},
		{of(certs.Organization("x/CN=" + name)), "O=x/CN=" + name, `/O=x\/CN=` + name, "/O=x/CN=" + name},
		{of(certs.CommonName(name + "/O=x")), "CN=" + name + "/O=x", "/CN=" + name + `\/O=x`, "/CN=" + name + "/O=x"},
		{of(certs.Organization("A+B"), certs.CommonName(name)), "CN=" + name + `,O=A\+B`, `/O=A\+B/CN=` + name, "/O=A+B/CN=" + name},
		{of(certs.Organization("Müller"), certs.CommonName(name)), "CN=" + name + `,O=M\C3\BCller`, `/O=M\xC3\xBCller/CN=` + name, "/O=Müller/CN=" + name},
		{of(certs.Organization(`a"b`), certs.CommonName(name)), "CN=" + name + `,O=a\"b`, `/O=a"b/CN=` + name, `/O=a"b/CN=` + name},
		{of(certs.Organization(`x\`), certs.CommonName(name)), "CN=" + name + `,O=x\\`, `/O=x\/CN=` + name, `/O=x\/CN=` + name},
		{of(certs.CommonName("evil.example"), certs.CommonName(name)), "CN=" + name + ",CN=evil.example", "/CN=evil.example/CN=" + name, "/CN=evil.example/CN=" + name},
		{
			pkix.RDNSequence{{certs.Country("US")}, {certs.Unit("Müller"), certs.CommonName(name)}},
			`OU=M\C3\BCller+CN=` + name + ",C=US", `/C=US/OU=M\xC3\xBCller+CN=` + name, "/C=US/OU=Müller/CN=" + name,
		},
	} {
		for got, want := range map[string]string{
			openSSLName(tc.subject, ","): tc.rfc2253,
			openSSLLine(tc.subject, 3):   tc.line,
			haproxyLine(tc.subject):      tc.haproxyLine,
		} {
			if got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
	}
}
