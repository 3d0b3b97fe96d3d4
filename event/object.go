package event

import (
	"bytes"
	"iter"

	"github.com/go-json-experiment/json/jsontext"
)

// without returns an object without one of its members.
func without(object literal, drop string) literal {
	kept := literal{'{'}
	for name, value := range members(object) {
		if string(name.text()) != drop {
			kept = appendMember(kept, name, value)
		}
	}
	return closeObject(kept)
}

// members yields the names and the values of an object that has been read
// before. To read it again is for what hardly ever comes: most objects are
// handed on whole.
func members(object literal) iter.Seq2[literal, literal] {
	return func(yield func(name, value literal) bool) {
		dec := jsontext.NewDecoder(bytes.NewBuffer(object), strict, jsontext.AllowDuplicateNames(true))
		next := func() literal {
			v, err := dec.ReadValue()
			if err != nil {
				return nil
			}
			end := int(dec.InputOffset())
			return object[end-len(v) : end]
		}
		if _, err := dec.ReadToken(); err != nil {
			return
		}
		for dec.PeekKind() == '"' {
			if !yield(next(), next()) {
				return
			}
		}
	}
}

// appendMember appends a member and the comma behind it.
func appendMember(dst []byte, name, value literal) []byte {
	dst = append(append(dst, name...), ':')
	return append(append(dst, value...), ',')
}

// closeObject turns the comma behind the last member, if there is one, into
// the end of the object.
func closeObject(object []byte) []byte {
	if n := len(object); object[n-1] == ',' {
		object = object[:n-1]
	}
	return append(object, '}')
}
