package inspector

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzOperation has a page, or what pretends to be one, send any body. Without the
// token nothing is an operation.
func FuzzOperation(f *testing.F) {
	const token = "THE-TOKEN-OF-THE-PAGE"
	for _, body := range []string{
		`{"token":"` + token + `","do":"replay","query":"to=app&state=dead"}`, `{"token":"","do":"discard"}`, `{"token":null}`, `{"token":["` + token + `"]}`,
		`{"TOKEN":"` + token + `","token":"x"}`, `{} {"token":"` + token + `"}`, `[]`, `{"token":"x","token":"` + token + `"}`, "\xff", strings.Repeat("[", 10_000),
	} {
		f.Add(body, "application/json")
	}
	f.Add(`{"token":"`+token+`"}`, "text/plain")
	f.Add(`{"token":"`+token+`"}`, "application/json; charset=utf-8")
	f.Fuzz(func(t *testing.T, body, mediaType string) {
		h := &Handler{Operate: true, journal: &journal{token: token}}
		r := httptest.NewRequest(http.MethodPost, "/inspector/operate", strings.NewReader(body))
		r.Header.Set("Content-Type", mediaType)
		o, reason := h.checkOperation(r)
		if (o == nil) != (reason != "") {
			t.Fatalf("got %+v and the reason %q, want one of them", o, reason)
		}
		if o == nil {
			return
		}
		if o.Token != token || !strings.Contains(strings.ToLower(mediaType), "application/json") {
			t.Errorf("%q of the type %q: got an operation, want the token in JSON", body, mediaType)
		}
		for _, site := range []string{"cross-site", "same-site", "none"} {
			r := httptest.NewRequest(http.MethodPost, "/inspector/operate", strings.NewReader(body))
			r.Header.Set("Content-Type", mediaType)
			r.Header.Set("Sec-Fetch-Site", site)
			if _, reason := h.checkOperation(r); reason != errCrossSite {
				t.Errorf("%s: got %q, want %s", site, reason, errCrossSite)
			}
		}
	})
}

// FuzzSearch looks for any text in any body, and shows any of them on one line.
func FuzzSearch(f *testing.F) {
	for _, seed := range []string{`\u00e9`, `\ud83d\ude00`, `\ud83d`, `\`, `\u12`, `a\nb`, "\xff\\", "É"} {
		f.Add(seed, "é")
	}
	f.Fuzz(func(t *testing.T, body, text string) {
		n := needleOf(text)
		if found := n.in([]byte(body + strings.TrimSpace(text))); !found && strings.ToLower(text) == text && !strings.ContainsRune(text, utf8.RuneError) {
			t.Errorf("%q: got it not found behind %q", text, body)
		}
		if line := oneLine(body); strings.ContainsAny(line, "\n\r\x00\x1b") || utf8.RuneCountInString(line) > longest+1 {
			t.Errorf("%q: got %q, want one short line", body, line)
		}
	})
}
