package event

import "slices"

// notification reads one notification: an object with its entries, or with
// the values of Threads.
func (s *scanner) notification() error {
	if s.dec.PeekKind() != '{' {
		return s.unrecognized(s.newEntry())
	}
	var (
		object, target, time    literal
		hasEntry, hasValues     bool
		values                  span // the updates that come from values
		valuesEntry             int
		firstEntry, firstUpdate = len(s.entries), len(s.updates)
	)
	whole, err := s.object(func(name []byte) (err error) {
		switch string(name) {
		case "object":
			object, err = s.value()
			return err
		case "entry":
			if hasEntry = s.nested(); hasEntry {
				return s.each(s.entry)
			}
		case "values":
			if hasValues = s.nested(); hasValues {
				valuesEntry = s.newEntry()
				values.from = len(s.updates)
				err = s.each(func() error { return s.change(valuesEntry) })
				values.to = len(s.updates)
				return err
			}
		case "target_id":
			target, err = s.value()
			return err
		case "time":
			time, err = s.value()
			return err
		}
		_, err = s.value()
		return err
	})
	if err != nil {
		return err
	}
	switch {
	case hasEntry:
		s.updates = slices.Delete(s.updates, values.from, values.to)
	case hasValues && len(target.text()) > 0:
		object = threadsLiteral
		s.entries[valuesEntry].id = target
		s.entries[valuesEntry].time = time
	default:
		s.entries, s.updates = s.entries[:firstEntry], s.updates[:firstUpdate]
		s.add(update{entry: s.newEntry(), kind: unrecognizedLiteral, data: whole})
	}
	if !object.isName() {
		object = nil
	}
	for i := firstEntry; i < len(s.entries); i++ {
		s.entries[i].object = object
	}
	return nil
}

// entry reads one entry of a notification.
func (s *scanner) entry() error {
	i := s.newEntry()
	if s.dec.PeekKind() != '{' {
		return s.unrecognized(i)
	}
	var (
		known bool // there was something in it that the contract names
		first = len(s.updates)
		flat  = update{entry: i}
		found *captures // in the value of flat
	)
	whole, err := s.object(func(name []byte) (err error) {
		switch string(name) {
		case "id":
			s.entries[i].id, err = s.value()
		case "uid":
			s.entries[i].uid, err = s.value()
		case "time":
			s.entries[i].time, err = s.value()
		case "changes":
			return s.list(i, &known, s.change)
		case "messaging":
			return s.list(i, &known, s.messaging)
		case "standby":
			return s.list(i, &known, s.standby)
		case "changed_fields":
			return s.list(i, &known, s.changedField)
		case "field":
			flat.field, err = s.value()
		case "value":
			err = s.changeValue(&flat)
			kept := s.found // which the lists of the entry write to as well
			found = &kept
		default:
			_, err = s.value()
		}
		return err
	})
	if err != nil {
		return err
	}
	if flat.value != nil && flat.field.isName() {
		known = true
		s.found = *found
		s.addChange(flat)
	}
	if !known {
		s.updates = append(s.updates[:first], update{entry: i, kind: unrecognizedLiteral, data: whole})
	}
	return nil
}

// list reads a list of updates, each with read. Where no list stands, what
// does stand there is not recognized; should there be nothing else in the
// entry, the whole entry is not.
func (s *scanner) list(entry int, known *bool, read func(entry int) error) error {
	if s.dec.PeekKind() != '[' {
		return s.unrecognized(entry)
	}
	*known = true
	return s.each(func() error { return read(entry) })
}

// change reads one element of changes, or of the values of Threads.
func (s *scanner) change(entry int) error {
	if s.dec.PeekKind() != '{' {
		return s.unrecognized(entry)
	}
	u := update{entry: entry}
	others := false
	whole, err := s.object(func(name []byte) (err error) {
		switch string(name) {
		case "field":
			u.field, err = s.value()
		case "value":
			err = s.changeValue(&u)
		default:
			others = true
			_, err = s.value()
		}
		return err
	})
	if err != nil {
		return err
	}
	if others {
		u.data = without(whole, "field")
	}
	s.addChange(u)
	return nil
}

// changeValue reads the value of a change.
func (s *scanner) changeValue(u *update) (err error) {
	s.found = captures{}
	u.arrays.from = len(s.arrays)
	u.value, err = s.capture(valueNode, &s.found)
	u.arrays.to = len(s.arrays)
	u.valueAt = s.at() - len(u.value)
	u.data = u.value
	u.time = s.found[timestamp]
	u.subject = s.found.first(valueSubjects)
	u.phone = s.found[phoneNumberID]
	return err
}

// addChange adds the update that a change is. What was captured in its value,
// if it has one, is in s.found.
func (s *scanner) addChange(u update) {
	switch {
	case !u.field.isName():
		u.kind = unrecognizedLiteral
	case u.value == nil:
		u.kind = u.field
	default:
		u.kind = u.field
		u.key, u.keyObject = s.naturalKey(valueKeys, u.kind, &s.found)
	}
	s.add(u)
}

// changedField reads the name of a field that changed.
func (s *scanner) changedField(entry int) error {
	name, err := s.value()
	if err != nil {
		return err
	}
	if name.isName() {
		s.add(update{entry: entry, kind: name, field: name})
	} else {
		s.add(update{entry: entry, kind: unrecognizedLiteral, data: name})
	}
	return nil
}

// messaging reads an item of messaging.
func (s *scanner) messaging(entry int) error { return s.item(entry, nil) }

// standby reads an item of standby.
func (s *scanner) standby(entry int) error { return s.item(entry, standbyLiteral) }

// item reads what happened in a conversation. Where no kind is given, what it
// holds tells it.
func (s *scanner) item(entry int, kind literal) error {
	if s.dec.PeekKind() != '{' {
		return s.unrecognized(entry)
	}
	s.found, s.itemKind = captures{}, -1
	data, err := s.capture(itemNode, &s.found)
	if err != nil {
		return err
	}
	switch {
	case kind != nil:
	case s.found[messageIsEcho].isTrue():
		kind = echoLiteral
	case s.itemKind >= 0:
		kind = messagingLiterals[s.itemKind]
	default:
		kind = messagingLiteral
	}
	key, _ := s.naturalKey(itemKeys, kind, &s.found)
	s.add(update{
		entry: entry, kind: kind, field: kind, data: data, key: key,
		time: s.found[timestamp], subject: s.found.first(itemSubjects),
	})
	return nil
}

// unrecognized reads whatever comes next as an update that the contract does
// not name.
func (s *scanner) unrecognized(entry int) error {
	data, err := s.value()
	if err != nil {
		return err
	}
	s.add(update{entry: entry, kind: unrecognizedLiteral, data: data})
	return nil
}

func (s *scanner) add(u update) { s.updates = append(s.updates, u) }

// newEntry adds an entry and returns its index.
func (s *scanner) newEntry() int {
	s.entries = append(s.entries, entry{})
	return len(s.entries) - 1
}
