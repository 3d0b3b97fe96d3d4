package inspector

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/admin"
)

var errCursor = caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: errors.New("the cursor is not one of this page's")}

const (
	// glanced is how large a body may be of which a row says something, in
	// bytes.
	glanced = 64 << 10

	// searched is how large a body may be in which a text is looked for.
	searched = 1 << 20
)

// stored is the source of the events that are stored. Its rows are deliveries
// to destinations.
type stored struct{ admin.View }

// list implements source.
func (s stored) list(ctx context.Context, q *query, deadline time.Time) (l listing, err error) {
	l.Events = make([]row, 0)
	if q.failed { // nothing that is stored is
		return l, nil
	}
	cursor, limit := q.Page()
	most := glanced
	if q.text != "" {
		most = searched
	}
	for {
		q.Turn(cursor, limit)
		next, err := s.Events(ctx, q.Selection, most, func(e *admin.BodiedEvent) {
			if shown := rowOf(e); q.text.inRow(&shown) || q.text.in(e.Body) {
				l.Events = append(l.Events, shown)
			}
			l.Searched = e.Received
		})
		if err != nil {
			return l, err
		}
		l.Next = next
		if next == "" || len(l.Events) >= limit || time.Now().After(deadline) {
			return l, nil
		}
		cursor = next
	}
}

// rowOf returns the row of a delivery.
func rowOf(e *admin.BodiedEvent) row {
	r := row{Event: e.Event, Key: strconv.FormatUint(e.Number, 10)}
	r.Sender, r.Text = glanceAt(e.Body, e.Original)
	return r
}

// story implements source.
func (s stored) story(ctx context.Context, id string) ([]story, error) {
	found, original, err := s.Story(ctx, id)
	if err != nil {
		return nil, err
	}
	all := make([]story, len(found))
	for i := range found {
		one := &all[i]
		one.Story, one.OriginalID = found[i], original
		one.Payload = "payload?id=" + url.QueryEscape(id) + "&index=" + strconv.Itoa(i)
		one.Sender, one.Text = glanceAt([]byte(one.Body), one.Original)
		if one.Original {
			one.Parts = partsOf(one.Body)
		}
	}
	return all, nil
}

// Interface guard
var _ source = stored{}
