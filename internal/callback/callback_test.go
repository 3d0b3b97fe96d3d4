package callback

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

// form returns a form with a signed request of the payload, whose signature is
// 32 bytes of x.
func form(payload string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return url.Values{"signed_request": {encode([]byte(strings.Repeat("x", 32))) + "." + encode([]byte(payload))}}.Encode()
}

func TestSignedRequestsAreParsed(t *testing.T) {
	const payload = `{"algorithm":"HMAC-SHA256","issued_at":1700000000,"user_id":"218471"}`
	good := form(payload)
	for _, tc := range []struct {
		name, form string
		want       error
	}{
		{"as Meta sends it", good, nil},
		{"with padding", strings.Replace(good, ".", "%3D.", 1), nil},
		{"with another parameter", "a=b&" + good, nil},
		{"nothing", "", ErrMissing},
		{"another form", "signed=1", ErrMissing},
		{"two of them", good + "&" + good, ErrMalformed},
		{"no form", "%zz", ErrMalformed},
		{"no signature", strings.Replace(good, ".", "", 1), ErrMalformed},
		{"a short signature", "signed_request=eHg.e30", ErrMalformed},
		{"standard base64", strings.Replace(good, "eHh4", "%2B%2F4", 1), ErrMalformed},
	} {
		if _, err := Parse([]byte(tc.form)); err != tc.want {
			t.Errorf("%s: got error %v, want %v", tc.name, err, tc.want)
		}
	}
}

func TestNotificationOfASignedRequest(t *testing.T) {
	c := &Callback{Kind: Deauthorize, Path: "/deauthorize"}
	for payload, want := range map[string]error{
		`{"algorithm":"HMAC-SHA256","issued_at":1700000000,"user_id":"2\"18"}`: nil,
		`{"algorithm":"hmac-sha256","user_id":"1"}`:                            nil,
		`{"algorithm":"HMAC-SHA1","user_id":"1"}`:                              ErrAlgorithm,
		`{"algorithm":"none","user_id":"1"}`:                                   ErrAlgorithm,
		`{"user_id":"1"}`:                                                      ErrAlgorithm,
		`{"algorithm":"HMAC-SHA256"}`:                                          ErrPayload,
		`{"algorithm":"HMAC-SHA256","user_id":1}`:                              ErrPayload,
		`[]`: ErrPayload,
		`{`:  ErrPayload,
	} {
		s, err := Parse([]byte(form(payload)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.Notification(s)
		if err != want {
			t.Errorf("%s: got error %v, want %v", payload, err, want)
		}
		if err == nil && !json.Valid(got) {
			t.Errorf("%s: got %s, which is not JSON", payload, got)
		}
	}
}

func TestCallbacksAreValidated(t *testing.T) {
	for _, tc := range []struct {
		c    Callback
		want string // in the error
	}{
		{Callback{Deauthorize, "/a", ""}, ""},
		{Callback{DataDeletion, "/a", "https://example.com/deletions/{code}"}, ""},
		{Callback{DataDeletion, "/a", ""}, "status_url"},
		{Callback{DataDeletion, "/a", "https://example.com/deletions"}, "status_url"},
		{Callback{DataDeletion, "/a", "http://example.com/{code}"}, "status_url"},
		{Callback{Deauthorize, "/a", "https://example.com/{code}"}, "status_url"},
		{Callback{Deauthorize, "a", ""}, "path"},
		{Callback{"other", "/a", ""}, "must be one of"},
	} {
		err := tc.c.Validate()
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%+v: got error %v, want one with %q", tc.c, err, tc.want)
		}
	}
}
