package event

import (
	"crypto/sha256"
	"slices"
)

// build makes the events of the updates that have been read.
func (s *scanner) build() []Event {
	n := 0
	for i := range s.updates {
		n += s.count(&s.updates[i])
	}
	if n == 0 {
		return nil
	}
	entries := slices.Clone(s.entries)
	events := make([]Event, 0, n)
	for i := range s.updates {
		u := &s.updates[i]
		e := &entries[u.entry]
		if len(u.split) == 0 {
			events = append(events, s.event(u, e))
		}
		for j := range u.split {
			events = s.elementEvents(events, u, e, &u.split[j])
		}
	}
	return events
}

// count decides which arrays of the update give an event for each element,
// and returns how many events there will be.
func (s *scanner) count(u *update) int {
	if u.arrays.empty() || !u.field.isName() || string(s.entries[u.entry].object.text()) != objectWhatsApp {
		return 1
	}
	u.split = slices.DeleteFunc(s.arrays[u.arrays.from:u.arrays.to], func(a array) bool {
		return !a.objects || a.elements.empty()
	})
	if len(u.split) > 1 {
		u.split = slices.DeleteFunc(u.split, func(a array) bool {
			return string(a.name.text()) == whatsAppErrors
		})
	}
	if len(u.split) == 0 {
		return 1
	}
	n := 0
	for _, a := range u.split {
		n += a.elements.to - a.elements.from
	}
	return n
}

// event makes the event of an update that is one.
func (s *scanner) event(u *update, e *entry) Event {
	ev := Event{entry: e, kind: u.kind, field: u.field, subject: u.subject, data: data{u.data}}
	ev.setTime(u.time)
	if !u.key.empty() && (u.keyObject == "" || u.keyObject == string(e.object.text())) {
		ev.id = s.identity.natural(e, u.kind, nil, s.key(u.key))
	} else {
		ev.id = s.identity.plain(e, u.kind, nil, u.data)
	}
	return ev
}

// elementEvents appends an event for each element of one array of a WhatsApp
// update. Its data is the update's value with that array reduced to the
// element, and without the other arrays that give events.
func (s *scanner) elementEvents(events []Event, u *update, e *entry, a *array) []Event {
	head, tail := s.around(u, a)
	var around []byte // stands for head and tail in IDs
	for _, el := range s.elements[a.elements.from:a.elements.to] {
		ev := Event{entry: e, kind: a.name, field: u.field, subject: el.subject, data: data{head, el.data, tail}}
		ev.setTime(el.time)
		if !el.key.empty() && u.phone.present() {
			ev.id = s.identity.natural(e, a.name, u.phone, s.key(el.key))
		} else {
			if around == nil {
				sum := sha256.Sum256(appendCompact(append(appendCompact(nil, head), 0), tail))
				around = sum[:]
			}
			ev.id = s.identity.plain(e, a.name, around, el.data)
		}
		events = append(events, ev)
	}
	return events
}

func (s *scanner) key(k span) []byte { return s.keys[k.from:k.to] }

// around returns what stands before and behind an element in its data.
func (s *scanner) around(u *update, a *array) (head, tail []byte) {
	if len(u.split) == 1 {
		return s.body[u.valueAt:a.inner.from], s.body[a.inner.to : u.valueAt+len(u.value)]
	}
	head = append(head, '{')
	for name, value := range members(u.value) {
		switch {
		case a.is(name):
			head = append(append(head, name...), `:[`...)
			tail = append(tail, `],`...)
		case slices.ContainsFunc(u.split, func(other array) bool { return other.is(name) }):
		case tail == nil:
			head = appendMember(head, name, value)
		default:
			tail = appendMember(tail, name, value)
		}
	}
	return head, closeObject(tail)
}
