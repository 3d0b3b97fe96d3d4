package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// Handler serves what the admin API serves of what is stored, at the same
// paths. Who may ask is for the caller to decide, and who may change something
// with a POST.
func Handler(logger *zap.Logger) http.Handler {
	mux := http.NewServeMux()
	for _, route := range (&Queue{logger: logger}).Routes() {
		mux.HandleFunc(route.Pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := route.Handler.ServeHTTP(w, r); err != nil {
				writeError(w, err)
			}
		})
	}
	return mux
}

// answer answers a request with what serve returns, in JSON.
func answer(w http.ResponseWriter, r *http.Request, method string, serve func(*http.Request) (any, error)) error {
	if r.Method != method {
		w.Header().Set("Allow", method)
		return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: errors.New("method not allowed")}
	}
	shown, err := serve(r)
	if err != nil {
		return apiError(err)
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(shown)
}

// apiError returns an error with the status that it has on the admin API.
func apiError(err error) error {
	if _, ok := errors.AsType[caddy.APIError](err); ok {
		return err
	}
	status := http.StatusInternalServerError
	switch {
	case errors.Is(err, store.ErrCursor):
		status = http.StatusBadRequest
	case errors.Is(err, store.ErrBusy), errors.Is(err, store.ErrFull):
		status = http.StatusServiceUnavailable
	}
	return caddy.APIError{HTTPStatus: status, Err: err}
}

func badRequest(format string, args ...any) error {
	return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: fmt.Errorf(format, args...)}
}

// writeError answers with an error as Caddy's admin API does.
func writeError(w http.ResponseWriter, err error) {
	shown, ok := errors.AsType[caddy.APIError](err)
	if !ok {
		shown = caddy.APIError{HTTPStatus: http.StatusInternalServerError, Err: err}
	}
	shown.Message = shown.Err.Error()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(shown.HTTPStatus)
	_ = json.NewEncoder(w).Encode(shown) // to a client that has gone
}
