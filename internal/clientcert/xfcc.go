package clientcert

import "strings"

// isXFCC reports whether a header begins as X-Forwarded-Client-Cert does,
// which Envoy writes, and Istio and others that are built upon it. None of its
// keys is an attribute of names.
func isXFCC(header string) bool {
	key, _, ok := strings.Cut(header, "=")
	return ok && isXFCCKey(strings.ToLower(key))
}

func isXFCCKey(key string) bool {
	switch key {
	case "by", "hash", "cert", "chain", "subject", "uri", "dns":
		return true
	}
	return false
}

// xfccCommonNames returns the common names in the subject of a header of
// Envoy's, of one proxy. Each proxy on the way may add an element behind a
// comma, and nothing in an element tells whose client it is about.
//
// Envoy does not escape the alternative names of a certificate. It writes them
// behind the subject, so that a subject behind one is not to be believed.
func xfccCommonNames(header string) ([]string, error) {
	subject, found, alternative := "", false, false
	for rest, more := header, true; more; {
		key, value, ok := strings.Cut(rest, "=")
		key = strings.ToLower(key)
		if !ok || !isXFCCKey(key) {
			return nil, ErrMalformed
		}
		quoted := strings.HasPrefix(value, `"`)
		if quoted {
			if value, rest, ok = strings.Cut(value[1:], `"`); !ok {
				return nil, ErrMalformed
			}
			more = strings.HasPrefix(rest, ";")
			if !more && rest != "" {
				return nil, ErrMalformed
			}
			rest = strings.TrimPrefix(rest, ";")
		} else if value, rest, more = strings.Cut(value, ";"); strings.ContainsAny(value, `",=`) {
			return nil, ErrMalformed
		}
		switch key {
		case "uri", "dns":
			alternative = true
		case "subject":
			// A backslash before the quote may be part of the name, or escape it.
			if !quoted || found || alternative || strings.HasSuffix(value, `\`) {
				return nil, ErrMalformed
			}
			subject, found = value, true
		}
	}
	switch {
	case !found:
		return nil, ErrMalformed
	case subject == "":
		return nil, nil
	}
	return nameCommonNames(subject)
}
