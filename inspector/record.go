package inspector

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/admin"
)

// A delivery is one request with events in it.
type delivery struct {
	received time.Time
	origin   []byte // what people may see of the request beside its body, in JSON
	uri      string
	body     []byte // as the app gets it

	// of the app, if it was asked
	answer  int
	start   []byte // of the answer's body
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
	SpecVersion  string `json:"specversion"`
	ID           string `json:"id"`
	Type         string `json:"type"`
	Subject      string `json:"subject"`
	Conversation string `json:"partitionkey"`
	Object       string `json:"metaobject"`
	Entry        string `json:"metaentry"`
	Field        string `json:"metafield"`
}

func isCloudEvent(body []byte) bool {
	var a attributes
	return json.Unmarshal(body, &a) == nil && a.SpecVersion != ""
}

// shown are the headers of a delivery that people may see. The others may be a
// signature, or anything that a handler in between has added.
var shown = []string{
	"Content-Type", "User-Agent", "Webhook-Id", "Idempotency-Key", "Webhook-Attempt", "Webhook-Replay",
	"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Traceparent", "Tracestate",
}

// originOf returns what people may see of a delivery beside its body, as the
// admin API shows it of a stored one.
func originOf(r *http.Request) []byte {
	header := make(http.Header)
	for _, name := range shown {
		if values, ok := r.Header[name]; ok {
			header[name] = values
		}
	}
	text, _ := json.Marshal(map[string]any{"uri": r.RequestURI, "host": r.Host, "remote": r.RemoteAddr, "proto": r.Proto, "header": header})
	return text // strings never fail
}

// A record is one event of a delivery.
type record struct {
	number uint64
	row    row    // without what is in the event's data
	origin []byte // of the delivery
	event  []byte // the CloudEvent, nil if it was too large
	body   []byte // of the delivery, nil if it was too large
	start  []byte // of the app's answer
	size   int64  // in bytes, of what goes with it
}

// overhead is about what a record takes beside its bytes.
const overhead = 600

// records returns a record of each event of the delivery. One whose body takes
// more than room bytes is recorded without it.
func (d *delivery) records(room int64) []record {
	mode, events := d.events()
	tooLarge := int64(len(d.body)) > room
	records := make([]record, len(events))
	for i, e := range events {
		r := &records[i]
		r.row, r.origin, r.start = d.row(e), d.origin, d.start
		r.row.Mode, r.row.Events = mode, len(events)
		r.size = overhead + int64(r.row.bytes()) + int64(len(d.origin)+len(d.start))
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

// row returns the row of one of the events.
func (d *delivery) row(e []byte) row {
	var a attributes
	_ = json.Unmarshal(e, &a) // anything but a CloudEvent has no attributes
	r := row{
		Event: admin.Event{
			ID: a.ID, State: stateDone,
			Object: a.Object, Entry: a.Entry, Field: a.Field, Kind: a.Type[strings.LastIndexByte(a.Type, '.')+1:],
			Subject: a.Subject, Conversation: a.Conversation,
			Received: d.received.UTC(), Attempts: 1, Tried: d.received.UTC(), Took: d.took.Seconds(),
			Status: d.answer, Error: d.failure, Size: len(e),
		},
		URI: d.uri,
	}
	if d.failure != "" || d.answer != 0 && (d.answer < 200 || d.answer > 299) {
		r.State = stateFailed
	}
	if r.Object == "" {
		r.Object = "unknown"
	}
	if r.Kind == "" {
		r.Kind = "unrecognized"
	}
	return r
}

// bytes returns about how much memory the texts of the row take.
func (r *row) bytes() int {
	return len(r.ID) + len(r.Object) + len(r.Entry) + len(r.Field) + len(r.Kind) + len(r.Subject) + len(r.Conversation) + len(r.Error) + len(r.URI)
}
