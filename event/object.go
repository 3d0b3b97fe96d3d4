package event

import "iter"

// members yields the names and the values of an object.
func members(object literal) iter.Seq2[literal, literal] {
	return func(yield func(name, value literal) bool) {
		c := cursor{text: object}
		for c.enter(); c.next(); {
			name := c.value()
			c.gap()
			value := c.value()
			if !yield(object[name.from:name.to], object[value.from:value.to]) {
				return
			}
		}
	}
}

// appendWithout appends an object without one of its members.
func appendWithout(dst []byte, object literal, drop string) []byte {
	dst = append(dst, '{')
	for name, value := range members(object) {
		if !name.says(drop) {
			dst = appendMember(dst, name, value)
		}
	}
	return closeObject(dst)
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
