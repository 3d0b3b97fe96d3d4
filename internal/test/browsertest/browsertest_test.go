package browsertest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestProblemsAreSeen has a page that does everything a page must not do.
func TestProblemsAreSeen(t *testing.T) {
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/own.js" {
			w.Header().Set("Content-Type", "text/javascript")
			io.WriteString(w, `console.error("an error"); console.warn("a warning"); alert("a dialog");
				setTimeout(() => { throw new Error("an exception") })`)
			return
		}
		w.Header().Set("Content-Security-Policy", "script-src 'self'")
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, `<script>window.hacked = true</script><script src="own.js"></script><img src="`+other.URL+`/x.png">`)
	}))
	defer server.Close()
	p := Open(t, server.URL)
	var got []string
	for _, want := range []string{"console error", "console warning", "dialog: a dialog", "an exception", "Content Security Policy"} {
		seen := func(problem string) bool { return strings.Contains(problem, want) }
		for end := time.Now().Add(patience); !slices.ContainsFunc(got, seen); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("got the problems %q, want one with %q", got, want)
			}
			got = append(got, p.Problems()...)
		}
	}
	hosts := p.Hosts()
	slices.Sort(hosts)
	want := []string{strings.TrimPrefix(other.URL, "http://"), strings.TrimPrefix(server.URL, "http://")}
	slices.Sort(want)
	if !slices.Equal(hosts, want) {
		t.Errorf("got the hosts %q, want %q", hosts, want)
	}
	if !Eval[bool](p, `window.hacked === undefined`) {
		t.Error("got the inline script run, want the policy to forbid it")
	}
}
