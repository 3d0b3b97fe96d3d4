package delivery

import (
	"bytes"
	"io"
	"strings"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/observe"
)

// A Message is what one request to the app carries.
type Message struct {
	ID          string // of its event, or one for all of its events
	Events      int
	Attributes  observe.Attributes
	ContentType string
	Signature   []string // Meta's, where Body is what it signed
	Body        []byte
	Array       *event.JSONArray // in place of Body

	Destination string // empty inline
	Attempt     int    // from 1; 0 inline
	Replay      bool
	Traces      []string // of the notifications that it is from, if they were traced
}

const typeJSON = "application/json"

// largeArray is from how many bytes on a notification's events are made an
// array in pieces, while it is sent. To hold it as a whole until the app has
// answered takes several times the room of the notification.
const largeArray = 16 << 10

// setArray has the message carry an array of the events of a notification of
// so many bytes. An array that is to be signed has to be there before.
func (m *Message) setArray(events []event.Event, size int, signed bool) {
	if signed || size < largeArray {
		m.Body = event.AppendJSONArray(nil, events)
	} else {
		m.Array = event.NewJSONArray(events)
	}
}

// size returns how many bytes the message has.
func (m *Message) size() int {
	if m.Array != nil {
		return m.Array.Len()
	}
	return len(m.Body)
}

// open returns what the message has, to be read from its beginning.
func (m *Message) open() (io.ReadCloser, error) {
	if m.Array != nil {
		return io.NopCloser(m.Array.Reader()), nil
	}
	return io.NopCloser(bytes.NewReader(m.Body)), nil
}

// newMessage returns the message of events of one notification, without
// content.
func newMessage(id event.ID, events []event.Event) Message {
	return Message{ID: id.String(), Events: len(events), Attributes: attributes(events)}
}

// attributes are what the placeholders say of events in one message: an
// attribute that all of them share, or the empty string where they differ.
type attributes []event.Event

// attributeOf returns an attribute of an event by its name.
var attributeOf = map[string]func(*event.Event) string{
	"type":    (*event.Event).Type,
	"source":  (*event.Event).Source,
	"subject": (*event.Event).Subject,
	"object":  (*event.Event).Object,
	"entry":   (*event.Event).Entry,
	"field":   (*event.Event).Field,
	"kind":    (*event.Event).Kind,

	"conversation": (*event.Event).Conversation,
}

// Attribute implements observe.Attributes.
func (a attributes) Attribute(name string) string {
	of, ok := attributeOf[name]
	if !ok {
		path, _ := strings.CutPrefix(name, "data.")
		of = func(e *event.Event) string {
			value, _ := e.DataAt(path)
			return value
		}
	}
	value := of(&a[0])
	for i := 1; i < len(a); i++ {
		if of(&a[i]) != value {
			return ""
		}
	}
	return value
}

// placeholder returns the value of an event placeholder.
func (m *Message) placeholder(name string) (any, bool) {
	switch name {
	case "id":
		return m.ID, true
	case "type", "source", "subject", "object", "entry", "field", "kind", "conversation":
		return m.Attributes.Attribute(name), true
	}
	if path, ok := strings.CutPrefix(name, "data."); ok {
		return m.Attributes.Attribute("data." + path), true
	}
	return nil, false
}

// Interface guard
var _ observe.Attributes = attributes(nil)
