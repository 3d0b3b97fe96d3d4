package event

import (
	"crypto/sha256"
	"slices"
)

// An array is one of the whatsAppArrays in the value of a change, and holds
// nothing but objects.
type array struct {
	place
	updates  [2]int // the first of its elements and the one behind the last, in scanner.updates
	from, to int    // in the body: from its first element to its last
}

// A place is where an array stands.
type place struct {
	kind    kind
	standby bool // in the value's member of this name
}

// array reads one of the whatsAppArrays. Its elements are updates if the
// notification is WhatsApp's, and they all are objects.
func (s *scanner) array(k kind, standby bool) {
	if !s.whatsApp || s.peek() != '[' {
		s.skip()
		return
	}
	a := array{place: place{k, standby}}
	a.updates[0] = len(s.updates)
	objects := true
	for in := s.open(); s.nextElement(&in); {
		if objects = objects && s.peek() == '{'; !objects {
			s.skip()
			continue
		}
		if a.to == 0 {
			a.from = s.pos
		}
		s.element(a.place)
		a.to = s.pos
	}
	if a.updates[1] = len(s.updates); !objects {
		s.updates = s.updates[:a.updates[0]]
	} else if a.to > 0 {
		s.change.arrays = append(s.change.arrays, a)
	}
}

// element reads an element of an array.
func (s *scanner) element(in place) {
	found := &s.inElement
	clear(found[:elementMemberCount])
	data := s.capture(elementNodeOf(in.kind), found)
	u := s.add(in.kind)
	if in.standby {
		u.kind = kindStandby
	}
	u.data[1] = data
	u.time = s.first(elementTimes, found)
	u.subject = s.first(elementSubjects, found)
	u.party = s.first(whoOfKind[in.kind], found)
	if in.kind == callsKind && s.literal(found[callDirection]).says(businessInitiated) {
		u.party = s.first(whoIsCalled, found)
	}
	u.key = s.naturalKey(u, in.kind, keysOfKind[in.kind], found)
	if !u.key.empty() && !found[novelty].empty() {
		s.keys = appendCompact(append(s.keys, 'w'), s.literal(data), s.spaced)
		u.key.to = uint32(len(s.keys))
	}
}

// split makes the elements that have been read updates of the change. The
// data of each is the change's value with its array reduced to the element,
// and without the other arrays that give events.
func (s *scanner) split() {
	c := &s.change
	if len(c.arrays) > 1 {
		if i := slices.IndexFunc(c.arrays, func(a array) bool { return a.kind == errorsKind }); i >= 0 {
			s.drop(i)
		}
	}
	phone := s.found[phoneNumberID]
	keyed := s.literal(phone).present()
	var rest span
	for _, a := range c.arrays {
		head, tail := s.around(&a)
		for i := a.updates[0]; i < a.updates[1]; i++ {
			u := &s.updates[i]
			u.field, u.scope = c.field, phone
			u.data[0], u.data[2] = head, tail
			if !keyed {
				u.party = span{}
			}
			if keyed && !u.key.empty() {
				continue
			}
			if rest.empty() {
				rest = s.rest()
			}
			u.key, u.keyed = rest, false
			if u.kind == kindStandby {
				u.key = s.restOf(rest, a.kind)
			}
		}
	}
	if c.others {
		u := s.add(kindUnrecognized)
		u.field = c.field
		u.data[0] = s.leftOver(s.literal(c.whole), func(name, _ literal) bool {
			return !name.says("field") && !name.says("value")
		})
	}
}

// drop takes the elements of one of the change's arrays out of the updates.
func (s *scanner) drop(i int) {
	arrays := s.change.arrays
	from, to := arrays[i].updates[0], arrays[i].updates[1]
	s.updates = slices.Delete(s.updates, from, to)
	for j := range arrays[i:] {
		a := &arrays[i+j]
		a.updates[0] -= to - from
		a.updates[1] -= to - from
	}
	s.change.arrays = slices.Delete(arrays, i, i+1)
}

// around returns what stands before and behind an element in its data.
func (s *scanner) around(a *array) (head, tail span) {
	c := &s.change
	if len(c.arrays) == 1 {
		return spanOf(int(c.value.from), a.from), spanOf(a.to, int(c.value.to))
	}
	middle := 0
	whole := s.doc.compose(func(dst []byte) []byte {
		start := len(dst)
		dst, middle = s.appendReduced(dst, s.literal(c.value), valueNode, a.place, 0)
		middle -= start
		return dst
	})
	return spanOf(int(whole.from), int(whole.from)+middle), spanOf(int(whole.from)+middle, int(whole.to))
}

// appendReduced appends a value, or the member of it that is at n, with one of
// the change's arrays emptied and without the others. It returns where in dst
// the element of the emptied one belongs.
func (s *scanner) appendReduced(dst []byte, object literal, n *node, keep place, middle int) ([]byte, int) {
	dst = append(dst, '{')
	for name, value := range members(object) {
		child := n.child(name.text())
		switch at := n.place(child); {
		case at == keep:
			dst = append(append(dst, name...), `:[`...)
			middle = len(dst)
			dst = append(dst, `],`...)
		case s.change.has(at):
		case child.isStandby() && value[0] == '{':
			dst = append(append(dst, name...), ':')
			dst, middle = s.appendReduced(dst, value, child, keep, middle)
			dst = append(dst, ',')
		default:
			dst = appendMember(dst, name, value)
		}
	}
	return closeObject(dst), middle
}

// rest returns where in s.keys is what stands in the ID of each element
// without a natural key for what its change's value holds beside the arrays,
// and without what speaks of its neighbours.
func (s *scanner) rest() span {
	from := len(s.keys)
	s.keys = s.appendRest(s.keys, s.literal(s.change.value), valueNode)
	sum := sha256.Sum256(s.keys[from:])
	s.keys = append(s.keys[:from], sum[:]...)
	return spanOf(from, len(s.keys))
}

// restOf returns the same for the elements of an array in standby, whose kind
// does not tell which array it is.
func (s *scanner) restOf(rest span, k kind) span {
	from := len(s.keys)
	s.keys = append(s.keys, s.keys[rest.from:rest.to]...)
	s.keys = append(s.keys, kindLiterals[k]...)
	return spanOf(from, len(s.keys))
}

func (s *scanner) appendRest(dst []byte, object literal, n *node) []byte {
	dst = append(dst, '{')
	for name, value := range members(object) {
		child := n.child(name.text())
		switch {
		case s.change.has(n.place(child)):
		case n == valueNode && name.says(neighbours):
		case child.isStandby() && value[0] == '{':
			dst = append(append(dst, name...), ':')
			dst = append(s.appendRest(dst, value, child), ',')
		default:
			dst = append(append(dst, name...), ':')
			dst = append(appendCompact(dst, value, s.spaced), ',')
		}
	}
	return closeObject(dst)
}

// has reports whether the elements of the array in this place are updates of
// the change.
func (c *change) has(at place) bool {
	return slices.ContainsFunc(c.arrays, func(a array) bool { return a.place == at })
}

// place returns where an array of the name of a child of n stands. The child
// is nil, and the place none, where the tables do not speak of it.
func (n *node) place(child *node) place {
	if child == nil || child.kind < firstArrayKind {
		return place{}
	}
	return place{child.kind, n != valueNode}
}

// isStandby reports whether the node, which may be nil, is the member of a
// value in which arrays may stand as well.
func (n *node) isStandby() bool { return n != nil && n.name == whatsAppStandby }
