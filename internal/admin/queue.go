package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/delivery"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

func init() {
	caddy.RegisterModule(Queue{})
}

// The paths of what is stored.
const (
	DestinationsPath = "/meta_webhook/destinations"
	EventsPath       = "/meta_webhook/events"
)

// Queue shows on Caddy's admin API what is stored for destinations, and
// changes it:
//
//	GET  /meta_webhook/destinations                   every destination, what waits there, and how it goes
//	POST /meta_webhook/destinations/pause|resume      keeps one from being delivered to, or lets it go on
//	GET  /meta_webhook/events                         deliveries that fit, the latest first
//	GET  /meta_webhook/events/{id}                    all that is stored of an event
//	POST /meta_webhook/events/replay|discard          puts events into a queue again, or ends their delivery
//
// The query selects: handler, destination, state, id, object, kind,
// conversation and text each have to fit; from and until are times in RFC 3339,
// since is a duration such as 2h; limit and cursor turn the pages. Of replay,
// to is the destination that gets the events. With dry_run, nothing is changed.
type Queue struct {
	logger *zap.Logger
}

// CaddyModule returns the Caddy module information.
func (Queue) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.meta_webhook_queue",
		New: func() caddy.Module { return new(Queue) },
	}
}

// Provision sets up the logger. The context has none for what extends the admin
// API.
func (q *Queue) Provision(caddy.Context) error {
	q.logger = caddy.Log().Named(string(Queue{}.CaddyModule().ID))
	return nil
}

// Routes returns the routes of what is stored.
func (q *Queue) Routes() []caddy.AdminRoute {
	route := func(pattern, method string, serve func(*http.Request) (any, error)) caddy.AdminRoute {
		return caddy.AdminRoute{Pattern: pattern, Handler: caddy.AdminHandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			return answer(w, r, method, serve)
		})}
	}
	return []caddy.AdminRoute{
		route(DestinationsPath, http.MethodGet, q.destinations),
		route(DestinationsPath+"/pause", http.MethodPost, func(r *http.Request) (any, error) { return q.pause(r, true) }),
		route(DestinationsPath+"/resume", http.MethodPost, func(r *http.Request) (any, error) { return q.pause(r, false) }),
		route(EventsPath, http.MethodGet, q.events),
		route(EventsPath+"/{id}", http.MethodGet, q.story),
		route(EventsPath+"/replay", http.MethodPost, q.replay),
		route(EventsPath+"/discard", http.MethodPost, q.discard),
	}
}

// destinations returns every destination, in the order of their names.
func (q *Queue) destinations(r *http.Request) (any, error) {
	all := make([]Destination, 0)
	err := each(r, func(s *delivery.Stored, o store.Operator) error {
		found, _, err := destinationsOf(r.Context(), s, o)
		all = append(all, found...)
		return err
	})
	return all, err
}

// pause pauses a destination, or lets it go on, and returns how it stands then.
func (q *Queue) pause(r *http.Request, paused bool) (any, error) {
	s, err := one(r)
	if err != nil {
		return nil, err
	}
	name := r.URL.Query().Get("destination")
	if name == "" {
		return nil, badRequest("destination: name one")
	}
	var shown *Destination
	err = s.Operate(func(o store.Operator) (err error) {
		if _, err = find(r.Context(), s, o, name); err != nil {
			return err
		}
		if err = o.Pause(r.Context(), name, paused); err != nil {
			return err
		}
		q.logger.Info("destination paused or resumed",
			zap.String("name", s.Name), zap.String("destination", name), zap.Bool("paused", paused), zap.String("by", r.RemoteAddr))
		shown, err = find(r.Context(), s, o, name)
		return err
	})
	return shown, err
}

// events returns a page of deliveries that fit.
func (q *Queue) events(r *http.Request) (any, error) {
	s, err := one(r)
	if err != nil {
		return nil, err
	}
	sel, err := selectionOf(r)
	if err != nil {
		return nil, err
	}
	page := Events{Events: make([]Event, 0)}
	err = s.Operate(func(o store.Operator) error {
		found, next, err := o.List(r.Context(), sel.filter, sel.cursor, sel.limit)
		page.Next = next
		for i := range found {
			page.Events = append(page.Events, eventOf(s.Name, &found[i]))
		}
		return err
	})
	return page, err
}

// story returns all that is stored of an event.
func (q *Queue) story(r *http.Request) (any, error) {
	key, err := keyOf(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	stories := make([]Story, 0)
	err = each(r, func(s *delivery.Stored, o store.Operator) error {
		found, err := o.Story(r.Context(), key)
		for i := range found {
			stories = append(stories, storyOf(s.Name, &found[i]))
		}
		return err
	})
	if err == nil && len(stories) == 0 {
		return nil, caddy.APIError{HTTPStatus: http.StatusNotFound, Err: errors.New("no event with this id is stored")}
	}
	return stories, err
}

// replay puts events that fit into a destination's queue again.
func (q *Queue) replay(r *http.Request) (any, error) {
	to := r.URL.Query().Get("to")
	if to == "" {
		return nil, badRequest("to: name the destination that gets the events")
	}
	return q.change(r, "replayed", to, func(ctx context.Context, s *delivery.Stored, sel *selection) (int, string, error) {
		if err := s.Operate(func(o store.Operator) error { return isThere(ctx, s, o, to) }); err != nil {
			return 0, "", err
		}
		return s.Replay(ctx, to, sel.filter, sel.cursor, sel.limit, sel.dryRun)
	})
}

// discard ends the delivery of events that fit.
func (q *Queue) discard(r *http.Request) (any, error) {
	return q.change(r, "discarded", r.URL.Query().Get("destination"), func(ctx context.Context, s *delivery.Stored, sel *selection) (n int, next string, err error) {
		err = s.Operate(func(o store.Operator) (err error) {
			n, next, err = o.Discard(ctx, sel.filter, sel.cursor, sel.limit, sel.dryRun)
			return err
		})
		return n, next, err
	})
}

// change changes events that fit at a destination, and logs what was changed.
func (q *Queue) change(r *http.Request, what, destination string, do func(context.Context, *delivery.Stored, *selection) (int, string, error)) (any, error) {
	s, err := one(r)
	if err != nil {
		return nil, err
	}
	sel, err := selectionOf(r)
	if err != nil {
		return nil, err
	}
	if !sel.narrow {
		return nil, badRequest("this selects everything: name one of %s", strings.Join(narrowing, ", "))
	}
	c := Change{Handler: s.Name, Destination: destination, DryRun: sel.dryRun}
	c.Events, c.Next, err = do(r.Context(), s, sel)
	if c.Events > 0 && !c.DryRun {
		q.logger.Info("events "+what, zap.String("name", s.Name), zap.String("destination", destination), zap.Int("events", c.Events),
			zap.String("selection", r.URL.RawQuery), zap.String("by", r.RemoteAddr))
	}
	return c, err
}

// each calls f with the queue of each handler that the query selects.
func each(r *http.Request, f func(*delivery.Stored, store.Operator) error) error {
	name := r.URL.Query().Get("handler")
	for _, s := range delivery.Running() {
		if name != "" && s.Name != name {
			continue
		}
		if err := s.Operate(func(o store.Operator) error { return f(s, o) }); err != nil {
			return fmt.Errorf("handler %s: %w", s.Name, err)
		}
	}
	return nil
}

// one returns what delivers for the one handler that the query selects.
func one(r *http.Request) (*delivery.Stored, error) {
	name := r.URL.Query().Get("handler")
	all := delivery.Running()
	if name != "" {
		all = slices.DeleteFunc(all, func(s *delivery.Stored) bool { return s.Name != name })
	}
	switch len(all) {
	case 0:
		return nil, caddy.APIError{HTTPStatus: http.StatusNotFound, Err: errors.New("no handler of this name has destinations")}
	case 1:
		return all[0], nil
	}
	return nil, badRequest("handler: there are several, name one")
}

// Interface guards
var (
	_ caddy.Provisioner = (*Queue)(nil)
	_ caddy.AdminRouter = (*Queue)(nil)
)
