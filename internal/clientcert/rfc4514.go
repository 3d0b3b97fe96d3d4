package clientcert

import (
	"encoding/asn1"
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// rfc4514CommonNames returns the common names in a name as RFC 4514 writes it,
// in whichever order its parts come. Some proxies put a space behind each
// comma: it has to stand behind every one or none.
func rfc4514CommonNames(name string) (names []string, err error) {
	commas, spaces := 0, 0
	for rest := name; ; {
		var attribute, value string
		var separator byte
		if attribute, rest, err = cutAttribute(rest); err != nil {
			return nil, err
		}
		hexadecimal := strings.HasPrefix(rest, "#")
		if value, separator, rest, err = cutValue(rest); err != nil {
			return nil, err
		}
		if isCommonName(attribute) {
			if hexadecimal {
				if value, err = hexText(value); err != nil {
					return nil, err
				}
			}
			names = append(names, value)
		}
		if separator == 0 {
			break
		}
		if separator == ',' {
			commas++
			if strings.HasPrefix(rest, " ") {
				spaces++
				rest = rest[1:]
			}
		}
	}
	// A comma and a space also join the lines of a repeated header.
	if spaces > 0 && (spaces < commas || len(names) > 1) {
		return nil, ErrMalformed
	}
	return names, nil
}

// cutValue cuts an attribute value and the separator behind it off a name: a
// comma, a plus sign, or 0 at the end. It leaves the hexadecimal form of a
// value as it is.
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

// hexText returns the text in the hexadecimal form of a value: a number sign
// and the DER of one string, of a type that crypto/x509 reads likewise.
func hexText(value string) (string, error) {
	der, err := hex.DecodeString(value[1:])
	if err != nil {
		return "", ErrMalformed
	}
	var element asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &element); err != nil || len(rest) > 0 {
		return "", ErrMalformed
	}
	switch element.Tag {
	case asn1.TagUTF8String, asn1.TagPrintableString, asn1.TagIA5String:
		var text string
		if _, err := asn1.Unmarshal(der, &text); err == nil {
			return text, nil
		}
	}
	return "", ErrMalformed
}
