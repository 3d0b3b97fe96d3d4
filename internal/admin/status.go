// Package admin extends the admin API of Caddy.
package admin

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/observe"
)

func init() {
	caddy.RegisterModule(Status{})
}

// StatusPath is where the admin API shows the status.
const StatusPath = "/meta_webhook/status"

// Status shows on Caddy's admin API what became of the requests to each
// handler.
type Status struct{}

// CaddyModule returns the Caddy module information.
func (Status) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.meta_webhook",
		New: func() caddy.Module { return new(Status) },
	}
}

// Routes returns the route of the status.
func (a Status) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: StatusPath, Handler: caddy.AdminHandlerFunc(a.serve)}}
}

func (Status) serve(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: errors.New("method not allowed")}
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(observe.Statuses()); err != nil {
		return caddy.APIError{HTTPStatus: http.StatusInternalServerError, Err: err}
	}
	return nil
}

// Interface guard
var _ caddy.AdminRouter = (*Status)(nil)
