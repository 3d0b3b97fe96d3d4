package inspector

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/admin"
)

// atOnce is how many events are looked at before the time is.
const atOnce = 100

// list implements source. The rows of a journal are attempts to deliver: Meta
// sends again what has failed.
func (j *journal) list(ctx context.Context, q *query, deadline time.Time) (l listing, err error) {
	cursor, limit := q.Page()
	number := uint64(0)
	if cursor != "" {
		if number, err = strconv.ParseUint(cursor, 10, 64); err != nil || number == 0 {
			return l, errCursor
		}
	}
	l.Events = make([]row, 0)
	for {
		records := j.before(number, atOnce)
		for i := range records {
			r := &records[i]
			if q.fits(&r.row) {
				if shown := j.row(r); q.text.inRow(&shown) || q.text.in(r.event) {
					l.Events = append(l.Events, shown)
				}
			}
			number, l.Searched, l.Next = r.number, r.row.Received, strconv.FormatUint(r.number, 10)
			if len(l.Events) == limit {
				return l, nil
			}
		}
		switch {
		case len(records) < atOnce:
			l.Next = ""
			return l, nil
		case ctx.Err() != nil:
			return l, ctx.Err()
		case time.Now().After(deadline):
			return l, nil
		}
	}
}

// row returns the row of an event.
func (j *journal) row(r *record) row {
	shown := r.row
	shown.Key, shown.Number = j.id(r.number), r.number
	shown.Sender, shown.Text = glance(r.event)
	return shown
}

// story implements source.
func (j *journal) story(_ context.Context, id string) ([]story, error) {
	var attempts []record
	if number, ok := j.number(id); ok {
		if one, ok := j.find(number); ok {
			if attempts, id = []record{one}, one.row.ID; id == "" {
				return []story{j.storyOf(attempts)}, nil
			}
		}
	}
	if id == "" {
		return nil, nil
	}
	attempts = attempts[:0]
	for _, r := range j.before(0, maxInt) {
		if r.row.ID == id {
			attempts = append(attempts, r)
		}
	}
	if len(attempts) == 0 {
		return nil, nil
	}
	return []story{j.storyOf(attempts)}, nil
}

const maxInt = int(^uint(0) >> 1)

// storyOf returns what is known of an event that was delivered inline, from
// all attempts, the latest first.
func (j *journal) storyOf(attempts []record) story {
	latest, oldest := &attempts[0], &attempts[len(attempts)-1]
	shown := j.row(latest)
	s := story{
		Story: admin.Story{
			ID: shown.ID, Object: shown.Object, Entry: shown.Entry, Field: shown.Field, Kind: shown.Kind,
			Subject: shown.Subject, Conversation: shown.Conversation,
			Received: oldest.row.Received, Origin: json.RawMessage(latest.origin), Body: string(latest.event),
		},
		Sender: shown.Sender, Text: shown.Text, Mode: shown.Mode, Events: shown.Events, TooLarge: latest.event == nil,
	}
	if latest.body != nil {
		s.Payload = "payload?of=" + url.QueryEscape(shown.Key)
		if shown.Mode == modeOriginal {
			s.Notified = string(latest.body)
		}
	}
	d := admin.Delivery{Number: latest.number, State: shown.State, Since: oldest.row.Received}
	if shown.State == stateDone {
		d.Settled = shown.Received.Add(time.Duration(shown.Took * float64(time.Second)))
	}
	for i := range attempts {
		r := &attempts[len(attempts)-1-i]
		d.Attempts = append(d.Attempts, admin.Attempt{
			Started: r.row.Received, Took: r.row.Took, Status: r.row.Status, Error: r.row.Error, Answer: string(r.start),
		})
	}
	s.Deliveries = []admin.Delivery{d}
	return s
}

// Interface guard
var _ source = (*journal)(nil)
