package inspector

import (
	"context"
	"net/url"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/admin"
)

// A source is where the page has its events from: the store of the handler of
// its name, or, for one that delivers inline, the journal of this process.
type source interface {
	// list returns events that fit, the latest first. There may be more although
	// it returns few: it looks no longer than until a deadline.
	list(ctx context.Context, q *query, deadline time.Time) (listing, error)

	// story returns all that is known of an event, the latest first, by its id
	// or the key of its row.
	story(ctx context.Context, id string) ([]story, error)
}

// A listing is a page of a list.
type listing struct {
	Events   []row     `json:"events"`
	Next     string    `json:"next"`              // the cursor of the next page, empty at the end
	Searched time.Time `json:"searched,omitzero"` // how far back, if it has looked at anything
}

// A row is what the page shows of an event in a list.
type row struct {
	admin.Event
	Key    string `json:"key"` // which no other row has
	Sender string `json:"sender,omitempty"`
	Text   string `json:"text,omitempty"`

	// inline
	URI    string `json:"uri,omitempty"`
	Mode   string `json:"mode,omitempty"`
	Events int    `json:"events,omitempty"` // that were delivered together
}

// A story is what the page shows of an event once it is opened.
type story struct {
	admin.Story
	Sender     string         `json:"sender,omitempty"`
	Text       string         `json:"text,omitempty"`
	OriginalID string         `json:"original_id,omitempty"` // of the notification that brought it
	Parts      []part         `json:"parts,omitempty"`       // the events of a notification
	Repeats    []admin.Repeat `json:"repeats,omitempty"`
	Payload    string         `json:"payload,omitempty"` // where to download what the app gets

	// inline
	Mode     string `json:"mode,omitempty"`
	Events   int    `json:"events,omitempty"`
	Notified string `json:"notified,omitempty"` // what Meta has sent, if the app gets that
	TooLarge bool   `json:"too_large,omitempty"`
}

// A part is an event of a notification.
type part struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Kind    string `json:"kind"`
	Subject string `json:"subject,omitempty"`
}

// partsOf returns the events of a notification.
func partsOf(notification string) []part {
	events, err := event.Parse([]byte(notification))
	if err != nil {
		return nil
	}
	const most = 100
	parts := make([]part, 0, min(most, len(events)))
	for i := range events[:min(most, len(events))] {
		e := &events[i]
		parts = append(parts, part{e.ID().String(), oneLine(e.Object()), oneLine(e.Kind()), oneLine(e.Subject())})
	}
	return parts
}

// A query is what a list is asked for.
type query struct {
	*admin.Selection
	text   needle
	failed bool // inline, those that were not delivered
}

// The states of events that were delivered inline.
const (
	stateDone   = "done"
	stateFailed = "failed"
)

// queryOf reads a query.
func queryOf(values url.Values) (q *query, err error) {
	q = new(query)
	if values.Get("state") == stateFailed {
		q.failed = true
		values.Del("state")
	}
	if q.Selection, err = admin.Select(values); err != nil {
		return nil, err
	}
	q.text = needleOf(q.TakeText())
	return q, nil
}

// fits reports whether an event that is not in a store is selected.
func (q *query) fits(r *row) bool {
	return (!q.failed || r.State == stateFailed) && q.Fits(&r.Event)
}
