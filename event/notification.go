package event

// notification reads one notification: an object with its entries, or with
// the values of Threads.
func (s *scanner) notification() {
	s.object, s.whatsApp = span{}, false
	if s.peek() != '{' {
		s.newEntry()
		s.unrecognized(s.value())
		return
	}
	start := s.pos
	if object := s.member(start, "object"); s.literal(object).isName() {
		s.object, s.whatsApp = object, s.literal(object).says(objectWhatsApp)
	}
	s.pos = start
	if s.find("entry") && s.nested() {
		s.each(s.entry)
		s.leave()
		return
	}
	target := s.member(start, "target_id")
	s.pos = start
	if s.literal(target).saysSomething() && s.find("values") && s.nested() {
		s.threads(start, target)
		return
	}
	s.pos = start
	s.newEntry()
	s.unrecognized(s.value())
}

// threads reads the values of Threads, which come next in the notification
// that begins at start.
func (s *scanner) threads(start int, target span) {
	values := s.pos
	s.object = s.doc.threads()
	s.whatsApp = false
	e := s.newEntry()
	e.id, e.time = target, s.member(start, "time")
	s.pos = values
	s.each(s.readChange)
	s.leave()
}

// member returns the value of a member of the object that begins at start.
func (s *scanner) member(start int, name string) span {
	s.pos = start
	if !s.find(name) {
		return span{}
	}
	return s.value()
}

// entry reads one entry of a notification.
func (s *scanner) entry() {
	e := s.newEntry()
	start, first := s.pos, len(s.updates)
	if s.peek() != '{' {
		s.unrecognized(s.value())
		return
	}
	var (
		known bool // there was something in it that the contract names
		field span
		value int // where it begins
	)
	for s.enter(); s.next(); {
		switch string(s.name()) {
		case "id":
			e.id = s.value()
		case "uid":
			e.uid = s.value()
		case "time":
			e.time = s.value()
		case "changes":
			known = s.list(s.readChange) || known
		case "messaging":
			known = s.list(s.messaging) || known
		case "standby":
			known = s.list(s.standby) || known
		case "changed_fields":
			known = s.list(s.changedField) || known
		case "field":
			field = s.value()
		case "value":
			value = s.pos
			s.skip()
		default:
			s.skip()
		}
	}
	end := s.pos
	if value > 0 && s.literal(field).isName() {
		known = true
		s.pos = value
		s.change = change{field: field, first: len(s.updates), arrays: s.change.arrays[:0]}
		s.readValue()
		s.addChange()
		s.pos = end
	}
	if !known {
		s.updates = s.updates[:first]
		s.unrecognized(spanOf(start, end))
	}
}

// list reads a list of updates, each with read, and reports whether there was
// a list. What stands there else is not recognized; should there be nothing
// else in the entry, the whole entry is not.
func (s *scanner) list(read func()) bool {
	if s.peek() != '[' {
		s.unrecognized(s.value())
		return false
	}
	s.each(read)
	return true
}

// A change is one element of changes, or of the values of Threads.
type change struct {
	field, value, data span
	first              int     // of the updates in it
	arrays             []array // the lists in its value whose elements are updates
}

// readChange reads the change that comes next.
func (s *scanner) readChange() {
	if s.peek() != '{' {
		s.unrecognized(s.value())
		return
	}
	start, others := s.pos, false
	s.change = change{first: len(s.updates), arrays: s.change.arrays[:0]}
	for s.enter(); s.next(); {
		switch string(s.name()) {
		case "field":
			s.change.field = s.value()
		case "value":
			s.readValue()
		default:
			others = true
			s.skip()
		}
	}
	if others {
		whole := s.text[start:s.pos]
		s.change.data = s.doc.compose(func(dst []byte) []byte { return appendWithout(dst, whole, "field") })
	}
	s.addChange()
}

// readValue reads the value of the change.
func (s *scanner) readValue() {
	s.found = captures{}
	s.change.value = s.capture(valueNode, &s.found)
	s.change.data = s.change.value
}

// addChange adds what the change is.
func (s *scanner) addChange() {
	c := &s.change
	named := s.literal(c.field).isName()
	if named && len(c.arrays) > 0 {
		s.split()
		return
	}
	s.updates = s.updates[:c.first]
	k := kindUnrecognized
	if named {
		k = kindOfField
	}
	u := s.add(k)
	u.field, u.data[0] = c.field, c.data
	if c.value.empty() {
		return
	}
	u.time = s.found[timestamp]
	u.subject = s.first(valueSubjects, &s.found)
	if named {
		u.key = s.naturalKey(keysOf(valueKeys, s.literal(c.field).text()), &s.found)
	}
}

// changedField reads the name of a field that changed.
func (s *scanner) changedField() {
	name := s.value()
	if s.literal(name).isName() {
		s.add(kindOfField).field = name
	} else {
		s.unrecognized(name)
	}
}

// messaging reads an item of messaging.
func (s *scanner) messaging() { s.item(0) }

// standby reads an item of standby.
func (s *scanner) standby() { s.item(kindStandby) }

// item reads what happened in a conversation. Where no kind is given, what it
// holds tells it.
func (s *scanner) item(k kind) {
	if s.peek() != '{' {
		s.unrecognized(s.value())
		return
	}
	s.found, s.itemKind = captures{}, 0
	data := s.capture(itemNode, &s.found)
	switch {
	case k > 0:
	case s.literal(s.found[messageIsEcho]).isTrue():
		k = kindEcho
	case s.itemKind > 0:
		k = s.itemKind
	default:
		k = kindMessaging
	}
	u := s.add(k)
	u.data[0] = data
	u.time = s.found[timestamp]
	u.subject = s.first(itemSubjects, &s.found)
	u.key = s.naturalKey(keysOfKind[k], &s.found)
}
