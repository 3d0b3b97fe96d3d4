// Package graph is a client for the webhook subscriptions of an app in the Graph
// API, /{app-id}/subscriptions.
//
// The app access token is sent in a header only and never appears in an error.
package graph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/loopback"
)

const (
	// DefaultURL is the base URL of Meta's Graph API.
	DefaultURL = "https://graph.facebook.com"
	// DefaultVersion is the version of the Graph API that requests name by default.
	DefaultVersion = "v25.0"
)

// timeout limits each request. Meta verifies the callback URL of a subscription
// before it answers.
const timeout = time.Minute

// maxAnswer is the number of bytes read from an answer.
const maxAnswer = 4 << 20

// A Client acts as one app.
type Client struct {
	URL     string // of the Graph API; default: DefaultURL
	Version string // of the Graph API; default: the oldest one available to the app
	AppID   string
	Token   string // the app access token, {app-id}|{app-secret}
}

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

// Validate returns an error if the client is not usable. All other methods call
// it.
func (c *Client) Validate() error {
	_, err := c.endpoint()
	return err
}

// List returns the app's subscriptions.
func (c *Client) List(ctx context.Context) ([]Subscription, error) {
	all := []Subscription{}
	query := url.Values{}
	for {
		var page struct {
			Data   []Subscription `json:"data"`
			Paging struct {
				Cursors struct {
					After string `json:"after"`
				} `json:"cursors"`
				Next string `json:"next"`
			} `json:"paging"`
		}
		if err := c.do(ctx, http.MethodGet, query, nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Data...)
		after := page.Paging.Cursors.After
		if page.Paging.Next == "" || after == "" || after == query.Get("after") {
			return all, nil
		}
		query.Set("after", after)
	}
}

// Add subscribes the app to fields of an object, in addition to its other
// fields. Meta verifies the callback URL before Add returns.
func (c *Client) Add(ctx context.Context, a Addition) error {
	return c.change(ctx, http.MethodPost, nil, url.Values{
		"object":         {a.Object},
		"fields":         {strings.Join(a.Fields, ",")},
		"callback_url":   {a.CallbackURL},
		"verify_token":   {a.VerifyToken},
		"include_values": {strconv.FormatBool(a.IncludeValues)},
	})
}

// Remove unsubscribes the app from fields of an object, or from the object if
// there are no fields.
func (c *Client) Remove(ctx context.Context, object string, fields []string) error {
	query := url.Values{"object": {object}}
	if len(fields) > 0 {
		query.Set("fields", strings.Join(fields, ","))
	}
	return c.change(ctx, http.MethodDelete, query, nil)
}

// change sends a request whose answer only reports success.
func (c *Client) change(ctx context.Context, method string, query, form url.Values) error {
	var answer struct {
		Success any `json:"success"` // true, or "true"
	}
	if err := c.do(ctx, method, query, form, &answer); err != nil {
		return err
	}
	if fmt.Sprint(answer.Success) != "true" {
		return errors.New("the Graph API did not report success")
	}
	return nil
}

// do sends a request and decodes the answer into v.
func (c *Client) do(ctx context.Context, method string, query, form url.Values, v any) error {
	endpoint, err := c.endpoint()
	if err != nil {
		return err
	}
	endpoint.RawQuery = query.Encode()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, endpoint.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+c.Token)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := client.Do(r)
	if err != nil {
		return c.unreachable(endpoint, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return c.unreachable(endpoint, err)
	}
	return c.read(res, body, v)
}

// client does not follow redirects, which would pass the token on.
var client = &http.Client{
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// endpoint returns the URL of the app's subscriptions.
func (c *Client) endpoint() (*url.URL, error) {
	base := c.URL
	if base == "" {
		base = DefaultURL
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return nil, fmt.Errorf("the URL of the Graph API must look like %s", DefaultURL)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback.Is(u.Hostname())) {
		return nil, errors.New("the URL of the Graph API must begin with https://, to keep the access token secret")
	}
	if c.AppID == "" || strings.Trim(c.AppID, "0123456789") != "" {
		return nil, errors.New("the app ID must be a number")
	}
	return u.JoinPath(c.Version, c.AppID, "subscriptions"), nil
}

// read decodes an answer into v, or returns the error in it.
func (c *Client) read(res *http.Response, body []byte, v any) error {
	var failed struct {
		Error *Error `json:"error"`
	}
	if err := json.Unmarshal(body, &failed); err == nil && failed.Error != nil {
		failed.Error.Status = res.StatusCode
		failed.Error.scrub(c.scrub)
		return failed.Error
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %d %s without an error of the Graph API",
			res.Request.URL.Host, res.StatusCode, http.StatusText(res.StatusCode))
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("%s answered 200 without JSON of the Graph API", res.Request.URL.Host)
	}
	return nil
}

// unreachable returns the reason why there is no answer.
func (c *Client) unreachable(endpoint *url.URL, err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		if wrapped.Timeout() {
			return fmt.Errorf("no answer from %s within %s", endpoint.Host, timeout)
		}
		err = wrapped.Err
	}
	return fmt.Errorf("no answer from %s: %s", endpoint.Host, c.scrub(err.Error()))
}

// scrub redacts the access token, and the app secret in it, from a text: Meta
// quotes tokens that it rejects.
func (c *Client) scrub(text string) string {
	if c.Token == "" {
		return text
	}
	text = strings.ReplaceAll(text, c.Token, "REDACTED")
	if _, secret, ok := strings.Cut(c.Token, "|"); ok && secret != "" {
		text = strings.ReplaceAll(text, secret, "REDACTED")
	}
	return text
}
