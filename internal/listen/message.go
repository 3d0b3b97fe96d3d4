// Package listen copies what a gateway delivers to listeners elsewhere, such as
// a developer's laptop, as server-sent events:
//
//	stored: the store ──▶ follower ─┐
//	                                ├─▶ stream ──▶ listener
//	inline: handler ──▶ journal ────┘
//
// A listener reads at its own pace, from the store or from a journal in memory.
// Nothing waits for it: it misses what it does not read in time, and gets a notice;
// one that reads nothing is cut off. Each message comes with a position, which a
// listener that comes back names to get what comes after it.
package listen

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// A Message is a request to the app as a listener gets a copy of it.
type Message struct {
	Key          string      `json:"key"` // which no other message has; one that comes again has the same
	ID           string      `json:"id"`  // what it can be asked for by: that of the event, or of all events in it
	Destination  string      `json:"destination,omitempty"`
	Received     time.Time   `json:"received"`
	URI          string      `json:"uri"`
	Events       int         `json:"events"`
	Object       string      `json:"object,omitempty"` // this and those below: what all of the events share
	Kind         string      `json:"kind,omitempty"`
	Conversation string      `json:"conversation,omitempty"`
	Replay       bool        `json:"replay,omitempty"`
	Header       http.Header `json:"header"`
	Body         []byte      `json:"body"`
}

// The events of a stream, beside messages.
const (
	EventMessage = "message"
	EventHello   = "hello" // the first
	EventGap     = "gap"   // what comes next does not follow what came before
	EventEnd     = "end"   // there is nothing more
)

// A Hello is what a stream begins with.
type Hello struct {
	Name      string  `json:"name"` // of the handler
	Stored    bool    `json:"stored"`
	Heartbeat float64 `json:"heartbeat"` // how often a silent stream shows that it lives, in seconds
}

// A Gap is where messages are missing.
type Gap struct {
	Reason string `json:"reason"`
	Missed uint64 `json:"missed,omitempty"` // messages, if that is known
}

// The reasons of gaps.
const (
	GapDropped = "dropped" // the gateway no longer keeps them
	GapProcess = "process" // they were delivered by a process that has ended, or by another instance
	GapStore   = "store"   // the store is another one
)

// passing are the headers of a message that are copied: those that
// meta_webhook makes. A handler in between may have added others for the app
// alone, a password among them.
var passing = []string{
	"Content-Type", "Webhook-Id", "Idempotency-Key", "Webhook-Attempt", "Webhook-Replay", "X-Hub-Signature-256",
	"User-Agent", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Traceparent", "Tracestate",
}

// passed returns the headers that are copied.
func passed(h http.Header) http.Header {
	copied := make(http.Header, len(passing))
	for _, name := range passing {
		if values, ok := h[name]; ok {
			copied[name] = slices.Clone(values)
		}
	}
	return copied
}

// A Filter is what a message has to be. An empty member fits all. A message of
// several events fits if any of them does.
type Filter struct {
	Object, Kind, Conversation, Destination string
}

func (f *Filter) fits(d *described) bool {
	is := func(value, wanted string) bool { return wanted == "" || value == wanted }
	return is(d.Object, f.Object) && is(d.Kind, f.Kind) && is(d.Conversation, f.Conversation)
}

// A described event is what a filter looks at.
type described struct{ ID, Object, Kind, Conversation string }

// describe returns the events in the body of a message: an event, a batch of
// them, or a notification. Of anything else there is one event without
// attributes.
func describe(body []byte) []described {
	if d, ok := describeOne(body); ok {
		return []described{d}
	}
	var batch []json.RawMessage
	if text := bytes.TrimLeft(body, " \t\r\n"); len(text) > 0 && text[0] == '[' && json.Unmarshal(body, &batch) == nil && len(batch) > 0 {
		all := make([]described, len(batch))
		isBatch := true
		for i := range batch {
			var ok bool
			all[i], ok = describeOne(batch[i])
			isBatch = isBatch && ok
		}
		if isBatch {
			return all
		}
	}
	events, err := event.Parse(body)
	if err != nil || len(events) == 0 {
		return []described{{}}
	}
	all := make([]described, len(events))
	for i := range events {
		e := &events[i]
		all[i] = described{e.ID().String(), e.Object(), e.Kind(), e.Conversation()}
	}
	return all
}

// describeOne describes an event, and reports whether it is one.
func describeOne(body []byte) (described, bool) {
	var a struct {
		SpecVersion  string `json:"specversion"`
		ID           string `json:"id"`
		Type         string `json:"type"`
		Object       string `json:"metaobject"`
		Conversation string `json:"partitionkey"`
	}
	if json.Unmarshal(body, &a) != nil || a.SpecVersion == "" {
		return described{}, false
	}
	return described{a.ID, a.Object, a.Type[strings.LastIndexByte(a.Type, '.')+1:], a.Conversation}, true
}

// describe sets what the events of a message share, and reports whether any of
// them fits.
func (m *Message) describe(f *Filter) (fits bool) {
	events := describe(m.Body)
	m.Events = len(events)
	m.Object, m.Kind, m.Conversation = events[0].Object, events[0].Kind, events[0].Conversation
	for i := range events {
		e := &events[i]
		fits = fits || f.fits(e)
		if e.Object != m.Object {
			m.Object = ""
		}
		if e.Kind != m.Kind {
			m.Kind = ""
		}
		if e.Conversation != m.Conversation {
			m.Conversation = ""
		}
	}
	return fits
}

// holds reports whether a message, or an event in it, has an id.
func (m *Message) holds(id string) bool {
	return m.ID == id || slices.ContainsFunc(describe(m.Body), func(d described) bool { return d.ID == id })
}
