package inspector

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

func operating(h *Handler) { h.Operate = true }

// newOperation returns a request as the page makes it.
func newOperation(token, do, query string) *http.Request {
	body, _ := json.Marshal(operation{token, do, query})
	r := newRequest(http.MethodPost, "/inspector/operate", string(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return r
}

func TestWhoMayChangeSomething(t *testing.T) {
	type change func(*http.Request)
	header := func(name, value string) change { return func(r *http.Request) { r.Header.Set(name, value) } }
	oldBrowser := func(origin string) change {
		return func(r *http.Request) {
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Set("Origin", origin)
		}
	}
	for name, tc := range map[string]struct {
		token   string // OWN is the handler's
		changes []change
		want    refusal
	}{
		"own page":                           {"OWN", nil, ""},
		"own page, in an old browser":        {"OWN", []change{oldBrowser("http://localhost:8080")}, ""},
		"a program with the token":           {"OWN", []change{func(r *http.Request) { r.Header.Del("Sec-Fetch-Site") }}, ""},
		"a charset":                          {"OWN", []change{header("Content-Type", "application/json; charset=utf-8")}, ""},
		"no token":                           {"", nil, errToken},
		"another token":                      {"AAAAAAAAAAAAAAAAAAAAAAAAAA", nil, errToken},
		"the start of the token":             {"PART", nil, errToken},
		"more than the token":                {"OWNx", nil, errToken},
		"a form of another website":          {"OWN", []change{header("Content-Type", "text/plain")}, errToken},
		"an encoded form":                    {"OWN", []change{header("Content-Type", "application/x-www-form-urlencoded")}, errToken},
		"no type":                            {"OWN", []change{func(r *http.Request) { r.Header.Del("Content-Type") }}, errToken},
		"another website":                    {"OWN", []change{header("Sec-Fetch-Site", "cross-site")}, errCrossSite},
		"another port":                       {"OWN", []change{header("Sec-Fetch-Site", "same-site")}, errCrossSite},
		"an address typed in":                {"OWN", []change{header("Sec-Fetch-Site", "none")}, errCrossSite},
		"a link":                             {"OWN", []change{header("Sec-Fetch-Site", "cross-site"), header("Sec-Fetch-Mode", "navigate"), header("Sec-Fetch-Dest", "document")}, errCrossSite},
		"another origin, in an old browser":  {"OWN", []change{oldBrowser("http://evil.example")}, errCrossSite},
		"an unknown one, in an old browser":  {"OWN", []change{oldBrowser("null")}, errCrossSite},
		"another client":                     {"OWN", []change{func(r *http.Request) { r.RemoteAddr = "198.51.100.7:1" }}, errClient},
		"through a proxy":                    {"OWN", []change{header("X-Forwarded-For", "127.0.0.1")}, errProxy},
		"a name that resolves to the server": {"OWN", []change{func(r *http.Request) { r.Host = "evil.example" }}, errHost},
	} {
		t.Run(name, func(t *testing.T) {
			h := provisioned(t, operating)
			token := strings.NewReplacer("OWN", h.journal.token, "PART", h.journal.token[:10]).Replace(tc.token)
			r := newOperation(token, "pause", "destination=app")
			for _, change := range tc.changes {
				change(r)
			}
			w, status := serve(h, r, new(app))
			reason, _ := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer).GetString("http.meta_webhook_inspector.error")
			// there is nothing stored under this name
			if want := map[bool]int{true: http.StatusNotFound, false: http.StatusForbidden}[tc.want == ""]; reason != string(tc.want) || status != want {
				t.Errorf("got %d and reason %q, want %d and %q", status, reason, want, tc.want)
			}
			if strings.Contains(w.Body.String(), h.journal.token) {
				t.Error("got the token in the answer, want it nowhere")
			}
		})
	}
}

func TestNothingIsChangedWithoutOperate(t *testing.T) {
	h := provisioned(t)
	r := newOperation(h.journal.token, "discard", "state=dead")
	if _, status := serve(h, r, new(app)); status != http.StatusForbidden {
		t.Errorf("got %d, want 403", status)
	}
	if w, _ := serve(h, newRequest(http.MethodGet, "/inspector/", ""), new(app)); strings.Contains(w.Body.String(), h.journal.token) {
		t.Error("got the token in the page, want none")
	}
}

func TestOperationsAreAskedForByPOST(t *testing.T) {
	h := provisioned(t, operating)
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		r := newOperation(h.journal.token, "pause", "destination=app")
		r.Method = method
		w, status := serve(h, r, new(app))
		if status != http.StatusMethodNotAllowed || w.Header().Get("Allow") != http.MethodPost || w.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: got %d and Allow %q, want 405 and POST", method, status, w.Header().Get("Allow"))
		}
	}
}

func TestMalformedOperationsAreRefused(t *testing.T) {
	h := provisioned(t, operating)
	for name, body := range map[string]string{
		"nothing": "", "no JSON": "token=" + h.journal.token, "a list": "[]", "a number for the token": `{"token":1}`,
		"much": `{"do":"` + strings.Repeat("x", longestOperation) + `","token":"` + h.journal.token + `"}`,
	} {
		r := newRequest(http.MethodPost, "/inspector/operate", body)
		r.Header.Set("Content-Type", "application/json")
		if _, status := serve(h, r, new(app)); status != http.StatusForbidden {
			t.Errorf("%s: got %d, want 403", name, status)
		}
	}
	for do, query := range map[string]string{"": "", "delete": "state=dead", "replay ": "", "pause": "%zz", "resume": "a;b"} {
		if _, status := serve(h, newOperation(h.journal.token, do, query), new(app)); status != http.StatusBadRequest {
			t.Errorf("%q: got %d, want 400", do, status)
		}
	}
}

// TestTokenIsThatOfTheProcess has the configuration reloaded.
func TestTokenIsThatOfTheProcess(t *testing.T) {
	h := provisioned(t, operating)
	w, _ := serve(h, newRequest(http.MethodGet, "/inspector/", ""), new(app))
	if !strings.Contains(w.Body.String(), `<meta name="operate" content="`+h.journal.token+`">`) || len(h.journal.token) < 26 {
		t.Errorf("got no token of 26 characters in the page, want it there")
	}
	again := provisioned(t, operating)
	if again.journal.token != h.journal.token {
		t.Error("got another token after a reload, want open pages to go on")
	}
	other := provisioned(t, operating, func(h *Handler) { h.Name = "another" })
	if other.journal.token == h.journal.token {
		t.Error("got the same token for two names, want one for each")
	}
}
