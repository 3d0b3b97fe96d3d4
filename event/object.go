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

// elements yields the elements of a list.
func elements(list literal) iter.Seq[literal] {
	return func(yield func(literal) bool) {
		c := cursor{text: list}
		for c.enter(); c.next(); {
			element := c.value()
			if !yield(list[element.from:element.to]) {
				return
			}
		}
	}
}

// appendSome appends an object with those of its members that are kept.
func appendSome(dst []byte, object literal, kept func(name, value literal) bool) []byte {
	dst = append(dst, '{')
	for name, value := range members(object) {
		if kept(name, value) {
			dst = appendMember(dst, name, value)
		}
	}
	return closeObject(dst)
}

// hasMember reports whether an object has a member of some sort.
func hasMember(object literal, is func(name, value literal) bool) bool {
	for name, value := range members(object) {
		if is(name, value) {
			return true
		}
	}
	return false
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
