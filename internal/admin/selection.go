package admin

import (
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// The limits of a page.
const (
	defaultLimit = 50
	MaxLimit     = 1000
)

// narrowing are the parameters of which one at least has to be there to change
// anything: what selects everything is more likely a mistake.
var narrowing = []string{"destination", "state", "id", "object", "kind", "conversation", "text", "from", "until", "since"}

// A selection is which events a query is about.
type selection struct {
	filter store.Filter
	cursor string
	limit  int
	dryRun bool
	narrow bool // it does not select everything
}

// states are the states by their names.
var states = func() map[string]store.DeliveryState {
	states := make(map[string]store.DeliveryState)
	for s := store.Waiting; s <= store.Unmatched; s++ {
		states[s.String()] = s
	}
	return states
}()

// parameters are those of a selection; others are refused, so that a mistyped
// one does not select everything.
var parameters = []string{
	"handler", "destination", "to", "state", "id", "object", "kind", "conversation", "text", "from", "until", "since",
	"cursor", "limit", "dry_run",
}

// selectionOf reads the selection of a query.
func selectionOf(r *http.Request) (*selection, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badRequest("malformed query")
	}
	for name, values := range query {
		switch {
		case !slices.Contains(parameters, name):
			return nil, badRequest("unknown parameter %q: must be one of %s", name, strings.Join(parameters, ", "))
		case len(values) > 1 && name != "state" && name != "id":
			return nil, badRequest("%s: given more than once", name)
		}
	}
	s := &selection{narrow: Narrow(query), cursor: query.Get("cursor"), limit: defaultLimit}
	switch dry := query.Get("dry_run"); dry {
	case "", "false":
	case "true":
		s.dryRun = true
	default:
		return nil, badRequest("dry_run: must be true or false, not %q", dry)
	}
	f := &s.filter
	f.Destination, f.Object, f.Kind = query.Get("destination"), query.Get("object"), query.Get("kind")
	f.Conversation, f.Text = query.Get("conversation"), query.Get("text")
	for _, name := range query["state"] {
		state, ok := states[name]
		if !ok {
			return nil, badRequest("state: %q is not a state such as waiting or dead", name)
		}
		f.States = append(f.States, state)
	}
	for _, id := range query["id"] {
		key, err := keyOf(id)
		if err != nil {
			return nil, err
		}
		f.Keys = append(f.Keys, key)
	}
	if err := s.setTimes(query, time.Now()); err != nil {
		return nil, err
	}
	if limit := query.Get("limit"); limit != "" {
		if s.limit, err = strconv.Atoi(limit); err != nil || s.limit < 1 || s.limit > MaxLimit {
			return nil, badRequest("limit: must be from 1 to %d", MaxLimit)
		}
	}
	return s, nil
}

func (s *selection) setTimes(query url.Values, now time.Time) (err error) {
	for name, t := range map[string]*time.Time{"from": &s.filter.From, "until": &s.filter.To} {
		if value := query.Get(name); value != "" {
			if *t, err = time.Parse(time.RFC3339, value); err != nil {
				return badRequest("%s: %q is not a time such as 2026-01-02T15:04:05Z", name, value)
			}
			if t.IsZero() { // which stands for no limit
				return badRequest("%s: %q is too early", name, value)
			}
		}
	}
	if since := query.Get("since"); since != "" {
		ago, err := caddy.ParseDuration(since)
		if err != nil || ago <= 0 {
			return badRequest("since: %q is not a duration such as 2h", since)
		}
		s.filter.From = now.Add(-ago)
	}
	return nil
}

// keyOf reads an event's id.
func keyOf(id string) (key store.Key, err error) {
	decoded, err := hex.DecodeString(id)
	if err != nil || len(decoded) != len(key) {
		return key, badRequest("id: %q is not an event's id, which has 32 hex digits", id)
	}
	return store.Key(decoded), nil
}

// Narrow reports whether a query selects some events rather than all of them.
func Narrow(query url.Values) bool {
	return slices.ContainsFunc(narrowing, func(name string) bool { return query.Get(name) != "" })
}

// States returns the names of the states of deliveries.
func States() []string {
	names := make([]string, 0, len(states))
	for s := store.Waiting; s <= store.Unmatched; s++ {
		names = append(names, s.String())
	}
	return names
}

// IsID reports whether a text has the form of an event's id.
func IsID(text string) bool {
	_, err := keyOf(text)
	return err == nil
}
