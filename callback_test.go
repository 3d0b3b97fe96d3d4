package metawebhook

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/callback"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/delivery"
)

// signedRequest returns a POST as Meta sends it to another callback URL.
func signedRequest(path, secret, payload string) *http.Request {
	encoded := base64.RawURLEncoding.EncodeToString([]byte(payload))
	digest, _ := hex.DecodeString(strings.TrimPrefix(sign(secret, encoded), signaturePrefix))
	form := url.Values{"signed_request": {base64.RawURLEncoding.EncodeToString(digest) + "." + encoded}}
	r := newRequest(http.MethodPost, "https://example.com"+path, form.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func withCallbacks(h *Handler) {
	h.Callbacks = []*callback.Callback{
		{Kind: callback.Deauthorize, Path: "/deauthorize"},
		{Kind: callback.DataDeletion, Path: "/deletion", StatusURL: "https://example.com/deletions/{code}"},
	}
}

const signedPayload = `{"algorithm":"HMAC-SHA256","issued_at":1700000000,"user_id":"218471"}`

func TestSignedRequestsAreDelivered(t *testing.T) {
	for path, want := range map[string]string{"/deauthorize": "com.facebook.app.deauthorize", "/deletion": "com.facebook.app.data_deletion"} {
		h := provisioned(t, withCallbacks)
		next, codes := new(app), make(map[string]bool)
		for range 2 { // the second is a repeat
			w, status, reason := serve(h, signedRequest(path, testSecret, signedPayload), next)
			if status != 0 || w.Code != 200 {
				t.Fatalf("%s: got error %d %q, status %d; want 200", path, status, reason, w.Code)
			}
			if path == "/deletion" {
				var answer struct {
					URL  string `json:"url"`
					Code string `json:"confirmation_code"`
				}
				if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.URL != "https://example.com/deletions/"+answer.Code || len(answer.Code) != 32 {
					t.Errorf("%s: got %s, %v", path, w.Body, err)
				}
				codes[answer.Code] = true
			}
		}
		if len(next.bodies) != 1 || len(codes) > 1 {
			t.Fatalf("%s: got %q and the codes %v, want one event and one code", path, next.bodies, codes)
		}
		var e struct {
			ID, Type, Subject string
			Data              json.RawMessage
		}
		if err := json.Unmarshal([]byte(next.bodies[0]), &e); err != nil || e.Type != want || e.Subject != "218471" || string(e.Data) != signedPayload {
			t.Errorf("%s: got %s, want %s of 218471", path, next.bodies[0], want)
		}
		if path == "/deletion" && !codes[e.ID] {
			t.Errorf("got the code %v, want the event's id %s", codes, e.ID)
		}
	}
}

func TestForgedSignedRequestsNeverReachNext(t *testing.T) {
	for _, tc := range []struct {
		name   string
		r      *http.Request
		status int
		reason string
	}{
		{"wrong secret", signedRequest("/deletion", "wrong", signedPayload), 401, "signature_mismatch"},
		{"empty secret", signedRequest("/deauthorize", "", signedPayload), 401, "signature_mismatch"},
		{"nothing signed", newRequest(http.MethodPost, "https://example.com/deletion", ""), 401, "signed_request_missing"},
		{"malformed", newRequest(http.MethodPost, "https://example.com/deletion", "signed_request=x"), 401, "signed_request_malformed"},
		{"another algorithm", signedRequest("/deletion", testSecret, `{"algorithm":"none","user_id":"1"}`), 401, "signed_request_algorithm"},
		{"no user", signedRequest("/deletion", testSecret, `{"algorithm":"HMAC-SHA256"}`), 400, "signed_request_payload"},
		{"a repeated member", signedRequest("/deletion", testSecret, `{"algorithm":"HMAC-SHA256","user_id":"1","user_id":"2"}`), 400, "body_duplicate_name"},
		{"GET", newRequest(http.MethodGet, "https://example.com/deletion?hub.mode=subscribe", ""), 405, "method_not_allowed"},
		{"another path", signedRequest("/other", testSecret, signedPayload), 401, "signature_missing"},
	} {
		next := new(app)
		if _, status, reason := serve(provisioned(t, withCallbacks), tc.r, next); status != tc.status || reason != tc.reason || len(next.bodies) > 0 {
			t.Errorf("%s: got %d %q and %d events, want %d %q and none", tc.name, status, reason, len(next.bodies), tc.status, tc.reason)
		}
	}
}

func TestFailedDeletionIsNotConfirmed(t *testing.T) {
	for _, mode := range []string{delivery.Each, delivery.Batch, delivery.Original} {
		h := provisioned(t, withCallbacks, func(h *Handler) { h.Deliver = mode })
		w, status, _ := serve(h, signedRequest("/deletion", testSecret, signedPayload), &app{answer: failing("218471")})
		if status != 502 || w.Body.Len() > 0 {
			t.Errorf("%s: got %d and %q, want 502 and no confirmation", mode, status, w.Body)
		}
	}
}
