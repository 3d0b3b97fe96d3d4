package event

import "unicode/utf8"

// Certain reports whether a body is known to be valid without jsontext.
func Certain(body []byte) bool { return utf8.Valid(body) && newScanner().read(body) }

// ParseVetted is Parse without what it is quick by: it validates the body with
// jsontext, and reads it then.
func ParseVetted(body []byte) ([]Event, error) {
	s := newScanner()
	if err := s.validate(body); err != nil {
		return nil, parseError(err)
	}
	s.scan(body)
	return s.events(), nil
}
