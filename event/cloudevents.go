package event

import (
	"net/url"
	"slices"
	"unicode/utf8"
)

// The media types of CloudEvents in JSON.
const (
	MediaType      = "application/cloudevents+json"
	BatchMediaType = "application/cloudevents-batch+json"
)

// MarshalJSON implements [encoding/json.Marshaler]. It returns no error.
func (e Event) MarshalJSON() ([]byte, error) { return e.AppendJSON(nil), nil }

// AppendJSON appends the event in the JSON format of CloudEvents 1.0 to dst.
func (e *Event) AppendJSON(dst []byte) []byte {
	var enc encoder
	return enc.append(slices.Grow(dst, e.JSONRoom()), e)
}

// AppendJSONArray appends the events in the JSON batch format of CloudEvents
// 1.0, an array, to dst.
func AppendJSONArray(dst []byte, events []Event) []byte {
	n := len("[]") + len(events)
	for i := range events {
		n += events[i].JSONRoom()
	}
	dst = append(slices.Grow(dst, n), '[')
	var enc encoder
	for i := range events {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = enc.append(dst, &events[i])
	}
	return append(dst, ']')
}

// JSONRoom returns how many bytes AppendJSON makes room for. It never appends
// more.
func (e *Event) JSONRoom() int {
	const (
		// The object and the kind bring the quotes around the source and the type.
		always   = len(`{"specversion":"1.0","id":"","source":`+sourcePrefix+`,"type":`+typePrefix+`.,"partitionkey":""}`) + 2*len(ID{})
		withTime = len(`,"time":"2006-01-02T15:04:05.999999999Z"`)
		withData = len(`,"datacontenttype":"application/json","data":`)
	)
	at := e.at()
	n := always + len(e.objectLiteral()) + len(e.doc.kindLiteral(&e.update)) + attributeRoom("subject", e.subject) +
		attributeRoom("metaobject", at.object) + attributeRoom("metaentry", at.id) + attributeRoom("metauid", at.uid) +
		len(`,"metafield":`) + len(e.fieldLiteral())
	origin := e.origin().raw()
	if n += len(origin) + e.conversationRoom(); len(origin) > longest || !isPlain(origin) {
		n += 2 * len(origin) // to escape it
	}
	if !e.time.empty() || !at.time.empty() {
		n += withTime
	}
	if e.HasData() {
		n += withData
	}
	for _, part := range e.data {
		n += part.len()
	}
	return n
}

// attributeRoom returns how many bytes appendAttribute appends at most.
func attributeRoom(name string, value span) int {
	if value.empty() {
		return 0
	}
	return len(`,"":""`) + len(name) + value.len()
}

// appendAttribute appends a comma, a name, a colon and a string that says what
// the value says: the literal itself if it is a string, or a number in quotes.
// It appends nothing for a value that says nothing.
func appendAttribute(dst []byte, name string, value literal) []byte {
	switch {
	case !value.saysSomething():
		return dst
	case value[0] == '"':
		return append(append(dst, name...), value...)
	}
	return append(append(append(append(dst, name...), '"'), value...), '"')
}

// What sources and types begin with.
const (
	sourcePrefix = "https://graph.facebook.com/"
	typePrefix   = "com.facebook."
)

// appendOrigin appends what follows in the source.
func (e *Event) appendOrigin(dst []byte) []byte {
	origin := e.origin()
	if raw := origin.raw(); isPlain(raw) {
		return append(dst, raw...)
	}
	return append(dst, url.PathEscape(string(origin.text()))...)
}

// origin returns what tells the source from others.
func (e *Event) origin() literal {
	if origin := e.doc.literal(e.doc.origin(e.at())); origin.saysSomething() {
		return origin
	}
	return e.objectLiteral()
}

// appendType appends what follows in the type.
func (e *Event) appendType(dst []byte) []byte {
	dst = append(appendTypePart(dst, e.objectLiteral()), '.')
	return appendTypePart(dst, e.doc.kindLiteral(&e.update))
}

// appendTypePart appends a text in lower case, with an underscore for every
// character that is not plain.
func appendTypePart(dst []byte, l literal) []byte {
	if raw := l.raw(); isPlain(raw) {
		return append(dst, raw...)
	}
	text := l.text()
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case plain[c]:
			dst = append(dst, c)
		case 'A' <= c && c <= 'Z':
			dst = append(dst, c+'a'-'A')
		default:
			dst = append(dst, '_')
		}
		if c < utf8.RuneSelf {
			i++
		} else {
			_, size := utf8.DecodeRune(text[i:])
			i += size
		}
	}
	return dst
}

// isPlain reports whether the text holds plain characters only.
func isPlain(text []byte) bool {
	for _, c := range text {
		if !plain[c] {
			return false
		}
	}
	return true
}

// plain holds the characters that mean themselves in a path and in an event's
// type: a-z, 0-9, _ and -.
var plain = func() (plain [256]bool) {
	for _, c := range []byte("abcdefghijklmnopqrstuvwxyz0123456789_-") {
		plain[c] = true
	}
	return plain
}()
