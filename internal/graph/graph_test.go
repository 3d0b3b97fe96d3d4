package graph

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/graph/graphtest"
)

const (
	appID  = "188559381496048"
	secret = "battery-staple"
	token  = "correct-horse"
)

// start returns a Graph API and a client for it.
func start(t *testing.T) (*graphtest.Server, *Client) {
	t.Helper()
	s := graphtest.Start(t, DefaultVersion, appID, secret)
	return s, &Client{URL: s.URL, Version: DefaultVersion, AppID: appID, Token: s.Token}
}

// receiver starts a server that accepts the verify token and returns its URL.
func receiver(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("hub.verify_token") != token {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		io.WriteString(w, r.FormValue("hub.challenge"))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestErrorsAreReadableAndRedacted(t *testing.T) {
	server, _ := start(t)
	callback := receiver(t)
	for name, test := range map[string]struct {
		change func(*Client, *Addition)
		want   []string
	}{
		"another secret":   {func(c *Client, _ *Addition) { c.Token = appID + "|" + token }, []string{"Meta answered 400: Malformed access token REDACTED (OAuthException, code 190, fbtrace_id AbCdEf123)\nThe app ID and the app secret may not belong together"}},
		"another token":    {func(_ *Client, a *Addition) { a.VerifyToken = secret }, []string{"HTTP Status Code = 403", "code 2200", "\nMeta did not get its challenge back. Run caddy meta-webhook verify"}},
		"an unknown field": {func(_ *Client, a *Addition) { a.Fields = []string{"fead"} }, []string{"(#100)", "FEED, MENTION", "\nThe object or a field may be misspelled"}},
		"another version":  {func(c *Client, _ *Addition) { c.Version = "v1.0" }, []string{"Meta answered 400: Unsupported post request"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := &Client{URL: server.URL, Version: DefaultVersion, AppID: appID, Token: server.Token}
			a := Addition{Object: "page", Fields: []string{"feed"}, CallbackURL: callback, VerifyToken: token}
			test.change(c, &a)
			err := c.AddSubscription(t.Context(), a)
			if err == nil {
				t.Fatal("got no error, want one")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got error %v, want one with %q", err, want)
				}
			}
			for _, hidden := range []string{secret, token} {
				if strings.Contains(err.Error(), hidden) {
					t.Errorf("got error %v, want no secret in it", err)
				}
			}
		})
	}
}

func TestInvalidAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"a page":         {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }, "answered 200 without JSON of the Graph API"},
		"a failed proxy": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }, "answered 502 Bad Gateway without an error of the Graph API"},
		"a redirect":     {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, "answered 302 Found"},
		"no success":     {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"success":false}`) }, "did not report success"},
		"nothing":        {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{}`) }, "did not report success"},
		"no connection":  {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "no answer from 127.0.0.1"},
		"for people": {
			func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(403)
				io.WriteString(w, `{"error":{"message":"no\u001b[2J","code":10,"error_subcode":7,"error_user_title":"Not yours","error_user_msg":"Ask its owner."}}`)
			},
			"Meta answered 403: no [2J (code 10, subcode 7)\nNot yours: Ask its owner.",
		},
		"a user's token": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(403)
			io.WriteString(w, `{"error":{"code":200}}`)
		}, "requires an app access token"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(test.answer)
			t.Cleanup(server.Close)
			c := &Client{URL: server.URL, AppID: appID, Token: appID + "|" + secret}
			err := c.RemoveSubscription(t.Context(), "page", nil)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("got error %v, want no secret in it", err)
			}
		})
	}
}

func TestEndpointsKeepTheTokenSecret(t *testing.T) {
	for _, test := range []struct{ url, version, id, want string }{
		{"", "v25.0", appID, "https://graph.facebook.com/v25.0/" + appID},
		{"", "", appID, "https://graph.facebook.com/" + appID},
		{"http://localhost:1234/base/", "v25.0", appID, "http://localhost:1234/base/v25.0/" + appID},
		{"http://graph.facebook.com", "v25.0", appID, ""},
		{"ftp://localhost", "v25.0", appID, ""},
		{"https://user:password@graph.facebook.com", "v25.0", appID, ""},
		{"graph.facebook.com", "v25.0", appID, ""},
		{"", "v25.0", "", ""},
		{"", "v25.0", "me/../1", ""},
	} {
		c := &Client{URL: test.url, Version: test.version}
		got, err := c.endpoint(test.id)
		switch {
		case test.want == "" && err == nil:
			t.Errorf("%v: got %s, want an error", test, got)
		case test.want != "" && (err != nil || got.String() != test.want):
			t.Errorf("%v: got %s and error %v, want %s", test, got, err, test.want)
		}
	}
}
