package event

import "slices"

// notification reads one notification: an object with its entries, or with
// the values of Threads.
func (s *scanner) notification() {
	s.object, s.whatsApp = span{}, false
	start := s.pos
	if s.peek() != '{' {
		s.newEntry()
		s.unrecognized(s.value())
		return
	}
	vetted, named, entries, others := s.vetted, false, false, false
	for in := s.open(); s.nextMember(&in); {
		switch string(in.name) {
		case "object":
			named = true
			s.about(s.value())
		case "entry":
			if !named {
				s.about(s.objectBehind(in))
			}
			if entries = s.nested(); entries {
				s.each(s.entry)
			} else {
				s.skip()
			}
		default:
			others = true
			s.skip()
		}
	}
	end := s.pos
	s.vetted = true // no matter who has seen it now
	switch whole := s.text[start:end]; {
	case entries && others:
		s.newEntry()
		s.unrecognized(s.leftOver(whole, func(name, _ literal) bool { return !name.says("object") && !name.says("entry") }))
	case entries:
	case s.threads(start, end):
	default:
		s.newEntry()
		s.unrecognized(spanOf(start, end))
	}
	s.pos, s.vetted = end, vetted
}

// about notes the notification's object, if that is a name.
func (s *scanner) about(object span) {
	if s.literal(object).isName() {
		s.object, s.whatsApp = object, s.literal(object).says(objectWhatsApp)
	}
}

// objectBehind returns the object of the notification, which it looks for
// behind the value that comes next. What it goes over is vetted then, to be read as
// if it came next again.
func (s *scanner) objectBehind(in opened) (object span) {
	from := s.pos
	s.skip()
	for s.nextMember(&in) {
		if string(in.name) == "object" {
			object = s.value()
		} else {
			s.skip()
		}
	}
	s.pos, s.vetted = from, true
	return object
}

// threads reads the notification that stands there if it is one of Threads,
// and reports whether it is.
func (s *scanner) threads(start, end int) bool {
	target, values := s.member(start, "target_id"), s.member(start, "values")
	if s.pos = int(values.from); !s.literal(target).saysSomething() || values.empty() || !s.nested() {
		return false
	}
	s.object = s.doc.threads()
	s.whatsApp = false
	e := s.newEntry()
	e.id, e.time = target, s.member(start, "time")
	s.each(s.readChange)
	unknown := func(name, _ literal) bool { return !slices.Contains(threadsNames, string(name.text())) }
	if whole := s.text[start:end]; hasMember(whole, unknown) {
		s.unrecognized(s.leftOver(whole, unknown))
	}
	return true
}

// member returns the value of a member of the object that begins at start, and
// is vetted.
func (s *scanner) member(start int, name string) span {
	c := cursor{text: s.text, pos: start}
	if !c.find(name) {
		return span{}
	}
	return c.value()
}

// entry reads one entry of a notification.
func (s *scanner) entry() {
	e := s.newEntry()
	start := s.pos
	if s.peek() != '{' {
		s.unrecognized(s.value())
		return
	}
	var (
		known  bool // there was something in it that the contract names
		others bool // and something that it does not
		field  span
		value  int // where it begins
	)
	list := func(read func()) {
		if s.peek() != '[' {
			others = true
			s.skip()
			return
		}
		known = true
		s.each(read)
	}
	for in := s.open(); s.nextMember(&in); {
		switch string(in.name) {
		case "id":
			e.id = s.value()
		case "uid":
			e.uid = s.value()
		case "time":
			e.time = s.value()
		case "changes":
			list(s.readChange)
		case "messaging":
			list(s.messaging)
		case "standby":
			list(s.standby)
		case "changed_fields":
			list(s.changedField)
		case whatsAppCalls:
			list(s.call)
		case "field":
			field = s.value()
		case "value":
			value = s.pos
			s.skip()
		default:
			others = true
			s.skip()
		}
	}
	end := s.pos
	flat := value > 0 && s.literal(field).isName()
	if flat {
		vetted := s.vetted
		s.pos, s.vetted = value, true
		s.change = change{field: field, first: len(s.updates), arrays: s.change.arrays[:0]}
		s.readValue()
		s.addChange()
		s.pos, s.vetted = end, vetted
	} else if !field.empty() || value > 0 {
		others = true
	}
	switch whole := s.text[start:end]; {
	case !known && !flat:
		s.unrecognized(spanOf(start, end))
	case others:
		s.unrecognized(s.leftOver(whole, func(name, value literal) bool {
			switch text := string(name.text()); {
			case slices.Contains(entryNames, text):
				return false
			case slices.Contains(entryLists, text):
				return value[0] != '['
			case text == "field" || text == "value":
				return !flat
			}
			return true
		}))
	}
}

// leftOver makes an object of some members of another.
func (s *scanner) leftOver(object literal, kept func(name, value literal) bool) span {
	return s.doc.compose(func(dst []byte) []byte { return appendSome(dst, object, kept) })
}

// A change is one element of changes, or of the values of Threads.
type change struct {
	whole              span // all of it
	field, value, verb span
	others             bool    // it has members beside field and value
	first              int     // of the updates in it
	arrays             []array // the lists in its value whose elements are updates
}

// readChange reads the change that comes next.
func (s *scanner) readChange() {
	if s.peek() != '{' {
		s.unrecognized(s.value())
		return
	}
	start := s.pos
	s.change = change{first: len(s.updates), arrays: s.change.arrays[:0]}
	for in := s.open(); s.nextMember(&in); {
		switch string(in.name) {
		case "field":
			s.change.field = s.value()
		case "value":
			s.readValue()
		case "verb":
			s.change.verb, s.change.others = s.value(), true
		default:
			s.change.others = true
			s.skip()
		}
	}
	s.change.whole = spanOf(start, s.pos)
	s.addChange()
}

// readValue reads the value of the change.
func (s *scanner) readValue() {
	s.found, s.itemKind = captures{}, 0
	s.change.value = s.capture(valueNode, &s.found)
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
	u.field, u.data[0] = c.field, c.value
	if c.others {
		u.data[0] = s.leftOver(s.literal(c.whole), func(name, _ literal) bool { return !name.says("field") })
	}
	if !c.value.empty() {
		s.describe(u)
	}
}

// describe adds what the change's value says of the update.
func (s *scanner) describe(u *draft) {
	found := &s.found
	field, once := s.fieldOf(u), s.once()
	if u.time = s.first(valueTimes, found); !once && u.time == found[createdTime] {
		u.time = span{}
	}
	switch {
	case u.kind != kindOfField:
	case s.whatsApp:
		u.own = once && s.ownID(field)
		if u.scope = s.within(found[addressee], handoverTo); !u.scope.empty() {
			u.party = s.first(handoverFrom, found)
		}
	case field.item:
		content := s.content()
		u.key = s.naturalKey(u, content, keysOfKind[content], found)
		u.subject = s.first(itemSubjects, found)
		s.between(u)
	default:
		u.key = s.naturalKey(u, kindOfField, field.keys, found)
		u.own = once && s.ownID(field)
		u.subject = s.first(field.subject, found)
		u.party, u.about = s.first(field.about, found), true
	}
	if u.subject.empty() {
		u.subject = s.first(valueSubjects, found)
	}
}

// fieldOf returns what is known of the update's field.
func (s *scanner) fieldOf(u *draft) *changeField {
	if u.kind != kindOfField {
		return &noField
	}
	object := s.doc.literal(s.object)
	for _, f := range fieldsByName[string(s.literal(u.field).text())] {
		if f.object == "" || object.says(f.object) {
			return f
		}
	}
	for _, f := range fieldsByName[""] {
		if object.says(f.object) {
			return f
		}
	}
	return &noField
}

var noField changeField

// once reports whether what happened can have happened only once to the thing
// that the value is about.
func (s *scanner) once() bool {
	at := s.found[valueVerb]
	if at.empty() {
		at = s.change.verb
	}
	if at.empty() {
		return true
	}
	for _, verb := range onceVerbs {
		if s.literal(at).says(verb) {
			return true
		}
	}
	return false
}

// ownID reports whether the value of what happens once names an id, so that an
// equal value is the same update.
func (s *scanner) ownID(field *changeField) bool {
	if len(field.own) == 0 || s.first(field.own, &s.found).empty() {
		return false
	}
	item := s.found[valueItem]
	return item.empty() || s.literal(item).says(commentItem)
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
	clear(s.found[:itemMemberCount])
	s.itemKind = 0
	data := s.capture(itemNode, &s.found)
	content := s.content()
	if k == 0 {
		k = content
	}
	u := s.add(k)
	u.data[0] = data
	u.time = s.first(itemTimes, &s.found)
	u.subject = s.first(itemSubjects, &s.found)
	u.key = s.naturalKey(u, content, keysOfKind[content], &s.found)
	s.between(u)
}

// content returns the kind of what the item that has been read holds.
func (s *scanner) content() kind {
	switch {
	case s.literal(s.found[messageIsEcho]).isTrue():
		return kindEcho
	case s.itemKind > 0:
		return s.itemKind
	}
	return kindMessaging
}

// between notes who the item that has been read comes from, and whom it goes
// to.
func (s *scanner) between(u *draft) {
	u.sides, u.echo = true, s.literal(s.found[messageIsEcho]).isTrue()
	u.party, u.other = s.first(itemFrom, &s.found), s.found[addressee]
}

// call reads a call of Messenger.
func (s *scanner) call() {
	if s.peek() != '{' {
		s.unrecognized(s.value())
		return
	}
	found := &s.inElement
	clear(found[:elementMemberCount])
	data := s.capture(elementNode, found)
	u := s.add(callsKind)
	u.data[0] = data
	u.time = s.first(elementTimes, found)
	u.subject = s.first(elementSubjects, found)
	u.key = s.naturalKey(u, callsKind, keysOfKind[callsKind], found)
	u.sides = true
	u.party, u.other = s.first(callFrom, found), s.first(callTo, found)
}
