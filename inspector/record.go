package inspector

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// A delivery is one request with events in it.
type delivery struct {
	received time.Time
	uri      string
	body     []byte // as the app gets it

	// of the app, if it was asked
	answer  int
	took    time.Duration
	failure string
}

// The ways in which meta_webhook delivers events.
const (
	modeEach     = "each"
	modeBatch    = "batch"
	modeOriginal = "original"
	modeUnknown  = "unknown" // a handler in between has changed it
)

// events finds out how the events were delivered, and returns each of them as
// a CloudEvent. They share the bytes of the body, unless that is Meta's own
// notification.
func (d *delivery) events() (mode string, events [][]byte) {
	if isCloudEvent(d.body) {
		return modeEach, [][]byte{d.body}
	}
	var batch []json.RawMessage
	if json.Unmarshal(d.body, &batch) == nil && len(batch) > 0 && isCloudEvent(batch[0]) {
		for _, element := range batch {
			events = append(events, element)
		}
		return modeBatch, events
	}
	parsed, err := event.Parse(d.body)
	if err != nil || len(parsed) == 0 {
		return modeUnknown, [][]byte{bytes.ToValidUTF8(d.body, []byte("\uFFFD"))}
	}
	for i := range parsed {
		events = append(events, parsed[i].AppendJSON(nil))
	}
	return modeOriginal, events
}

// attributes are what the page shows of a CloudEvent.
type attributes struct {
	SpecVersion string `json:"specversion"`
	ID          string `json:"id"`
	Type        string `json:"type"`
	Subject     string `json:"subject"`
	Time        string `json:"time"`
	Object      string `json:"metaobject"`
	Entry       string `json:"metaentry"`
	Field       string `json:"metafield"`
}

func isCloudEvent(body []byte) bool {
	var a attributes
	return json.Unmarshal(body, &a) == nil && a.SpecVersion != ""
}

// A record is one event of a delivery, as the page gets it.
type record struct {
	number uint64
	head   []byte // a head, in JSON
	event  []byte // the CloudEvent, nil if it was too large
	body   []byte // of the delivery, nil if it was too large
	size   int64  // in bytes, of what goes with it
}

// A head is what the page shows of an event beside its payload.
type head struct {
	Received time.Time `json:"received"`
	URI      string    `json:"uri"`
	Mode     string    `json:"mode"`
	Events   int       `json:"events"` // of the delivery
	Size     int       `json:"size"`   // of the event, in bytes
	TooLarge bool      `json:"too_large,omitempty"`

	ID      string `json:"id,omitempty"`
	Type    string `json:"type,omitempty"`
	Subject string `json:"subject,omitempty"`
	Time    string `json:"time,omitempty"`
	Object  string `json:"object"`
	Kind    string `json:"kind"`
	Entry   string `json:"entry,omitempty"`
	Field   string `json:"field,omitempty"`

	Answer  int     `json:"answer,omitempty"`
	Took    float64 `json:"took,omitempty"` // in milliseconds
	Failure string  `json:"failure,omitempty"`
}

// overhead is about what a record takes beside its bytes.
const overhead = 256

// records returns a record of each event of the delivery. One whose body takes
// more than room bytes is recorded without it.
func (d *delivery) records(room int64) []record {
	mode, events := d.events()
	tooLarge := int64(len(d.body)) > room
	records := make([]record, len(events))
	for i, e := range events {
		r := &records[i]
		r.head = d.head(mode, len(events), e, tooLarge)
		r.size = overhead + int64(len(r.head))
		if tooLarge {
			continue
		}
		r.event, r.body = e, d.body
		if mode == modeOriginal {
			r.size += int64(len(e))
		}
		if i == len(events)-1 {
			r.size += int64(len(d.body)) // goes with the last of its events
		}
	}
	return records
}

// head returns the head of one of the events, in JSON.
func (d *delivery) head(mode string, events int, e []byte, tooLarge bool) []byte {
	var a attributes
	_ = json.Unmarshal(e, &a) // anything but a CloudEvent has no attributes
	h := head{
		Received: d.received.UTC(),
		URI:      d.uri,
		Mode:     mode,
		Events:   events,
		Size:     len(e),
		TooLarge: tooLarge,

		ID:      a.ID,
		Type:    a.Type,
		Subject: a.Subject,
		Time:    a.Time,
		Object:  a.Object,
		Kind:    a.Type[strings.LastIndexByte(a.Type, '.')+1:],
		Entry:   a.Entry,
		Field:   a.Field,

		Answer:  d.answer,
		Took:    float64(d.took.Microseconds()) / 1000,
		Failure: d.failure,
	}
	if h.Object == "" {
		h.Object = "unknown"
	}
	if h.Kind == "" {
		h.Kind = "unrecognized"
	}
	text, _ := json.Marshal(h) // cannot fail
	return text
}
