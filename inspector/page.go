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
	operates   bool // changes something, by POST
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
		return &resource{serve: h.serveDocument, isDocument: true}
	case "events":
		return &resource{serve: h.serveEvents}
	case "event":
		return &resource{serve: h.serveEvent}
	case "payload":
		return &resource{serve: h.servePayload}
	case "destinations":
		return &resource{serve: h.serveDestinations}
	case "dropped":
		return &resource{serve: h.serveDropped}
	case "stream":
		return &resource{serve: h.serveStream}
	case "operate":
		return &resource{serve: h.serveOperation, operates: true}
	}
	if mediaTypes[path.Ext(name)] == "" || strings.Contains(name, "/") || name == document {
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
	if part.operates {
		if r.Method != http.MethodPost {
			header.Set("Allow", http.MethodPost)
			return caddyhttp.Error(http.StatusMethodNotAllowed, nil)
		}
		return part.serve(w, r)
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		return caddyhttp.Error(http.StatusMethodNotAllowed, nil)
	}
	return part.serve(w, r)
}

// redirect sends the browser to a path relative to the one it asked for, which
// may be another than the one that has got here. What the page is to show is
// in the query.
func redirect(to string) func(w http.ResponseWriter, r *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		if r.URL.RawQuery != "" {
			to += "?" + r.URL.RawQuery
		}
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusFound)
		return nil
	}
}

const (
	document = "index.html"

	// unarmed is where the document has the token, if it has one.
	unarmed = `<meta name="operate" content="">`
)

// serveDocument serves the document: with the token, to a page that may
// change something.
func (h *Handler) serveDocument(w http.ResponseWriter, r *http.Request) error {
	text, err := files.ReadFile("page/" + document)
	if err != nil {
		return caddyhttp.Error(http.StatusInternalServerError, err)
	}
	if h.Operate {
		text = bytes.Replace(text, []byte(unarmed), []byte(`<meta name="operate" content="`+h.journal.token+`">`), 1)
	}
	return serveContent(w, r, mediaTypes[path.Ext(document)], text)
}

func serveFile(name string) func(w http.ResponseWriter, r *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		text, err := files.ReadFile("page/" + name)
		if err != nil {
			return caddyhttp.Error(http.StatusInternalServerError, err)
		}
		return serveContent(w, r, mediaTypes[path.Ext(name)], text)
	}
}

func serveContent(w http.ResponseWriter, r *http.Request, mediaType string, content []byte) error {
	w.Header().Set("Content-Type", mediaType)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	return nil
}
