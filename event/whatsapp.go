package event

import "slices"

// An array is one of the whatsAppArrays in the value of a change, and holds
// nothing but objects.
type array struct {
	kind     kind
	updates  [2]int // the first of its elements and the one behind the last, in scanner.updates
	from, to int    // in the body: from its first element to its last
}

// array reads one of the whatsAppArrays. Its elements are updates if the
// notification is WhatsApp's, and they all are objects.
func (s *scanner) array(k kind) {
	if !s.whatsApp || s.peek() != '[' {
		s.skip()
		return
	}
	a := array{kind: k}
	a.updates[0] = len(s.updates)
	objects := true
	for s.enter(); s.next(); {
		if objects = objects && s.peek() == '{'; !objects {
			s.skip()
			continue
		}
		if a.to == 0 {
			a.from = s.pos
		}
		s.element(k)
		a.to = s.pos
	}
	if a.updates[1] = len(s.updates); !objects {
		s.updates = s.updates[:a.updates[0]]
	} else if a.to > 0 {
		s.change.arrays = append(s.change.arrays, a)
	}
}

// element reads an element of an array.
func (s *scanner) element(k kind) {
	var found captures
	data := s.capture(elementNode, &found)
	u := s.add(k)
	u.data[1] = data
	u.time = found[timestamp]
	u.subject = s.first(elementSubjects, &found)
	u.key = s.naturalKey(keysOfKind[k], &found)
}

// split makes the elements that have been read updates of the change. The
// data of each is the change's value with its array reduced to the element,
// and without the other arrays that give events.
func (s *scanner) split() {
	c := &s.change
	if i := slices.IndexFunc(c.arrays, func(a array) bool { return a.kind == errorsKind }); i >= 0 && len(c.arrays) > 1 {
		s.drop(i)
	}
	phone := s.found[phoneNumberID]
	for _, a := range c.arrays {
		head, tail := s.around(&a)
		for i := a.updates[0]; i < a.updates[1]; i++ {
			u := &s.updates[i]
			u.field, u.phone = c.field, phone
			u.data[0], u.data[2] = head, tail
		}
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
		dst = append(dst, '{')
		for name, value := range members(s.literal(c.value)) {
			switch k := valueNode.kindOf(name); {
			case k == a.kind:
				dst = append(append(dst, name...), `:[`...)
				middle = len(dst) - start
				dst = append(dst, `],`...)
			case !slices.ContainsFunc(c.arrays, func(other array) bool { return other.kind == k }):
				dst = appendMember(dst, name, value)
			}
		}
		return closeObject(dst)
	})
	return spanOf(int(whole.from), int(whole.from)+middle), spanOf(int(whole.from)+middle, int(whole.to))
}
