// Package event turns a notification of Meta's webhooks into events.
//
// A notification is what one POST carries: up to a thousand updates of
// Facebook Pages, users, Messenger, Instagram, WhatsApp, Threads or any other
// product, in half a dozen shapes. [Parse] gives one [Event] for each update,
// whatever the shape; an event is a CloudEvent, and [Event.AppendJSON] and
// [AppendJSONArray] write it as CloudEvents JSON.
//
// Nothing is lost on the way, and nothing is changed: the data of an event are
// the bytes that Meta sent. What the package does not recognize becomes an
// event all the same.
package event

import (
	"iter"
	"time"
)

// An Event is one update. Events come from [Parse] only, share the bytes of
// the notification, and must not outlive them.
type Event struct {
	id      ID
	entry   *entry
	kind    literal
	field   literal
	subject literal
	time    time.Time
	data    data
}

// An entry is where updates come from. Its object is the notification's, nil
// where that names none.
type entry struct {
	object, id, uid, time literal
}

// origin is the entry's id, or its uid where the id says nothing.
func (e *entry) origin() literal {
	if len(e.id.text()) == 0 && len(e.uid.text()) > 0 {
		return e.uid
	}
	return e.id
}

// data is a JSON value in up to three parts. Elements of one list share the
// first and the last.
type data [3]literal

// ID returns the event's identity.
func (e *Event) ID() ID { return e.id }

// Object returns what the notification is about, such as page or
// whatsapp_business_account, and unknown where it does not say.
func (e *Event) Object() string {
	if e.entry.object == nil {
		return objectUnknown
	}
	return string(e.entry.object.text())
}

// Entry returns the id of the entry: of the page, the account or the user. It
// is empty where Meta sent none.
func (e *Event) Entry() string { return string(e.entry.id.text()) }

// UID returns the uid of the entry. It is empty where Meta sent none.
func (e *Event) UID() string { return string(e.entry.uid.text()) }

// Field returns the field that the app is subscribed to. It is empty where
// Meta sent none.
func (e *Event) Field() string { return string(e.field.text()) }

// Kind returns what happened, in the words of Meta's subscription fields
// where there is one, such as messages, messaging_postbacks or statuses.
func (e *Event) Kind() string { return string(e.kind.text()) }

// Subject returns the update's own id, such as a message's. It is empty where
// Meta gives it none.
func (e *Event) Subject() string { return string(e.subject.text()) }

// Time returns when it happened, in UTC. It is the zero time where Meta does
// not say.
func (e *Event) Time() time.Time { return e.time }

// Source returns the CloudEvents source: https://graph.facebook.com/ and the
// entry's id, or its uid, or the object.
func (e *Event) Source() string { return string(e.appendSource(nil)) }

// Type returns the CloudEvents type: com.facebook., the object, a dot and the
// kind. Characters other than a-z, 0-9, _ and - read _.
func (e *Event) Type() string { return string(e.appendType(nil)) }

// HasData reports whether Meta sent anything beside the news that something
// happened.
func (e *Event) HasData() bool { return e.data[0] != nil }

// AppendData appends the event's data, a JSON value, to dst.
func (e *Event) AppendData(dst []byte) []byte {
	for _, part := range e.data {
		dst = append(dst, part...)
	}
	return dst
}

// setTime sets the time to the update's own, or else to its entry's.
func (e *Event) setTime(own literal) {
	if e.time = parseTime(own); e.time.IsZero() {
		e.time = parseTime(e.entry.time)
	}
}

// Entries yields the events of one notification entry by entry.
func Entries(events []Event) iter.Seq[[]Event] {
	return func(yield func([]Event) bool) {
		for len(events) > 0 {
			n := 1
			for n < len(events) && events[n].entry == events[0].entry {
				n++
			}
			if !yield(events[:n]) {
				return
			}
			events = events[n:]
		}
	}
}
