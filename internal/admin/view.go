package admin

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/delivery"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/observe"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A View is what a page shows of the handler of one name, and changes. Its
// errors are those of the admin API, with a status.
type View struct{ Name string }

// A Selection is which events a view is asked for, by the parameters of
// [Queue].
type Selection = selection

// Select reads a selection for a list. A handler cannot be selected, for a view
// is that of one.
func Select(query url.Values) (*Selection, error) {
	for _, name := range []string{"handler", "to"} {
		if query.Has(name) {
			return nil, badRequest("unknown parameter %q", name)
		}
	}
	return selectionOf(&http.Request{URL: &url.URL{RawQuery: query.Encode()}})
}

// TakeText returns the text that is selected, and leaves it to the caller to find
// it: a View finds events by more than their ids and subjects.
func (s *selection) TakeText() (text string) {
	text, s.filter.Text = s.filter.Text, ""
	return text
}

// Page returns where the page begins, and how many events it may have.
func (s *selection) Page() (cursor string, limit int) { return s.cursor, s.limit }

// Turn has the selection begin at a cursor, with a number of events.
func (s *selection) Turn(cursor string, limit int) { s.cursor, s.limit = cursor, limit }

// Fits reports whether an event that is not in a store is selected.
func (s *selection) Fits(e *Event) bool {
	f := &s.filter
	is := func(value, wanted string) bool { return wanted == "" || value == wanted }
	return is(e.Destination, f.Destination) && is(e.Object, f.Object) && is(e.Kind, f.Kind) && is(e.Conversation, f.Conversation) &&
		(len(f.States) == 0 || slices.ContainsFunc(f.States, func(state store.DeliveryState) bool { return state.String() == e.State })) &&
		(len(f.Keys) == 0 || slices.ContainsFunc(f.Keys, func(key store.Key) bool { return key.String() == e.ID })) &&
		(f.From.IsZero() || !e.Received.Before(f.From)) && (f.To.IsZero() || e.Received.Before(f.To))
}

// stored returns what delivers the stored events of the handler, nil if it has
// no destination.
func (v View) stored() *delivery.Stored {
	for _, s := range delivery.Running() {
		if s.Name == v.Name {
			return s
		}
	}
	return nil
}

// IsStored reports whether the handler stores events, for destinations.
func (v View) IsStored() bool { return v.stored() != nil }

// operate calls f with the queue of the handler.
func (v View) operate(f func(*delivery.Stored, store.Operator) error) error {
	s := v.stored()
	if s == nil {
		return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: errors.New("the handler has no destinations")}
	}
	if err := s.Operate(func(o store.Operator) error { return f(s, o) }); err != nil {
		return apiError(err)
	}
	return nil
}

// Destinations returns every destination, in the order of their names.
func (v View) Destinations(ctx context.Context) (all []Destination, err error) {
	err = v.operate(func(s *delivery.Stored, o store.Operator) (err error) {
		all, _, err = destinationsOf(ctx, s, o)
		return err
	})
	return all, err
}

// A BodiedEvent is an event of a list, with its body unless that is too large.
type BodiedEvent struct {
	Event
	Body []byte
}

// Events calls visit with each of a page of deliveries that fit, the latest
// first, with its body unless that has more than most bytes, and returns the
// cursor of the next page. Only the body of one event is in memory at a time.
func (v View) Events(ctx context.Context, sel *Selection, most int, visit func(*BodiedEvent)) (next string, err error) {
	err = v.operate(func(s *delivery.Stored, o store.Operator) error {
		found, cursor, err := o.List(ctx, sel.filter, sel.cursor, sel.limit)
		if err != nil {
			return err
		}
		next = cursor
		var stories []store.Story // of an event, whose deliveries mostly follow one another
		for i := range found {
			f := &found[i]
			one := BodiedEvent{Event: eventOf(s.Name, f)}
			if f.Size <= most {
				if len(stories) == 0 || stories[0].Key != f.Key {
					if stories, err = o.Story(ctx, f.Key); err != nil {
						return err
					}
				}
				one.Body = bodyOf(stories, f)
			}
			visit(&one)
		}
		return nil
	})
	return next, err
}

// bodyOf returns the body of a delivery in a list, which has gone if nothing
// is stored of it any more.
func bodyOf(stories []store.Story, of *store.Summary) []byte {
	for i := range stories {
		if stories[i].Received.Equal(of.Received) && stories[i].Whole == of.Whole {
			return stories[i].Body
		}
	}
	return nil
}

// Story returns all that is stored of an event, the latest first, and whether
// the notification that brought it is stored as well, under the id that it
// returns. Only a notification of one event can be found this way.
func (v View) Story(ctx context.Context, id string) (all []Story, original string, err error) {
	key, err := keyOf(id)
	if err != nil {
		return nil, "", err
	}
	err = v.operate(func(s *delivery.Stored, o store.Operator) error {
		found, err := o.Story(ctx, key)
		for i := range found {
			all = append(all, storyOf(s.Name, &found[i]))
		}
		if err != nil || len(found) == 0 || found[0].Whole {
			return err
		}
		digest := sha256.Sum256(key[:])
		whole := store.Key(digest[:len(key)])
		notifications, err := o.Story(ctx, whole)
		if len(notifications) > 0 && notifications[0].Whole {
			original = whole.String()
		}
		return err
	})
	return all, original, err
}

// The changes that a View makes.
const (
	Replay  = "replay"
	Discard = "discard"
	Pause   = "pause"
	Resume  = "resume"
)

// Change replays or discards events, or pauses or resumes a destination, as
// the admin API does: by the same parameters but for the handler, with the same
// answers, and the same lines in the log.
func (v View) Change(r *http.Request, what string, parameters url.Values, logger *zap.Logger) (any, error) {
	q := &Queue{logger: logger}
	changes := map[string]func(*http.Request) (any, error){
		Replay: q.replay, Discard: q.discard,
		Pause:  func(r *http.Request) (any, error) { return q.pause(r, true) },
		Resume: func(r *http.Request) (any, error) { return q.pause(r, false) },
	}
	change, ok := changes[what]
	if !ok {
		return nil, badRequest("unknown change %q", what)
	}
	parameters.Set("handler", v.Name)
	asked := r.WithContext(r.Context()) // a copy
	asked.URL = &url.URL{RawQuery: parameters.Encode()}
	changed, err := change(asked)
	if err != nil {
		return nil, apiError(err)
	}
	return changed, nil
}

// What is dropped is what the observer keeps of it.
type (
	Refusal = observe.Refusal
	Repeat  = observe.Repeat
)

// Dropped is what came and was not delivered.
type Dropped struct {
	Refusals []Refusal `json:"refusals"`
	Repeats  []Repeat  `json:"repeats"`
}

// Dropped returns the latest refusals and repeats, of this process.
func (v View) Dropped() (d Dropped) {
	d.Refusals, d.Repeats = observe.Dropped(v.Name)
	return d
}

// Changes returns a number that grows with what happens in this process.
func (v View) Changes() uint64 { return observe.Changes(v.Name) }
