// Package graph is a client for those parts of the Graph API that decide where
// Meta sends webhooks: the subscriptions of an app, the apps that are subscribed
// to a Page or a WhatsApp Business Account, and overrides of the callback URL.
//
// Access tokens are sent in a header only. Neither they nor verify tokens appear
// in errors.
package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/loopback"
)

const (
	// DefaultURL is the base URL of Meta's Graph API.
	DefaultURL = "https://graph.facebook.com"
	// DefaultVersion is the version of the Graph API that requests name by default.
	DefaultVersion = "v26.0"
)

// timeout limits each request. Meta verifies a callback URL before it answers.
const timeout = time.Minute

// maxAnswer is the number of bytes read from an answer.
const maxAnswer = 4 << 20

// A Client calls the Graph API with one access token.
type Client struct {
	URL     string // of the Graph API; default: DefaultURL
	Version string // of the Graph API; default: the oldest one available to the app
	AppID   string // for the subscriptions of an app
	Token   string // access token
}

// A request is a request to the Graph API.
type request struct {
	method string
	path   []string // an ID, perhaps an edge
	query  url.Values
	body   any            // url.Values, or a value to encode as JSON; nil for none
	hints  map[int]string // by error code
	secret string         // in the body
}

// list returns the elements of all pages of an edge.
func list[T any](ctx context.Context, c *Client, r request) ([]T, error) {
	all := []T{}
	r.method, r.query = http.MethodGet, url.Values{}
	for {
		var page struct {
			Data   []T `json:"data"`
			Paging struct {
				Cursors struct {
					After string `json:"after"`
				} `json:"cursors"`
				Next string `json:"next"`
			} `json:"paging"`
		}
		if err := c.do(ctx, r, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Data...)
		after := page.Paging.Cursors.After
		if page.Paging.Next == "" || after == "" || after == r.query.Get("after") {
			return all, nil
		}
		r.query.Set("after", after)
	}
}

// change sends a request whose answer only reports success.
func (c *Client) change(ctx context.Context, r request) error {
	var answer struct {
		Success any `json:"success"` // true, or "true"
	}
	if err := c.do(ctx, r, &answer); err != nil {
		return err
	}
	if fmt.Sprint(answer.Success) != "true" {
		return errors.New("the Graph API did not report success")
	}
	return nil
}

// do sends a request and decodes the answer into v.
func (c *Client) do(ctx context.Context, r request, v any) error {
	endpoint, err := c.endpoint(r.path...)
	if err != nil {
		return err
	}
	endpoint.RawQuery = r.query.Encode()
	contentType, body, err := encode(r.body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.method, endpoint.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := client.Do(req)
	if err != nil {
		return c.unreachable(endpoint, err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return c.unreachable(endpoint, err)
	}
	return c.read(r, res, answer, v)
}

// client does not follow redirects, which would pass the token on.
var client = &http.Client{
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// encode returns the body of a request.
func encode(v any) (contentType string, body []byte, err error) {
	switch v := v.(type) {
	case nil:
		return "", nil, nil
	case url.Values:
		return "application/x-www-form-urlencoded", []byte(v.Encode()), nil
	}
	body, err = json.Marshal(v)
	return "application/json", body, err
}

// endpoint returns the URL of an ID, or an edge of it.
func (c *Client) endpoint(path ...string) (*url.URL, error) {
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
	if len(path) > 0 && !IsID(path[0]) {
		return nil, fmt.Errorf("an ID must be a number, and not %q", path[0])
	}
	return u.JoinPath(append([]string{c.Version}, path...)...), nil
}

// IsID reports whether s can be the ID of an app, a Page or the like.
func IsID(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// read decodes an answer into v, or returns the error in it.
func (c *Client) read(r request, res *http.Response, body []byte, v any) error {
	var failed struct {
		Error *Error `json:"error"`
	}
	if err := json.Unmarshal(body, &failed); err == nil && failed.Error != nil {
		failed.Error.Status = res.StatusCode
		failed.Error.scrub(func(text string) string { return redact(c.scrub(text), r.secret) })
		failed.Error.hint = r.hints[failed.Error.Code]
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
	text = redact(text, c.Token)
	_, secret, _ := strings.Cut(c.Token, "|")
	return redact(text, secret)
}

func redact(text, secret string) string {
	if secret == "" {
		return text
	}
	return strings.ReplaceAll(text, secret, "REDACTED")
}
