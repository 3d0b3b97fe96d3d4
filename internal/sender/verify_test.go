package sender

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestVerificationLooksLikeMetas(t *testing.T) {
	s := setup{handler: func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.FormValue("hub.mode") != "subscribe" || r.FormValue("app") != "1" {
			t.Errorf("got %s %s, want GET with hub.mode=subscribe and the URL's own query", r.Method, r.URL)
		}
		if got := r.UserAgent(); !strings.HasPrefix(got, "facebookplatform/1.0") {
			t.Errorf("got User-Agent %q, want Meta's", got)
		}
		handle(w, r)
	}}.sender(t)
	s.url.RawQuery = "app=1"
	if _, err := s.Verify(t.Context(), token); err != nil {
		t.Errorf("got error %v, want none", err)
	}
}

func TestChallengesDiffer(t *testing.T) {
	if a, b := newChallenge(), newChallenge(); a == b || len(a) != 10 || len(b) != 10 {
		t.Errorf("got %s and %s, want two different numbers of ten digits", a, b)
	}
}

// TestVerificationErrors covers the wrong answers that are common in practice.
func TestVerificationErrors(t *testing.T) {
	around := func(before, after string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, before+r.FormValue("hub.challenge")+after)
		}
	}
	status := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
	}
	redirect := func(to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", to+"?"+r.URL.RawQuery)
			w.WriteHeader(http.StatusMovedPermanently)
		}
	}
	text := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) }
	}
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"another token":     {handle, "403 Forbidden: the server has another verify token"},
		"a login":           {status(401), "401 Unauthorized: something in front of meta_webhook requires a login"},
		"no route":          {status(404), "404 Not Found: no webhook handler at this path"},
		"no GET":            {status(405), "405 Method Not Allowed: another handler"},
		"a lost query":      {status(400), "400 Bad Request: the server does not see a verification request"},
		"another 2xx":       {status(204), "204 No Content: Meta accepts only 200"},
		"an error":          {status(500), "500 Internal Server Error: the server failed"},
		"an unknown status": {status(299), "299: Meta accepts only 200"},
		"nginx without a cert": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(400)
			io.WriteString(w, "<html>No required SSL certificate was sent")
		}, "requires a client certificate"},
		"another path":          {redirect("/webhooks/"), "/webhooks/. Meta does not follow redirects"},
		"another site":          {redirect("https://www.example.com/hook"), "redirects to https://www.example.com/hook. Meta"},
		"a redirect to nowhere": {status(302), "302 Found: it redirects to nowhere"},
		"nothing":               {status(200), "it is empty"},
		"a page":                {text("<!doctype html><title>Shop</title>"), "HTML page without the challenge"},
		"a page around":         {around("\n<html><body>", "</body></html>"), "HTML around it"},
		"a BOM":                 {around("\ufeff", ""), "begins with a byte order mark"},
		"quotes":                {around(`"`, "\"\n"), "quotes around it"},
		"a newline":             {around("", "\n"), `white space around it: "" before and "\n" after`},
		"JSON":                  {around(`{"challenge":`, "}"), `other text around it, got "{\"challenge\":`},
		"something else":        {text("ok\x1b[2J"), `got "ok\x1b[2J"`},
		"a lot":                 {text(strings.Repeat("ä", 5000)), `ää" and more`},
	} {
		t.Run(name, func(t *testing.T) {
			s := setup{handler: test.handler}.sender(t)
			sent := "another-token"
			answer, err := s.Verify(t.Context(), sent)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got error %v, want one with %q", err, test.want)
			}
			if strings.Contains(err.Error(), sent) {
				t.Errorf("got error %v, want no verify token in it", err)
			}
			if len(err.Error()) > 600 {
				t.Errorf("got an error of %d bytes, want a short one", len(err.Error()))
			}
			if answer.Status == 0 {
				t.Error("got no status, want that of the answer")
			}
		})
	}
}
