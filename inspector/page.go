package inspector

import (
	"bytes"
	"embed"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

//go:embed page
var files embed.FS

// A resource is a part of the page.
type resource struct {
	serve      func(w http.ResponseWriter, r *http.Request) error
	isDocument bool // which a browser may be sent to by a link
}

// mediaTypes are those of the page's files.
var mediaTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// resource returns what is at a path, or nil if that is not the page's.
func (h *Handler) resource(at string) *resource {
	root := strings.TrimSuffix(h.Path, "/")
	if at == root && root != "" {
		// what is in the page is at paths relative to this one
		return &resource{serve: redirect(path.Base(root) + "/"), isDocument: true}
	}
	name, ok := strings.CutPrefix(at, root+"/")
	if !ok {
		return nil
	}
	switch name {
	case "":
		return &resource{serve: serveFile("index.html"), isDocument: true}
	case "events":
		return &resource{serve: h.serveEvents}
	case "payload":
		return &resource{serve: h.servePayload}
	}
	if mediaTypes[path.Ext(name)] == "" || strings.Contains(name, "/") || name == "index.html" {
		return nil
	}
	if f, err := files.Open("page/" + name); err != nil || f.Close() != nil {
		return nil
	}
	return &resource{serve: serveFile(name)}
}

// contentPolicy lets the page load its own files, and nothing else; no text
// becomes markup or a script.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// servePage serves a part of the page to clients that may see it.
func (h *Handler) servePage(w http.ResponseWriter, r *http.Request, part *resource) error {
	if reason := h.check(r, part.isDocument); reason != "" {
		return h.refuse(r, reason)
	}
	header := w.Header()
	header.Set("Content-Security-Policy", contentPolicy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cache-Control", "no-store")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		return caddyhttp.Error(http.StatusMethodNotAllowed, nil)
	}
	return part.serve(w, r)
}

// redirect sends the browser to a path relative to the one it asked for, which
// may be another than the one that has got here.
func redirect(to string) func(w http.ResponseWriter, r *http.Request) error {
	return func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusFound)
		return nil
	}
}

func serveFile(name string) func(w http.ResponseWriter, r *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		text, err := files.ReadFile("page/" + name)
		if err != nil {
			return caddyhttp.Error(http.StatusInternalServerError, err)
		}
		w.Header().Set("Content-Type", mediaTypes[path.Ext(name)])
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text))
		return nil
	}
}

// servePayload serves the body of the delivery that an event was in, byte for
// byte, for download.
func (h *Handler) servePayload(w http.ResponseWriter, r *http.Request) error {
	id := r.URL.Query().Get("of")
	number, ok := h.journal.number(id)
	if !ok {
		return caddyhttp.Error(http.StatusNotFound, nil)
	}
	found, ok := h.journal.find(number)
	if !ok || found.body == nil {
		return caddyhttp.Error(http.StatusNotFound, nil)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", `attachment; filename="event-`+h.journal.id(number)+`.json"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(found.body))
	return nil
}
