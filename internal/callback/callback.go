// Package callback reads what Meta sends to an app's other two callback URLs:
// that a user removed the app, and that a user asks for the deletion of their
// data. Both are a form with a signed request.
package callback

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/rule"
)

// The kinds of callbacks.
const (
	Deauthorize  = "deauthorize"
	DataDeletion = "data_deletion"
)

// codePlaceholder is where the confirmation code goes in a status URL.
const codePlaceholder = "{code}"

// Callback is another of the app's callback URLs, at which Meta sends a signed
// request.
type Callback struct {
	// What Meta sends to it:
	//
	// - `deauthorize`: a user has removed the app. The event has the type
	// `com.facebook.app.deauthorize`.
	// - `data_deletion`: a user asks for the deletion of their data. The event
	// has the type `com.facebook.app.data_deletion`; Meta gets the page that
	// shows how far it has come, and a code.
	//
	// The event's subject is the user's id, and its data what Meta has signed.
	Kind string `json:"kind,omitempty"`

	// The path of the URL, which must be among those that reach the handler.
	Path string `json:"path,omitempty"`

	// Of `data_deletion`: the page on which the user sees what became of the
	// request, where `{code}` stands for the confirmation code. It is the
	// event's id, so that the app knows it.
	StatusURL string `json:"status_url,omitempty"`
}

// Validate reports options that have no meaning.
func (c *Callback) Validate() error {
	switch c.Kind {
	case Deauthorize:
		if c.StatusURL != "" {
			return fmt.Errorf("status_url: only %s has one", DataDeletion)
		}
	case DataDeletion:
		u, err := url.Parse(c.Status("0"))
		if err != nil || u.Scheme != "https" || u.Host == "" || !strings.Contains(c.StatusURL, codePlaceholder) {
			return fmt.Errorf("status_url: must be an https URL with %s in it, such as https://example.com/deletions/%[1]s", codePlaceholder)
		}
	default:
		return rule.OneOf(c.Kind, Deauthorize, DataDeletion)
	}
	if !strings.HasPrefix(c.Path, "/") {
		return fmt.Errorf("%q is not a path such as /%s", c.Path, c.Kind)
	}
	return nil
}

// Status returns the page that shows what became of the request with a code.
func (c *Callback) Status(code string) string {
	return strings.ReplaceAll(c.StatusURL, codePlaceholder, code)
}

// The errors of a form.
var (
	ErrMissing   = errors.New("no signed request")
	ErrMalformed = errors.New("malformed signed request")
	ErrAlgorithm = errors.New("not signed by HMAC-SHA256")
	ErrPayload   = errors.New("the signed payload names no user")
)

// A SignedRequest is what Meta sends: base64url(signature).base64url(payload),
// with the signature over the encoded payload.
type SignedRequest struct {
	Signature [32]byte
	Signed    []byte // what the signature is over
}

// Parse reads the signed request in a form, which must have exactly one.
func Parse(form []byte) (s SignedRequest, err error) {
	values, err := url.ParseQuery(string(form))
	if err != nil {
		return s, ErrMalformed
	}
	requests := values["signed_request"]
	switch {
	case len(requests) == 0:
		return s, ErrMissing
	case len(requests) > 1:
		return s, ErrMalformed
	}
	encoded, signed, ok := strings.Cut(requests[0], ".")
	if !ok {
		return s, ErrMalformed
	}
	signature, err := decode(encoded)
	if err != nil || len(signature) != len(s.Signature) {
		return s, ErrMalformed
	}
	copy(s.Signature[:], signature)
	s.Signed = []byte(signed)
	return s, nil
}

// decode decodes base64url, with or without padding.
func decode(encoded string) ([]byte, error) {
	return base64.RawURLEncoding.Strict().DecodeString(strings.TrimRight(encoded, "="))
}

// Notification returns the notification that stands for a signed request whose
// signature was checked.
func (c *Callback) Notification(s SignedRequest) ([]byte, error) {
	payload, err := decode(string(s.Signed))
	if err != nil {
		return nil, ErrMalformed
	}
	var p struct {
		Algorithm string `json:"algorithm"`
		UserID    string `json:"user_id"`
	}
	if err := json.Unmarshal(payload, &p); err != nil {
		return nil, ErrPayload
	}
	if !strings.EqualFold(p.Algorithm, "HMAC-SHA256") {
		return nil, ErrAlgorithm
	}
	if p.UserID == "" {
		return nil, ErrPayload
	}
	user, err := json.Marshal(p.UserID)
	if err != nil {
		return nil, ErrPayload
	}
	return fmt.Appendf(nil, `{"object":"app","entry":[{"id":%s,"changes":[{"field":%q,"value":%s}]}]}`, user, c.Kind, payload), nil
}

// Confirmation is the answer to a request for deletion.
type Confirmation struct {
	URL  string `json:"url"`
	Code string `json:"confirmation_code"`
}
