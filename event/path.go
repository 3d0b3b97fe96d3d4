package event

import (
	"strconv"
	"strings"
)

// DataAt returns a member of the event's data, and reports whether there is
// one. The path leads to it by the names of members and the numbers of
// elements, counted from 0, with dots between them: metadata.phone_number_id,
// messages.0.type. The empty path leads to the data itself. A string comes
// without its quotes and escapes, everything else as JSON, as Meta sent it.
//
// Nothing is kept between calls: each reads the data as far as the path leads.
// A name with a dot in it cannot be asked for.
func (e *Event) DataAt(path string) (value string, ok bool) {
	if !e.HasData() {
		return "", false
	}
	return e.wholeData().lookup(path)
}

// Lookup does the same with the data of an event that was stored. It must be
// valid JSON, without white space around it.
func Lookup(data []byte, path string) (value string, ok bool) {
	if len(data) == 0 {
		return "", false
	}
	return literal(data).lookup(path)
}

func (l literal) lookup(path string) (value string, ok bool) {
	at := l
	if path != "" {
		for name := range strings.SplitSeq(path, ".") {
			if at, ok = at.at(name); !ok {
				return "", false
			}
		}
	}
	if at[0] == '"' {
		at = at.text()
	}
	return string(at), true
}

// wholeData returns the data in one piece, which shares the notification's
// bytes if they are in one piece there.
func (e *Event) wholeData() literal {
	if e.whole() {
		return e.doc.literal(e.data[0])
	}
	return e.AppendData(nil)
}

// at returns a member of an object, or an element of a list by its number.
func (l literal) at(name string) (literal, bool) {
	switch l[0] {
	case '{':
		for member, value := range members(l) {
			if member.says(name) {
				return value, true
			}
		}
	case '[':
		n, err := strconv.Atoi(name)
		if err != nil || strconv.Itoa(n) != name {
			return nil, false
		}
		for element := range elements(l) {
			if n == 0 {
				return element, true
			}
			n--
		}
	}
	return nil, false
}
