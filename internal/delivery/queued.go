package delivery

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"strings"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/observe"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// sendMessage sends deliveries in one message.
func (w *worker) sendMessage(ctx context.Context, deliveries []store.Delivery) (status int, f *Failure) {
	origin, signature, err := decodeOrigin(deliveries[0].Origin)
	if err != nil {
		return 0, newFailure(causeError, err, 0)
	}
	m := w.message(deliveries)
	if deliveries[0].Whole {
		m.Signature = signature
	}
	if w.sender.Observer.Tracing() {
		m.Traces = tracesOf(origin, deliveries[1:])
	}
	return w.sender.Send(ctx, &w.to.chain, origin, &m)
}

// tracesOf returns the traces of the notifications that deliveries are from,
// the first of which has this origin.
func tracesOf(first *Origin, others []store.Delivery) (traces []string) {
	if first.Trace != "" {
		traces = append(traces, first.Trace)
	}
	for i := range others {
		o, _, err := decodeOrigin(others[i].Origin)
		if err == nil && o.Trace != "" && !slices.Contains(traces, o.Trace) {
			traces = append(traces, o.Trace)
		}
	}
	return traces
}

// message makes the message of deliveries.
func (w *worker) message(deliveries []store.Delivery) Message {
	first := &deliveries[0]
	m := Message{
		ID:          event.ID(first.Key).String(),
		Events:      len(deliveries),
		Attributes:  queued(deliveries),
		Destination: w.to.Name,
	}
	for i := range deliveries {
		m.Attempt = max(m.Attempt, deliveries[i].Attempt)
		m.Replay = m.Replay || deliveries[i].Replay
	}
	switch {
	case first.Whole:
		m.ContentType, m.Body = typeJSON, first.Body
	case w.to.Deliver == Batch:
		m.ID = event.ID(digest(deliveries)).String()
		m.ContentType, m.Body = w.to.contentType(event.BatchMediaType), array(deliveries)
	default:
		m.ContentType, m.Body = w.to.contentType(event.MediaType), first.Body
	}
	return m
}

// digest returns one key for several deliveries, as event.Digest does.
func digest(deliveries []store.Delivery) store.Key {
	h := sha256.New()
	for i := range deliveries {
		h.Write(deliveries[i].Key[:])
	}
	var sum [sha256.Size]byte
	return store.Key(h.Sum(sum[:0])[:len(store.Key{})])
}

// array returns the JSON array of the events.
func array(deliveries []store.Delivery) []byte {
	room := len("[]")
	for i := range deliveries {
		room += len(deliveries[i].Body) + len(",")
	}
	body := append(make([]byte, 0, room), '[')
	for i := range deliveries {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, deliveries[i].Body...)
	}
	return append(body, ']')
}

// infoOf returns what an event can be found by.
func infoOf(e *event.Event) store.Info {
	return store.Info{
		Object: e.Object(), Entry: e.Entry(), Field: e.Field(), Kind: e.Kind(),
		Subject: e.Subject(), Conversation: e.Conversation(),
	}
}

// sharedInfo returns what all of the events have in common.
func sharedInfo(events []store.Event) store.Info {
	info := events[0].Info
	for i := range events[1:] {
		other := &events[1+i].Info
		for _, of := range []func(*store.Info) *string{
			func(i *store.Info) *string { return &i.Object },
			func(i *store.Info) *string { return &i.Entry },
			func(i *store.Info) *string { return &i.Field },
			func(i *store.Info) *string { return &i.Kind },
			func(i *store.Info) *string { return &i.Subject },
			func(i *store.Info) *string { return &i.Conversation },
		} {
			if *of(&info) != *of(other) {
				*of(&info) = ""
			}
		}
	}
	return info
}

// queued are what the placeholders say of deliveries in one message.
type queued []store.Delivery

// Attribute implements observe.Attributes.
func (q queued) Attribute(name string) string {
	value := attributeOfDelivery(&q[0], name)
	for i := 1; i < len(q); i++ {
		if attributeOfDelivery(&q[i], name) != value {
			return ""
		}
	}
	return value
}

func attributeOfDelivery(d *store.Delivery, name string) string {
	switch name {
	case "object":
		return d.Info.Object
	case "entry":
		return d.Info.Entry
	case "field":
		return d.Info.Field
	case "kind":
		return d.Info.Kind
	case "subject":
		return d.Info.Subject
	case "conversation":
		return d.Info.Conversation
	}
	if d.Whole {
		return ""
	}
	// the rest is in the event alone, and seldom asked for
	var e struct {
		Type   string          `json:"type"`
		Source string          `json:"source"`
		Data   json.RawMessage `json:"data"`
	}
	if json.Unmarshal(d.Body, &e) != nil {
		return ""
	}
	switch name {
	case "type":
		return e.Type
	case "source":
		return e.Source
	}
	path, _ := strings.CutPrefix(name, "data.")
	value, _ := event.Lookup(e.Data, path)
	return value
}

// Interface guard
var _ observe.Attributes = queued(nil)
