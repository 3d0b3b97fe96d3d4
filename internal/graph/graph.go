// Package graph is a client of the Graph API's edge for the webhook
// subscriptions of an app, /{app-id}/subscriptions.
//
// The app access token travels in a header alone, and stands in no error.
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
	// DefaultURL is where Meta's Graph API is.
	DefaultURL = "https://graph.facebook.com"
	// DefaultVersion is the version of the Graph API that is asked for.
	DefaultVersion = "v25.0"
)

// timeout is how long Meta may take. Before it answers a new subscription, it
// verifies the callback URL.
const timeout = time.Minute

// maxAnswer is how much of an answer is read.
const maxAnswer = 4 << 20

// A Client speaks for one app.
type Client struct {
	URL     string // of the Graph API; empty: Meta's
	Version string // of the Graph API; empty: the oldest that the app may use
	AppID   string
	Token   string // the app access token, {app-id}|{app-secret}
}

// A Subscription is to fields of one object.
type Subscription struct {
	Object      string  `json:"object"`
	CallbackURL string  `json:"callback_url"`
	Active      bool    `json:"active"`
	Fields      []Field `json:"fields"`
}

// A Field is one that an app is subscribed to.
type Field struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"` // of the Graph API, in which its values come
}

// UnmarshalJSON implements json.Unmarshaler. Old versions of the Graph API
// send the name alone.
func (f *Field) UnmarshalJSON(text []byte) error {
	if err := json.Unmarshal(text, &f.Name); err == nil {
		return nil
	}
	type field Field // without this method
	return json.Unmarshal(text, (*field)(f))
}

// An Addition is a subscription to make.
type Addition struct {
	Object        string
	Fields        []string
	CallbackURL   string
	VerifyToken   string
	IncludeValues bool // send values, not just the names of fields
}

// Validate reports whether the client can be used. The other methods do so
// themselves.
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

// Add subscribes the app to more fields of an object. Meta verifies the
// callback URL before it returns.
func (c *Client) Add(ctx context.Context, a Addition) error {
	return c.change(ctx, http.MethodPost, nil, url.Values{
		"object":         {a.Object},
		"fields":         {strings.Join(a.Fields, ",")},
		"callback_url":   {a.CallbackURL},
		"verify_token":   {a.VerifyToken},
		"include_values": {strconv.FormatBool(a.IncludeValues)},
	})
}

// Remove ends the app's subscription to fields of an object, or, without
// fields, to the object.
func (c *Client) Remove(ctx context.Context, object string, fields []string) error {
	query := url.Values{"object": {object}}
	if len(fields) > 0 {
		query.Set("fields", strings.Join(fields, ","))
	}
	return c.change(ctx, http.MethodDelete, query, nil)
}

// change is do for what succeeds or does not.
func (c *Client) change(ctx context.Context, method string, query, form url.Values) error {
	var answer struct {
		Success any `json:"success"` // true, or "true"
	}
	if err := c.do(ctx, method, query, form, &answer); err != nil {
		return err
	}
	if fmt.Sprint(answer.Success) != "true" {
		return errors.New("the Graph API does not say that it succeeded")
	}
	return nil
}

// do sends a request and reads the answer into v.
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

// client follows no redirects: the token is for nobody else.
var client = &http.Client{
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// endpoint returns the URL of the app's edge.
func (c *Client) endpoint() (*url.URL, error) {
	base := c.URL
	if base == "" {
		base = DefaultURL
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return nil, fmt.Errorf("the Graph API's URL must be like %s", DefaultURL)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback.Is(u.Hostname())) {
		return nil, errors.New("the Graph API's URL must begin with https://: the access token would be sent in the clear")
	}
	if c.AppID == "" || strings.Trim(c.AppID, "0123456789") != "" {
		return nil, errors.New("an app id is a number")
	}
	return u.JoinPath(c.Version, c.AppID, "subscriptions"), nil
}

// read reads an answer into v, or says what is wrong with it.
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
		return fmt.Errorf("%s answered %d %s, and no error of the Graph API",
			res.Request.URL.Host, res.StatusCode, http.StatusText(res.StatusCode))
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("%s answered 200, and no JSON of the Graph API", res.Request.URL.Host)
	}
	return nil
}

// unreachable says why there is no answer.
func (c *Client) unreachable(endpoint *url.URL, err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		if wrapped.Timeout() {
			return fmt.Errorf("no answer from %s within %s", endpoint.Host, timeout)
		}
		err = wrapped.Err
	}
	return fmt.Errorf("no answer from %s: %s", endpoint.Host, c.scrub(err.Error()))
}

// scrub takes the access token, and the app secret in it, out of a text. Meta
// quotes tokens that it does not like.
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
