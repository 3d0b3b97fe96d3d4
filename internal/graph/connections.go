package graph

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

// MaxOverride is the maximum length of the callback URL of an override.
const MaxOverride = 200

// An App is an app that is subscribed to a Page or a WhatsApp Business Account.
type App struct {
	ID       string   `json:"id"`
	Name     string   `json:"name,omitempty"`
	Fields   []string `json:"subscribed_fields,omitempty"`     // of a Page
	Override string   `json:"override_callback_uri,omitempty"` // of an account
}

// UnmarshalJSON implements json.Unmarshaler. WhatsApp Business Accounts wrap the
// app in another object.
func (a *App) UnmarshalJSON(text []byte) error {
	type app App // without this method
	var wrapped struct {
		app
		Data app `json:"whatsapp_business_api_data"`
	}
	if err := json.Unmarshal(text, &wrapped); err != nil {
		return err
	}
	*a = App(wrapped.app)
	if a.ID == "" {
		a.ID, a.Name = wrapped.Data.ID, wrapped.Data.Name
	}
	return nil
}

// A PhoneNumber is a phone number of a WhatsApp Business Account.
type PhoneNumber struct {
	ID        string    `json:"id"`
	Number    string    `json:"display_phone_number"`
	Name      string    `json:"verified_name,omitempty"`
	Callbacks Callbacks `json:"webhook_configuration"`
}

// Callbacks are the callback URLs that apply to a phone number. The first one
// that is set counts.
type Callbacks struct {
	PhoneNumber string `json:"phone_number,omitempty"`
	Account     string `json:"whatsapp_business_account,omitempty"`
	App         string `json:"application,omitempty"`
}

// An Override is a callback URL that replaces that of the app.
type Override struct {
	URL         string `json:"override_callback_uri"`
	VerifyToken string `json:"verify_token,omitempty"`
}

// SubscribedApps returns the apps that are subscribed to a Page or a WhatsApp
// Business Account.
func (c *Client) SubscribedApps(ctx context.Context, id string) ([]App, error) {
	return list[App](ctx, c, subscribedApps(id))
}

// SubscribeToPage subscribes the app of the access token to fields of a Page.
// Fields that are left out may end.
func (c *Client) SubscribeToPage(ctx context.Context, page string, fields []string) error {
	r := subscribedApps(page)
	r.method, r.body = http.MethodPost, map[string]any{"subscribed_fields": fields}
	return c.change(ctx, r)
}

// SubscribeToAccount subscribes the app of the access token to a WhatsApp
// Business Account. It removes the override of the account.
func (c *Client) SubscribeToAccount(ctx context.Context, account string) error {
	r := subscribedApps(account)
	r.method = http.MethodPost
	return c.change(ctx, r)
}

// OverrideAccount sets the callback URL of a WhatsApp Business Account for the
// app of the access token, which must be subscribed to it. Meta verifies the URL
// before it answers. [Client.SubscribeToAccount] removes the override.
func (c *Client) OverrideAccount(ctx context.Context, account string, o Override) error {
	r := subscribedApps(account)
	r.method, r.body, r.secret = http.MethodPost, o, o.VerifyToken
	return c.change(ctx, r)
}

// Unsubscribe unsubscribes the app of the access token from a Page or a WhatsApp
// Business Account.
func (c *Client) Unsubscribe(ctx context.Context, id string) error {
	r := subscribedApps(id)
	r.method = http.MethodDelete
	return c.change(ctx, r)
}

// PhoneNumbers returns the phone numbers of a WhatsApp Business Account.
func (c *Client) PhoneNumbers(ctx context.Context, account string) ([]PhoneNumber, error) {
	numbers, err := list[PhoneNumber](ctx, c, request{path: []string{account, "phone_numbers"}, hints: connectionHints})
	if err != nil {
		return nil, err
	}
	for i := range numbers {
		if numbers[i], err = c.PhoneNumber(ctx, numbers[i].ID); err != nil {
			return nil, err
		}
	}
	return numbers, nil
}

// PhoneNumber returns the phone number with an ID.
func (c *Client) PhoneNumber(ctx context.Context, id string) (PhoneNumber, error) {
	var n PhoneNumber
	err := c.do(ctx, request{
		method: http.MethodGet,
		path:   []string{id},
		query:  url.Values{"fields": {"display_phone_number,verified_name,webhook_configuration"}},
		hints:  connectionHints,
	}, &n)
	return n, err
}

// OverridePhoneNumber sets the callback URL of a phone number for the app of the
// access token, or removes it if the URL is empty. Meta verifies the URL before
// it answers.
func (c *Client) OverridePhoneNumber(ctx context.Context, id string, o Override) error {
	return c.change(ctx, request{
		method: http.MethodPost,
		path:   []string{id},
		body:   map[string]any{"webhook_configuration": o},
		hints:  connectionHints,
		secret: o.VerifyToken,
	})
}

func subscribedApps(id string) request {
	return request{path: []string{id, "subscribed_apps"}, hints: connectionHints}
}

const (
	tokenHint = "This call requires a Page access token with the permission pages_manage_metadata for a Page, " +
		"and a token with whatsapp_business_management for a WhatsApp Business Account or phone number."
	idHint = "The ID or a field may be wrong, the token may not see the ID, " +
		"or the app is not yet subscribed to the account (caddy meta-webhook subscriptions apps add)."
)

var connectionHints = map[int]string{
	codeParameter:    idHint,
	codeUnpermitted:  tokenHint,
	codePermission:   tokenHint,
	codePageToken:    tokenHint,
	codeToken:        tokenHint,
	codeVerification: verificationHint,
}
