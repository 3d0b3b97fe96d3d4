package inspector

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/admin"
)

// looking is how long an answer looks for events that fit.
const looking = 200 * time.Millisecond

// view returns what is stored under the handler's name.
func (h *Handler) view() admin.View { return admin.View{Name: h.Name} }

// source returns where the page has its events from.
func (h *Handler) source() source {
	if view := h.view(); view.IsStored() {
		return stored{view}
	}
	return h.journal
}

// serveEvents serves a page of the list of events, the latest first.
func (h *Handler) serveEvents(w http.ResponseWriter, r *http.Request) error {
	q, err := queryOf(r.URL.Query())
	if err != nil {
		return statusOf(err)
	}
	found, err := h.source().list(r.Context(), q, time.Now().Add(looking))
	if err != nil {
		return statusOf(err)
	}
	return serveJSON(w, found)
}

// serveEvent serves all that is known of an event.
func (h *Handler) serveEvent(w http.ResponseWriter, r *http.Request) error {
	found, err := h.source().story(r.Context(), r.URL.Query().Get("id"))
	if err != nil {
		return statusOf(err)
	}
	if len(found) == 0 {
		return caddyhttp.Error(http.StatusNotFound, nil)
	}
	for _, repeat := range h.view().Dropped().Repeats {
		if repeat.ID == found[0].ID {
			found[0].Repeats = append(found[0].Repeats, repeat)
		}
	}
	return serveJSON(w, found)
}

// servePayload serves the body of the delivery that an event was in, byte for
// byte, for download.
func (h *Handler) servePayload(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	name, body := "", []byte(nil)
	if number, ok := h.journal.number(query.Get("of")); ok {
		if found, ok := h.journal.find(number); ok {
			name, body = h.journal.id(number), found.body
		}
	} else if view := h.view(); view.IsStored() {
		id := query.Get("id")
		found, _, err := view.Story(r.Context(), id)
		if err != nil {
			return statusOf(err)
		}
		if index, err := strconv.Atoi(query.Get("index")); err == nil && index >= 0 && index < len(found) {
			name, body = found[index].ID, []byte(found[index].Body)
		}
	}
	if body == nil {
		return caddyhttp.Error(http.StatusNotFound, nil)
	}
	w.Header().Set("Content-Disposition", `attachment; filename="event-`+name+`.json"`)
	return serveContent(w, r, "application/json", body)
}

// serveDestinations serves how the delivery to each destination goes.
func (h *Handler) serveDestinations(w http.ResponseWriter, r *http.Request) error {
	view := h.view()
	all := []admin.Destination{}
	if view.IsStored() {
		found, err := view.Destinations(r.Context())
		if err != nil {
			return statusOf(err)
		}
		all = append(all, found...)
	}
	return serveJSON(w, map[string]any{"stored": view.IsStored(), "destinations": all})
}

// serveDropped serves what was refused, and what has come again.
func (h *Handler) serveDropped(w http.ResponseWriter, _ *http.Request) error {
	return serveJSON(w, h.view().Dropped())
}

func serveJSON(w http.ResponseWriter, shown any) error {
	text, err := json.Marshal(shown)
	if err != nil {
		return caddyhttp.Error(http.StatusInternalServerError, err)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text) // a page asks anew before it has read, and that is no error
	return nil
}

// statusOf returns an error with the status that it has on the admin API.
func statusOf(err error) error {
	if own, ok := errors.AsType[caddy.APIError](err); ok {
		return caddyhttp.Error(own.HTTPStatus, own.Err)
	}
	if own, ok := errors.AsType[caddyhttp.HandlerError](err); ok {
		return own
	}
	return caddyhttp.Error(http.StatusInternalServerError, err)
}
