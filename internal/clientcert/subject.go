package clientcert

import (
	"errors"
	"strings"
)

// ErrMalformed is returned for a header that is in none of the notations, or
// that may be read in two ways. It says nothing of what is in the header.
var ErrMalformed = errors.New("malformed or ambiguous client certificate header")

// SubjectCommonNames returns the common names in the subject of a certificate,
// as a proxy writes it in a header. Its first characters tell the notation:
//
//   - RFC 4514 and RFC 2253: CN=example.com,O=Example\, Inc.,C=US
//   - OpenSSL's one line: /C=US/O=Example, Inc./CN=example.com
//   - Envoy's X-Forwarded-Client-Cert: Hash=…;Subject="CN=example.com,C=US"
//
// What a notation does not allow is an error rather than a guess: there are
// proxies that escape nothing.
func SubjectCommonNames(header string) ([]string, error) {
	if isXFCC(header) {
		return xfccCommonNames(header)
	}
	return nameCommonNames(header)
}

// nameCommonNames returns the common names in a name alone.
func nameCommonNames(name string) ([]string, error) {
	if strings.HasPrefix(name, "/") {
		return onelineCommonNames(name)
	}
	return rfc4514CommonNames(name)
}

// isCommonName reports whether an attribute type is the common name, by one of
// its names or by its number.
func isCommonName(attribute string) bool {
	return strings.EqualFold(attribute, "CN") || strings.EqualFold(attribute, "commonName") || attribute == "2.5.4.3"
}

// cutAttribute cuts an attribute type and its equals sign off a name: letters,
// digits and hyphens behind a letter, or numbers with dots between them.
func cutAttribute(s string) (attribute, rest string, err error) {
	attribute, rest, ok := strings.Cut(s, "=")
	if !ok || attribute == "" {
		return "", "", ErrMalformed
	}
	numeric := isDigit(attribute[0])
	for i := range len(attribute) {
		c := attribute[i]
		switch {
		case isDigit(c):
		case numeric && c == '.' && i+1 < len(attribute) && isDigit(attribute[i+1]):
		case !numeric && isLetter(c):
		case !numeric && c == '-' && i > 0:
		default:
			return "", "", ErrMalformed
		}
	}
	return attribute, rest, nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
