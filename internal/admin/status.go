// Package admin extends the admin API of Caddy.
package admin

import (
	"context"
	"net/http"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/delivery"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/observe"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

func init() {
	caddy.RegisterModule(StatusAPI{})
}

// StatusPath is where the admin API shows the status.
const StatusPath = "/meta_webhook/status"

// StatusAPI shows on Caddy's admin API what became of the requests to each
// handler, and how much waits for its destinations.
type StatusAPI struct{}

// CaddyModule returns the Caddy module information.
func (StatusAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.meta_webhook",
		New: func() caddy.Module { return new(StatusAPI) },
	}
}

// Routes returns the route of the status.
func (StatusAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: StatusPath, Handler: caddy.AdminHandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		return answer(w, r, http.MethodGet, func(r *http.Request) (any, error) { return statuses(r.Context()), nil })
	})}}
}

// statuses returns the status of each handler. A store that fails does not
// hide what the others have to say.
func statuses(ctx context.Context) []Status {
	counted := observe.Statuses()
	all := make([]Status, len(counted))
	running := delivery.Running()
	for i := range counted {
		all[i].Status = counted[i]
		for _, s := range running {
			if s.Name != counted[i].Name {
				continue
			}
			if err := s.Operate(func(o store.Operator) error { return all[i].look(ctx, s, o) }); err != nil {
				all[i].StoreError = err.Error()
			}
		}
	}
	return all
}

// look adds what is stored for the handler.
func (s *Status) look(ctx context.Context, of *delivery.Stored, o store.Operator) error {
	destinations, stats, err := destinationsOf(ctx, of, o)
	if err != nil {
		return err
	}
	s.Store = &Store{Bytes: stats.Bytes, Capacity: stats.Capacity, Free: stats.Free, Damaged: stats.Damaged}
	s.Destinations = destinations
	return nil
}

// Interface guard
var _ caddy.AdminRouter = StatusAPI{}
