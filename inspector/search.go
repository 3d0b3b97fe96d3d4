package inspector

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A needle is a text that is looked for, in whatever case. The empty one is
// everywhere.
type needle string

func needleOf(text string) needle { return needle(strings.ToLower(strings.TrimSpace(text))) }

// inRow reports whether the text is in what a row shows.
func (n needle) inRow(r *row) bool {
	for _, text := range []string{r.ID, r.Subject, r.Conversation, r.Sender, r.Text, r.Error, r.Cause, r.URI} {
		if strings.Contains(strings.ToLower(text), string(n)) {
			return true
		}
	}
	return false
}

// in reports whether the text is in a body: as it was sent, or with its
// escapes, of which Meta makes many, read.
func (n needle) in(body []byte) bool {
	if n == "" {
		return true
	}
	if bytes.Contains(bytes.ToLower(body), []byte(n)) {
		return true
	}
	return bytes.IndexByte(body, '\\') >= 0 && bytes.Contains(bytes.ToLower(unescaped(body)), []byte(n))
}

// unescaped returns JSON with the escapes of its strings read.
func unescaped(text []byte) []byte {
	read := make([]byte, 0, len(text))
	for len(text) > 0 {
		at := bytes.IndexByte(text, '\\')
		if at < 0 || at+1 == len(text) {
			return append(read, text...)
		}
		read = append(read, text[:at]...)
		text = text[at+1:]
		var r rune
		r, text = escape(text)
		read = utf8.AppendRune(read, r)
	}
	return read
}

// escape returns the character that an escape stands for, whose backslash was
// read, and what is behind it.
func escape(text []byte) (r rune, rest []byte) {
	const short, meant = "bfnrt", "\b\f\n\r\t"
	if at := strings.IndexByte(short, text[0]); at >= 0 {
		return rune(meant[at]), text[1:]
	}
	r, rest, ok := unicodeEscape(text)
	if !ok {
		return rune(text[0]), text[1:]
	}
	if utf16.IsSurrogate(r) && len(rest) > 1 && rest[0] == '\\' {
		if low, after, ok := unicodeEscape(rest[1:]); ok {
			return utf16.DecodeRune(r, low), after
		}
	}
	return r, rest
}

func unicodeEscape(text []byte) (r rune, rest []byte, ok bool) {
	const digits = 4
	if len(text) <= digits || text[0] != 'u' {
		return 0, text, false
	}
	n, err := strconv.ParseUint(string(text[1:1+digits]), 16, 16)
	return rune(n), text[1+digits:], err == nil
}
