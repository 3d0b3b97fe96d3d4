package clientcert

import (
	"encoding/hex"
	"errors"
	"strings"
	"unicode/utf8"
)

// ErrMalformed is returned for a name that is not as RFC 4514 has it. It says
// nothing of what is in the name.
var ErrMalformed = errors.New("malformed distinguished name")

// SubjectCommonNames returns the common names in a subject as RFC 4514 writes
// it, in whichever order its parts come. What the RFC does not allow is an
// error rather than a guess: there are proxies that escape nothing.
func SubjectCommonNames(name string) (names []string, err error) {
	for rest := name; ; {
		var attribute, value string
		var separator byte
		if attribute, rest, err = cutAttribute(rest); err != nil {
			return nil, err
		}
		if value, separator, rest, err = cutValue(rest); err != nil {
			return nil, err
		}
		if isCommonName(attribute) {
			names = append(names, value)
		}
		if separator == 0 {
			return names, nil
		}
	}
}

// isCommonName reports whether an attribute type is the common name, by name
// or by number.
func isCommonName(attribute string) bool {
	return strings.EqualFold(attribute, "CN") || attribute == "2.5.4.3"
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

// cutValue cuts an attribute value and the separator behind it off a name: a
// comma, a plus sign, or 0 at the end.
func cutValue(s string) (value string, separator byte, rest string, err error) {
	var b strings.Builder
	hexadecimal := strings.HasPrefix(s, "#")
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case ',', '+':
			rest, separator = s[i+1:], c
			s = s[:i]
		case '\\':
			n, err := unescape(&b, s[i+1:])
			if err != nil || hexadecimal {
				return "", 0, "", ErrMalformed
			}
			i += n
		case '"', ';', '<', '>', 0:
			return "", 0, "", ErrMalformed
		case ' ':
			if i == 0 || i == len(s)-1 || s[i+1] == ',' || s[i+1] == '+' {
				return "", 0, "", ErrMalformed
			}
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	value = b.String()
	if hexadecimal {
		if _, err := hex.DecodeString(value[1:]); err != nil || len(value) == 1 {
			return "", 0, "", ErrMalformed
		}
	}
	if !utf8.ValidString(value) {
		return "", 0, "", ErrMalformed
	}
	return value, separator, rest, nil
}

// unescape writes what an escape stands for, and returns how many characters
// behind the backslash it takes.
func unescape(b *strings.Builder, s string) (int, error) {
	if s != "" && strings.IndexByte(` "#+,;<=>\`, s[0]) >= 0 {
		b.WriteByte(s[0])
		return 1, nil
	}
	if len(s) < 2 {
		return 0, ErrMalformed
	}
	c, err := hex.DecodeString(s[:2])
	if err != nil {
		return 0, ErrMalformed
	}
	b.Write(c)
	return 2, nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
