package inspector

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// An operation is what a page asks to be changed. It comes in the body, for
// URIs and headers stand in logs.
type operation struct {
	Token string `json:"token"`
	Do    string `json:"do"`    // one of the changes of admin.View
	Query string `json:"query"` // its parameters
}

// longestOperation is how many bytes an operation may have.
const longestOperation = 64 << 10

// checkOperation finds out whether the page of this handler has sent the
// request, which the sender has been let through for. It returns the empty
// refusal if so.
//
// A page of another website can send no JSON unless it is asked for leave
// before, which nothing here gives; it cannot read the token; and a browser
// says which page has sent the request. Any one of the three keeps it out.
func (h *Handler) checkOperation(r *http.Request) (*operation, refusal) {
	if !h.Operate {
		return nil, errOperate
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
		return nil, errCrossSite
	}
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" {
		return nil, errToken
	}
	o := new(operation)
	if json.NewDecoder(http.MaxBytesReader(nil, r.Body, longestOperation)).Decode(o) != nil {
		return nil, errToken
	}
	if subtle.ConstantTimeCompare([]byte(o.Token), []byte(h.journal.token)) != 1 {
		return nil, errToken
	}
	return o, ""
}

// serveOperation changes something.
func (h *Handler) serveOperation(w http.ResponseWriter, r *http.Request) error {
	o, reason := h.checkOperation(r)
	if reason != "" {
		return h.refuse(r, reason)
	}
	parameters, err := url.ParseQuery(o.Query)
	if err != nil {
		return caddyhttp.Error(http.StatusBadRequest, errors.New("malformed query"))
	}
	changed, err := h.view().Change(r, o.Do, parameters, h.logger.With(userOf(r)...))
	if err != nil {
		return statusOf(err)
	}
	return serveJSON(w, changed)
}

// userOf returns a field for the log with who has asked, where Caddy knows.
func userOf(r *http.Request) []zap.Field {
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return nil
	}
	if user, ok := repl.GetString("http.auth.user.id"); ok {
		return []zap.Field{zap.String("user", user)}
	}
	return nil
}
