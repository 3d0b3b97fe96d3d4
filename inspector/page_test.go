package inspector

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestPageIsServedWithItsHeaders(t *testing.T) {
	h := provisioned(t)
	entries, err := files.ReadDir("page")
	if err != nil || len(entries) < 5 {
		t.Fatalf("got %d files and error %v, want the page's", len(entries), err)
	}
	targets := map[string]string{"/inspector/": "text/html; charset=utf-8"}
	for _, e := range entries {
		if e.Name() != "index.html" {
			targets["/inspector/"+e.Name()] = mediaTypes[e.Name()[strings.LastIndexByte(e.Name(), '.'):]]
		}
	}
	for target, mediaType := range targets {
		w, status := serve(h, newRequest(http.MethodGet, target, ""), new(app))
		if status != http.StatusOK || w.Body.Len() == 0 {
			t.Errorf("%s: got %d and %d bytes, want 200", target, status, w.Body.Len())
		}
		for name, want := range map[string]string{
			"Content-Type":                 mediaType,
			"Content-Security-Policy":      contentPolicy,
			"X-Content-Type-Options":       "nosniff",
			"X-Frame-Options":              "DENY",
			"Cache-Control":                "no-store",
			"Referrer-Policy":              "no-referrer",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Cross-Origin-Opener-Policy":   "same-origin",
		} {
			if got := w.Header().Get(name); got != want || want == "" {
				t.Errorf("%s: got %s %q, want %q", target, name, got, want)
			}
		}
	}
}

func TestContentPolicyAllowsNothingInline(t *testing.T) {
	for directive := range strings.SplitSeq(contentPolicy, "; ") {
		name, sources, _ := strings.Cut(directive, " ")
		allowed := []string{"'none'", "'self'"}
		if name == "require-trusted-types-for" {
			allowed = []string{"'script'"}
		}
		if !slices.Contains(allowed, sources) {
			t.Errorf("got %s, want one of %q", directive, allowed)
		}
	}
	for _, name := range []string{"default-src", "base-uri", "form-action", "frame-ancestors", "trusted-types"} {
		if !strings.Contains(contentPolicy, name+" 'none'") {
			t.Errorf("got %s, want %s 'none'", contentPolicy, name)
		}
	}
}

// TestPageAsksNobodyElse looks for what could load something from elsewhere,
// or turn text into markup.
func TestPageAsksNobodyElse(t *testing.T) {
	never := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|srcdoc|style=|\son[a-z]+=|https?://`)
	entries, _ := files.ReadDir("page")
	for _, e := range entries {
		text, err := files.ReadFile("page/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		// the name of what a drawing is in, and the app in a command that is copied
		ours := strings.NewReplacer(`"http://www.w3.org/2000/svg"`, "", "APP=http://localhost:3000", "")
		for _, found := range never.FindAllString(ours.Replace(string(text)), -1) {
			t.Errorf("%s: got %q, want nothing like it", e.Name(), found)
		}
	}
}

func TestPageIsWhereThePathSays(t *testing.T) {
	for path, targets := range map[string]map[string]int{
		"/":      {"/": 200, "/app.js": 200, "/inspector": 418, "/index.html": 418},
		"/a/b":   {"/a/b": 302, "/a/b/": 200, "/a/b/style.css": 200, "/a/b/style.css/": 418, "/a": 418, "/inspector/": 418},
		"/a.js":  {"/a.js": 302, "/a.js/app.js": 200},
		"/a b/ü": {"/a%20b/%C3%BC/": 200},
	} {
		h := provisioned(t, func(h *Handler) { h.Path = path })
		for target, want := range targets {
			w, status := serve(h, newRequest(http.MethodGet, target, ""), &app{status: http.StatusTeapot})
			if status != want {
				t.Errorf("path %s, GET %s: got %d, want %d", path, target, status, want)
			}
			// which counts from the path the browser knows, whatever was stripped from it
			if location := w.Header().Get("Location"); status == http.StatusFound && (location != path[strings.LastIndexByte(path, '/')+1:]+"/") {
				t.Errorf("path %s: got Location %q, want one relative to it", path, location)
			}
		}
	}
}

func TestPayloadIsTheBodyAsDelivered(t *testing.T) {
	batch := "[" + testEvent + ",\r\n" + testEvent + "]"
	h := provisioned(t, func(h *Handler) { h.MaxEvents = 3 })
	serve(h, newDelivery(testEvent), new(app))
	serve(h, newDelivery(testEvent+" "), new(app))
	serve(h, newDelivery(batch), new(app))
	id := h.journal.id
	for of, want := range map[string]string{id(2): testEvent + " ", id(3): batch, id(4): batch} {
		w, status := serve(h, newRequest(http.MethodGet, "/inspector/payload?of="+of, ""), new(app))
		if status != http.StatusOK || w.Body.String() != want {
			t.Errorf("of %s: got %d %q, want %q", of, status, w.Body, want)
		}
		if got := w.Header().Get("Content-Disposition"); got != `attachment; filename="event-`+of+`.json"` {
			t.Errorf("got Content-Disposition %q, want an attachment", got)
		}
	}
	for _, of := range []string{"", id(1), id(5), "AAAAAAAA-2", "2", `";x`} {
		if _, status := serve(h, newRequest(http.MethodGet, "/inspector/payload?of="+strings.ReplaceAll(of, `"`, "%22"), ""), new(app)); status != http.StatusNotFound {
			t.Errorf("of %q: got %d, want 404", of, status)
		}
	}
}
