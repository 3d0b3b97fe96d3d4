package queue

import (
	"slices"
	"strings"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/record"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// A candidate is a delivery in a record, or an event without any. It is part of
// the record.
type candidate struct {
	number      store.Number
	position    wal.Position
	origin      *record.Origin
	event       *record.Event
	destination []byte
	lanes       []store.Lane
	since       time.Time
	replay      bool
	unmatched   bool
}

// eachDelivery calls visit with the deliveries of a record, in the order of
// their numbers, and may leave out those before one.
func eachDelivery(r []byte, from store.Number, visit func(c *candidate) (more bool)) error {
	switch record.KindOf(r) { //nolint:exhaustive // the others hold no delivery
	case record.KindEvents:
		return record.Events(r, from, func(o *record.Origin, e *record.Event) (more bool) {
			c := candidate{origin: o, event: e, since: o.Accepted}
			more, found := true, false
			e.Targets(func(i int, destination []byte, lanes []store.Lane) {
				found = true
				c.number, c.destination, c.lanes = e.ID+store.Number(i), destination, lanes
				more = more && visit(&c)
			})
			if !found {
				c.number, c.unmatched = e.ID, true
				return visit(&c)
			}
			return more
		})
	case record.KindReplay:
		o, e, replay, err := record.ReadReplay(r)
		if err == nil {
			visit(&candidate{
				number: replay.Number, origin: &o, event: &e, destination: []byte(replay.Destination), lanes: replay.Lanes,
				since: replay.Since, replay: true,
			})
		}
		return err
	case record.KindMoved:
		o, e, deliveries, err := record.ReadMoved(r)
		if err != nil {
			return err
		}
		for i := range deliveries {
			d := &deliveries[i]
			if !visit(&candidate{
				number: d.Number, origin: &o, event: &e, destination: []byte(d.Destination), lanes: d.Lanes,
				since: d.Since, replay: d.Replay, unmatched: d.State == store.Unmatched,
			}) {
				return nil
			}
		}
		return nil
	}
	return record.ErrFormat
}

// fits reports whether a filter finds a delivery, whatever its state.
func (c *candidate) fits(f *store.Filter) bool {
	e := c.event
	switch {
	case f.Destination != "" && f.Destination != string(c.destination),
		len(f.Keys) > 0 && !slices.Contains(f.Keys, e.Key),
		f.Object != "" && f.Object != string(e.Info[0]),
		f.Kind != "" && f.Kind != string(e.Info[3]),
		f.Conversation != "" && f.Conversation != string(e.Info[5]),
		!f.From.IsZero() && c.origin.Received.Before(f.From),
		!f.To.IsZero() && !c.origin.Received.Before(f.To):
		return false
	}
	return f.Text == "" || strings.Contains(string(e.Info[4]), f.Text) || strings.Contains(e.Key.String(), f.Text)
}
