package clientcert

import (
	"strings"
	"unicode/utf8"
)

// onelineCommonNames returns the common names in a name on one line, as
// OpenSSL writes it. The common name has to stand last.
//
// Nothing is escaped in it by HAProxy, and not enough by OpenSSL: a backslash
// before a slash may be part of a value, or the escape of the slash, and a
// plus sign may join two attributes. Neither is accepted. A slash in a value
// cannot be told from one between attributes, so that more than one reading is
// possible; as the common name stands last, and alone, all of them agree on it
// if the certificate has any.
func onelineCommonNames(name string) ([]string, error) {
	if strings.ContainsAny(name, `\+`) || !utf8.ValidString(name) || strings.ContainsFunc(name, isControl) {
		return nil, ErrMalformed
	}
	var names []string
	last := false
	for part := range strings.SplitSeq(name[1:], "/") {
		attribute, value, err := cutAttribute(part)
		if err != nil {
			return nil, err
		}
		if last = isCommonName(attribute); last {
			names = append(names, value)
		}
	}
	if len(names) > 0 && !last {
		return nil, ErrMalformed
	}
	return names, nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
