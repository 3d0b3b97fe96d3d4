package command

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"
)

// serving starts a receiver that verifies this token.
func serving(t *testing.T, token string) *receiver {
	t.Helper()
	return newReceiver(t, verifying(token))
}

// verifying returns a handler that answers verification requests like a gateway
// with this verify token.
func verifying(token string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("hub.verify_token") != token {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		io.WriteString(w, r.FormValue("hub.challenge"))
	}
}

func TestVerifyAcceptsTheChallenge(t *testing.T) {
	cleanEnvironment(t)
	r := serving(t, "development-token")
	command(t, "", "verify", "--url", r.URL).want(t, 0, ": "+r.URL+" returned the challenge\n", "")
	t.Setenv("META_VERIFY_TOKEN", testToken)
	r = serving(t, testToken)
	command(t, "", "verify", "--url", r.URL+"/?app=1").want(t, 0, "200 OK in ", "")
}

func TestVerifyExplainsTheAnswer(t *testing.T) {
	cleanEnvironment(t)
	r := serving(t, testToken)
	command(t, "", "verify", "--url", r.URL).want(t, 2, "",
		"Error: 403 Forbidden: the server has another verify token")
	command(t, "", "verify", "--url", r.URL).want(t, 2, "",
		"The verify token came from example.Caddyfile, because META_VERIFY_TOKEN is not set")
	file := textFile(t, testToken+"2")
	command(t, "", "verify", "--url", r.URL, "--verify-token-file", file).want(t, 2, "", "The verify token came from "+file)
}

func TestVerifyInJSON(t *testing.T) {
	cleanEnvironment(t)
	for _, test := range []struct {
		token string
		code  int
		want  verifyReport
	}{
		{"development-token", 0, verifyReport{OK: true, Status: 200}},
		{testToken, 2, verifyReport{Status: 403}},
	} {
		r := serving(t, test.token)
		got := command(t, "", "verify", "--json", "--url", r.URL)
		if got.code != test.code {
			t.Errorf("got exit code %d, want %d", got.code, test.code)
		}
		var report verifyReport
		if err := json.Unmarshal([]byte(got.out), &report); err != nil {
			t.Fatalf("got %q: %v", got.out, err)
		}
		if report.Duration <= 0 || report.URL != r.URL || (report.Problem == "") != test.want.OK {
			t.Errorf("got %+v, want the URL, the duration, and a problem unless it is OK", report)
		}
		report.Duration, report.URL, report.Problem = 0, "", ""
		if report != test.want {
			t.Errorf("got %+v, want %+v", report, test.want)
		}
	}
}

func TestVerifyWarnsOfPlus(t *testing.T) {
	cleanEnvironment(t)
	r := serving(t, "development-token")
	const warning = "the callback URL contains +; Meta asks for %20 in place of it"
	for _, path := range []string{"/a+b", "/a?name=b+c"} {
		command(t, "", "verify", "--url", r.URL+path).want(t, 0, "200 OK in ", "Warning: "+warning+"\n")
		command(t, "", "verify", "--json", "--url", r.URL+path).want(t, 0, `"warning":"`+warning+`"`, "Warning: "+warning)
	}
	for _, path := range []string{"/a%20b", "/a%2Bb", "/a?name=b%2Bc"} {
		command(t, "", "verify", "--url", r.URL+path).want(t, 0, "200 OK in ", "")
	}
}

func TestVerifyFindsTheURLBehindARedirect(t *testing.T) {
	cleanEnvironment(t)
	r := newReceiver(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			http.Redirect(w, r, "/inspector/", http.StatusFound)
		case "/webhooks":
			io.WriteString(w, r.FormValue("hub.challenge"))
		default:
			io.WriteString(w, "<!doctype html>")
		}
	})
	command(t, "", "verify", "--url", r.URL+"/").want(t, 2, "",
		"Error: 302 Found: it redirects to "+r.URL+"/inspector/. Meta does not follow redirects. Use "+r.URL+"/webhooks, which returns the challenge\n")
}
