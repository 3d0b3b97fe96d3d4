package sender

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// redirecting returns a handler that redirects one path and passes the query on.
func redirecting(path, to string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == path {
			w.Header().Set("Location", to+"?"+r.URL.RawQuery)
			w.WriteHeader(http.StatusFound)
			return
		}
		next(w, r)
	}
}

// serving returns a handler that accepts verification requests on one path, and
// has a page on all others.
func serving(path string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == path {
			handle(w, r)
			return
		}
		w.Write([]byte("<!doctype html><title>Events</title>"))
	}
}

func TestAdviceAfterARedirect(t *testing.T) {
	for name, test := range map[string]struct {
		path    string // of the callback URL
		handler http.HandlerFunc
		want    string // {host} is the server
	}{
		"the root, to a page": {
			"/", redirecting("/", "/inspector/", serving("/webhooks")),
			"302 Found: it redirects to http://{host}/inspector/. Meta does not follow redirects. Use http://{host}/webhooks, which returns the challenge",
		},
		"a slash at the end": {
			"/hook", redirecting("/hook", "/hook/", serving("/hook/")),
			"it redirects to http://{host}/hook/. Meta does not follow redirects. Use http://{host}/hook/, which returns the challenge",
		},
		"the root, and another path": {
			"/", redirecting("/", "/inspector/", serving("/hook")),
			"Use the URL that meta_webhook serves, such as http://{host}/webhooks",
		},
		"another token": {
			"/", redirecting("/", "/inspector/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }),
			"Use the URL that meta_webhook serves, such as http://{host}/webhooks",
		},
		"in circles": {
			"/webhooks", redirecting("/webhooks", "/webhooks", serving("/hook")),
			"Use the URL that meta_webhook serves, such as http://{host}/webhooks",
		},
		"to nowhere": {
			"/", func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/" {
					w.WriteHeader(http.StatusFound)
					return
				}
				serving("/webhooks")(w, r)
			},
			"it redirects to nowhere: it has no valid Location header. Meta does not follow redirects. Use http://{host}/webhooks, which returns the challenge",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := setup{handler: test.handler}.sender(t)
			s.url.Path = test.path
			want := strings.ReplaceAll(test.want, "{host}", s.url.Host)
			if _, err := s.Verify(t.Context(), token); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got error %v, want one with %q", err, want)
			}
		})
	}
}

// TestRedirectsDoNotLeakTheToken redirects to another host, and from HTTPS to
// plain HTTP.
func TestRedirectsDoNotLeakTheToken(t *testing.T) {
	asked := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	t.Cleanup(other.Close)
	at, err := url.Parse(other.URL)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := "http://localhost:" + at.Port() + "/hook"
	s := setup{handler: redirecting("/webhooks", elsewhere, serving("/hook"))}.sender(t)
	want := "it redirects to " + elsewhere + ". Meta does not follow redirects. Verify that URL, or use the one that meta_webhook serves, such as " + s.url.String()
	if _, err := s.Verify(t.Context(), token); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want one with %q", err, want)
	}

	tls := httptest.NewTLSServer(redirecting("/webhooks", other.URL+"/hook", serving("/hook")))
	t.Cleanup(tls.Close)
	callback, err := url.Parse(tls.URL + "/webhooks")
	if err != nil {
		t.Fatal(err)
	}
	s = New(callback, Options{Timeout: time.Minute, Roots: tls.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs})
	t.Cleanup(s.Close)
	if _, err := s.Verify(t.Context(), token); err == nil || !strings.Contains(err.Error(), "Verify that URL") {
		t.Errorf("got error %v, want the advice to verify that URL", err)
	}
	if asked != 0 {
		t.Errorf("got %d requests at the other server, want none", asked)
	}
}
