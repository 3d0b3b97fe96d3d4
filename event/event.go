// Package event turns a notification of Meta's webhooks into events.
//
// A notification is what one POST carries: up to a thousand updates of
// Facebook Pages, users, Messenger, Instagram, WhatsApp, Threads or any other
// product, in half a dozen shapes. [Parse] gives one [Event] for each update,
// whatever the shape; an event is a CloudEvent, and [Event.AppendJSON] and
// [AppendJSONArray] write it as CloudEvents JSON. [Event.ID] tells an update
// from all others however often Meta sends it, and [Event.Conversation] names
// what its order is kept in.
//
// Nothing is lost on the way, and nothing is changed: the data of an event are
// the bytes that Meta sent. What the package does not recognize becomes an
// event all the same.
package event

import (
	"bytes"
	"time"
)

// An Event is one update. Events come from [Parse] only, share the bytes of
// the notification, and must not outlive them.
type Event struct {
	doc *document
	id  ID
	update
}

// An update is what an event says of itself, in few bytes and without
// pointers: a notification may hold more of them than it has any use for.
type update struct {
	entry     uint32 // index in document.entries
	kind      kind
	retention Retention
	about     bool // party is what is commented on, not who comments
	field     span // empty for an item of a conversation: its kind stands for it
	subject   span
	time      span    // the update's own
	scope     span    // WhatsApp's phone_number_id, where there is a party
	party     span    // the customer, the group, the post or the media
	data      [3]span // one JSON value in up to three parts
}

// whole reports whether the data, if any, is in one part: it is not what
// WhatsApp's value says of an element.
func (u *update) whole() bool { return u.data[1].empty() }

// essence returns where the data is that only this update has: all of it, or
// WhatsApp's element.
func (u *update) essence() span {
	if u.whole() {
		return u.data[0]
	}
	return u.data[1]
}

// at returns the entry that the event comes from.
func (e *Event) at() *entry { return &e.doc.entries[e.entry] }

// fieldLiteral returns the field as a JSON value, or nil.
func (e *Event) fieldLiteral() literal {
	if e.field.empty() && e.kind != kindUnrecognized {
		return kindLiterals[e.kind]
	}
	return e.doc.literal(e.field)
}

// kindLiteral returns the kind as a JSON string.
func (d *document) kindLiteral(u *update) literal {
	if u.kind == kindOfField {
		return d.literal(u.field)
	}
	return kindLiterals[u.kind]
}

// ID returns the event's identity.
func (e *Event) ID() ID { return e.id }

// Object returns what the notification is about, such as page or
// whatsapp_business_account, and unknown where it does not say.
func (e *Event) Object() string { return word(e.objectLiteral()) }

func (e *Event) objectLiteral() literal {
	if object := e.doc.literal(e.at().object); object != nil {
		return object
	}
	return unknownLiteral
}

// Entry returns the id of the entry: of the page, the account or the user. It
// is empty where Meta sent none.
func (e *Event) Entry() string { return string(e.doc.literal(e.at().id).text()) }

// UID returns the uid of the entry. It is empty where Meta sent none.
func (e *Event) UID() string { return string(e.doc.literal(e.at().uid).text()) }

// Field returns the field that the app is subscribed to. It is empty where
// Meta sent none.
func (e *Event) Field() string { return word(e.fieldLiteral()) }

// Kind returns what happened, in the words of Meta's subscription fields
// where there is one, such as messages, messaging_postbacks or statuses.
func (e *Event) Kind() string { return word(e.doc.kindLiteral(&e.update)) }

// Subject returns the update's own id, such as a message's. It is empty where
// Meta gives it none.
func (e *Event) Subject() string { return string(e.doc.literal(e.subject).text()) }

// Time returns when it happened, in UTC: the update's own time, or else its
// entry's. It is the zero time where Meta does not say.
func (e *Event) Time() time.Time {
	if own := parseTime(e.doc.literal(e.time)); !own.IsZero() {
		return own
	}
	return parseTime(e.doc.literal(e.at().time))
}

// Source returns the CloudEvents source: https://graph.facebook.com/ and the
// entry's id, or its uid, or the object.
func (e *Event) Source() string { return string(e.appendOrigin([]byte(sourcePrefix))) }

// Type returns the CloudEvents type: com.facebook., the object, a dot and the
// kind. Characters other than a-z, 0-9, _ and - read _.
func (e *Event) Type() string { return string(e.appendType([]byte(typePrefix))) }

// HasData reports whether Meta sent anything beside the news that something
// happened.
func (e *Event) HasData() bool { return !e.data[0].empty() }

// AppendData appends the event's data, a JSON value, to dst.
func (e *Event) AppendData(dst []byte) []byte {
	for _, part := range e.data {
		dst = append(dst, e.doc.literal(part)...)
	}
	return dst
}

// Retention says how long it is worth remembering that the event was
// delivered.
func (e *Event) Retention() Retention { return e.retention }

// SameObject reports whether another event of the notification says that it is
// about the same object, in the same characters.
func (e *Event) SameObject(other *Event) bool {
	return e.entry == other.entry || bytes.Equal(e.objectLiteral(), other.objectLiteral())
}

// SameKind reports whether another event of the notification says that it is of
// the same kind and object, in the same characters.
func (e *Event) SameKind(other *Event) bool {
	return e.SameObject(other) && e.kind == other.kind &&
		(e.kind != kindOfField || bytes.Equal(e.doc.literal(e.field), other.doc.literal(other.field)))
}
