package metawebhook

import (
	"net/http"
	"net/url"
	"testing"
)

func TestVerificationEchoesChallenge(t *testing.T) {
	h := provisioned(t, func(h *Handler) { h.VerifyToken = []string{"old", testToken} })
	for _, token := range []string{"old", testToken} {
		for _, challenge := range []string{"1158201444", "Zx_-9 +ä", "<script>"} {
			query := url.Values{"hub.mode": {"subscribe"}, "hub.challenge": {challenge}, "hub.verify_token": {token}, "tenant": {"7"}}
			next := new(app)
			w, status, _ := serve(h, newRequest(http.MethodGet, "/webhooks?"+query.Encode(), ""), next)
			if status != 0 || w.Code != 200 || w.Body.String() != challenge {
				t.Errorf("challenge %q: got error %d, status %d, body %q", challenge, status, w.Code, w.Body)
			}
			for name, want := range map[string]string{
				"Content-Type":           "text/plain; charset=utf-8",
				"X-Content-Type-Options": "nosniff",
				"Cache-Control":          "no-store",
			} {
				if got := w.Header().Get(name); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
			if len(next.requests) > 0 {
				t.Error("a verification request reached the next handler")
			}
		}
	}
}

func TestVerificationRefused(t *testing.T) {
	const right = "hub.mode=subscribe&hub.challenge=1&hub.verify_token=correct+horse"
	for _, tc := range []struct {
		name, query string
		status      int
		reason      string
	}{
		{"wrong token", "hub.mode=subscribe&hub.challenge=1&hub.verify_token=wrong", 403, "verify_token_mismatch"},
		{"empty token", "hub.mode=subscribe&hub.challenge=1&hub.verify_token=", 403, "verify_token_mismatch"},
		{"part of the token", "hub.mode=subscribe&hub.challenge=1&hub.verify_token=correct", 403, "verify_token_mismatch"},
		{"token in another case", "hub.mode=subscribe&hub.challenge=1&hub.verify_token=Correct+Horse", 403, "verify_token_mismatch"},
		{"no query", "", 400, "verification_malformed"},
		{"no token", "hub.mode=subscribe&hub.challenge=1", 400, "verification_malformed"},
		{"no challenge", "hub.mode=subscribe&hub.verify_token=correct+horse", 400, "verification_malformed"},
		{"empty challenge", "hub.mode=subscribe&hub.challenge=&hub.verify_token=correct+horse", 400, "verification_malformed"},
		{"no mode", "hub.challenge=1&hub.verify_token=correct+horse", 400, "verification_malformed"},
		{"another mode", "hub.mode=unsubscribe&hub.challenge=1&hub.verify_token=correct+horse", 400, "verification_malformed"},
		{"two modes", right + "&hub.mode=subscribe", 400, "verification_malformed"},
		{"two challenges", right + "&hub.challenge=2", 400, "verification_malformed"},
		{"two tokens", right + "&hub.verify_token=wrong", 400, "verification_malformed"},
		{"malformed query", right + "&x=%zz", 400, "verification_malformed"},
		{"underscores", "hub_mode=subscribe&hub_challenge=1&hub_verify_token=correct+horse", 400, "verification_malformed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRequest(http.MethodGet, "/webhooks", "")
			r.URL.RawQuery = tc.query
			w, status, reason := serve(provisioned(t), r, new(app))
			if status != tc.status || reason != tc.reason {
				t.Errorf("got %d %q, want %d %q", status, reason, tc.status, tc.reason)
			}
			if w.Body.Len() > 0 {
				t.Errorf("got body %q, want none", w.Body)
			}
		})
	}
}

func FuzzVerification(f *testing.F) {
	f.Add("hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=meatyhamhock")
	f.Add("hub.mode=subscribe&hub.challenge=a%20b&hub.verify_token=x&tenant=1")
	f.Add("hub.mode=subscribe&hub.mode=subscribe&hub.challenge=1&hub.verify_token=")
	f.Add("hub%2Emode=subscribe;hub.challenge=1")
	h := provisioned(f)
	f.Fuzz(func(t *testing.T, query string) {
		challenge, token, err := parseVerification(query)
		values, queryErr := url.ParseQuery(query)
		one := func(name string) bool { return len(values[name]) == 1 }
		want := queryErr == nil && one("hub.mode") && one("hub.challenge") && one("hub.verify_token") &&
			values.Get("hub.mode") == "subscribe" && values.Get("hub.challenge") != ""
		if (err == nil) != want {
			t.Fatalf("%q: got error %v, want success %t", query, err, want)
		}
		if err == nil && (challenge != values.Get("hub.challenge") || token != values.Get("hub.verify_token")) {
			t.Fatalf("%q: got challenge %q and token %q", query, challenge, token)
		}

		r := newRequest(http.MethodGet, "/", "")
		r.URL.RawQuery = query
		w, status, _ := serve(h, r, new(app))
		if right := want && token == testToken; right != (status == 0) || right && w.Body.String() != challenge || !right && w.Body.Len() > 0 {
			t.Fatalf("%q: got error %d, body %q", query, status, w.Body)
		}
	})
}
