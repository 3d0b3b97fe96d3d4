package event

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// literal is one JSON value exactly as it stands in the notification,
// without the white space around it. A nil literal is a value that Meta did
// not send.
type literal []byte

// text returns what a string or a number says: the string without its quotes
// and escapes, the number as it is written. Everything else has no text. The
// result shares the literal's bytes unless there is an escape to resolve.
func (l literal) text() []byte {
	switch {
	case len(l) == 0:
		return nil
	case l[0] == '"':
		text, _ := unquote(l)
		return text
	case l.isNumber():
		return l
	}
	return nil
}

// word returns what the literal says as a string, which is not made anew if it
// is one of the words.
func word(l literal) string {
	if len(l) > longest {
		return string(l.text())
	}
	if word, ok := words[string(l)]; ok {
		return word
	}
	return string(l.text())
}

// raw returns the characters of a string or a number as they stand: what it
// says, unless there is an escape to resolve.
func (l literal) raw() []byte {
	if l[0] == '"' {
		return l[1 : len(l)-1]
	}
	return l
}

// unquote returns the content of a JSON string. A string that escapes half a
// surrogate pair says nothing in Unicode, and ok is false; its escapes stay as
// they are, so that two different ones stay different.
func unquote(l literal) (text []byte, ok bool) {
	inner := l[1 : len(l)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner, true
	}
	text, err := jsontext.AppendUnquote(nil, []byte(l))
	if err != nil {
		return inner, false
	}
	return text, true
}

// isNumber reports whether the literal, which is not nil, is a number.
func (l literal) isNumber() bool { return l[0] == '-' || '0' <= l[0] && l[0] <= '9' }

// isName reports whether the literal is a string that is not empty.
func (l literal) isName() bool { return len(l) > 2 && l[0] == '"' }

// isTrue reports whether the literal is the JSON value true.
func (l literal) isTrue() bool { return string(l) == "true" }

// says reports whether the literal is a string, or a number, of that text.
func (l literal) says(text string) bool {
	if n := len(l); n < len(text) || n > longestLiteral(len(text)) {
		return false // not looked at: it may be a million times as long
	}
	return string(l.text()) == text
}

// longestLiteral returns how many bytes a literal has at most whose text has n.
func longestLiteral(n int) int { return len(`""`) + n*len(`\u0000`) }

// shortText returns the text, and nothing if it has more than the longest
// bytes.
func (l literal) shortText() []byte {
	if len(l) > longestLiteral(longest) {
		return nil
	}
	if text := l.text(); len(text) <= longest {
		return text
	}
	return nil
}

// saysSomething reports whether the literal has a text that is not empty.
func (l literal) saysSomething() bool {
	return len(l) > 0 && (l.isNumber() || l.isName())
}

// same reports whether the literal has a text, and another, which may be nil,
// has the same.
func (l literal) same(other literal) bool {
	switch {
	case !l.saysSomething() || !other.saysSomething():
		return false
	case bytes.Equal(l.raw(), other.raw()):
		return true
	case bytes.IndexByte(l, '\\') < 0 && bytes.IndexByte(other, '\\') < 0:
		return false
	}
	return bytes.Equal(l.text(), other.text())
}

// present reports whether the literal can tell one update from another: null
// and the empty string cannot.
func (l literal) present() bool {
	return len(l) > 0 && string(l) != "null" && string(l) != `""`
}

// appendCompact appends a JSON value, or a part of one, to dst without the
// white space that has no meaning, if there may be some.
func appendCompact(dst, value []byte, spaced bool) []byte {
	if !spaced {
		return append(dst, value...)
	}
	kept := 0 // what stands before is in dst, as far as it has a meaning
	for i := 0; i < len(value); {
		switch value[i] {
		case '"':
			i, _ = stringEnd(value, i)
		case ' ', '\t', '\n', '\r':
			dst = append(dst, value[kept:i]...)
			i++
			kept = i
		default:
			i++
		}
	}
	return append(dst, value[kept:]...)
}
