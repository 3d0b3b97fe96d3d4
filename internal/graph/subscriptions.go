package graph

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// A Subscription is an app's subscription to fields of one object.
type Subscription struct {
	Object      string  `json:"object"`
	CallbackURL string  `json:"callback_url"`
	Active      bool    `json:"active"`
	Fields      []Field `json:"fields"`
}

// A Field is a field that an app is subscribed to.
type Field struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"` // of the Graph API that its values follow
}

// UnmarshalJSON implements json.Unmarshaler. Old versions of the Graph API send
// the name only.
func (f *Field) UnmarshalJSON(text []byte) error {
	if err := json.Unmarshal(text, &f.Name); err == nil {
		return nil
	}
	type field Field // without this method
	return json.Unmarshal(text, (*field)(f))
}

// An Addition is a subscription to add.
type Addition struct {
	Object        string
	Fields        []string
	CallbackURL   string
	VerifyToken   string
	IncludeValues bool // send the changed values, not only the names of fields
}

// Subscriptions returns the subscriptions of the app.
func (c *Client) Subscriptions(ctx context.Context) ([]Subscription, error) {
	r, err := c.subscriptions()
	if err != nil {
		return nil, err
	}
	return list[Subscription](ctx, c, r)
}

// AddSubscription subscribes the app to fields of an object, in addition to its
// other fields. Meta verifies the callback URL before it answers.
func (c *Client) AddSubscription(ctx context.Context, a Addition) error {
	r, err := c.subscriptions()
	if err != nil {
		return err
	}
	r.method, r.secret = http.MethodPost, a.VerifyToken
	r.body = url.Values{
		"object":         {a.Object},
		"fields":         {strings.Join(a.Fields, ",")},
		"callback_url":   {a.CallbackURL},
		"verify_token":   {a.VerifyToken},
		"include_values": {strconv.FormatBool(a.IncludeValues)},
	}
	return c.change(ctx, r)
}

// RemoveSubscription unsubscribes the app from fields of an object, or from the
// object if there are no fields.
func (c *Client) RemoveSubscription(ctx context.Context, object string, fields []string) error {
	r, err := c.subscriptions()
	if err != nil {
		return err
	}
	r.method, r.query = http.MethodDelete, url.Values{"object": {object}}
	if len(fields) > 0 {
		r.query.Set("fields", strings.Join(fields, ","))
	}
	return c.change(ctx, r)
}

// Validate returns an error if the client cannot manage the subscriptions of an
// app.
func (c *Client) Validate() error {
	if !IsID(c.AppID) {
		return errors.New("the app ID must be a number")
	}
	_, err := c.endpoint()
	return err
}

func (c *Client) subscriptions() (request, error) {
	return request{path: []string{c.AppID, "subscriptions"}, hints: subscriptionHints}, c.Validate()
}

const mismatchHint = "The app ID and the app secret may not belong together, or the secret was reset."

var subscriptionHints = map[int]string{
	codeParameter:    "The object or a field may be misspelled or not available to the app.",
	codePermission:   "This call requires an app access token, not one of a user or a Page.",
	codeToken:        mismatchHint,
	codeVerification: verificationHint,
}
