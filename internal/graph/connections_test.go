package graph

import (
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/graph/graphtest"
)

// connected returns a Graph API and a client with the token of a Page and a
// WhatsApp Business Account.
func connected(t *testing.T) (*graphtest.Server, *Client) {
	t.Helper()
	s, c := start(t)
	c.Token = graphtest.AccessToken
	return s, c
}

func TestSubscribedAppsOfAPage(t *testing.T) {
	server, c := connected(t)
	other := App{ID: graphtest.OtherAppID, Name: "Jaspers Market", Fields: []string{"leadgen"}}
	wantApps := func(want ...App) {
		t.Helper()
		got, err := c.SubscribedApps(t.Context(), graphtest.PageID)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v and error %v, want %+v", got, err, want)
		}
	}
	wantApps(other)
	if err := c.SubscribeToPage(t.Context(), graphtest.PageID, []string{"feed", "messages"}); err != nil {
		t.Fatal(err)
	}
	wantApps(other, App{ID: appID, Name: "Lucky Shrub", Fields: []string{"feed", "messages"}}) // over several pages
	if err := c.Unsubscribe(t.Context(), graphtest.PageID); err != nil {
		t.Fatal(err)
	}
	wantApps(other)
	if got := server.Connections().PageFields; len(got) != 0 {
		t.Errorf("got fields %v at Meta, want none", got)
	}
}

func TestSubscribedAppsAndOverrideOfAnAccount(t *testing.T) {
	server, c := connected(t)
	override := Override{URL: receiver(t), VerifyToken: token}
	if err := c.OverrideAccount(t.Context(), graphtest.AccountID, override); err == nil || !strings.Contains(err.Error(), "not yet subscribed") {
		t.Errorf("got error %v before the app is subscribed, want one with a hint", err)
	}
	if err := c.SubscribeToAccount(t.Context(), graphtest.AccountID); err != nil {
		t.Fatal(err)
	}
	if err := c.OverrideAccount(t.Context(), graphtest.AccountID, override); err != nil {
		t.Fatal(err)
	}
	if got := server.Connections(); !got.Subscribed || got.Account != graphtest.Override(override) {
		t.Errorf("got %+v at Meta, want %+v", got, override)
	}
	want := []App{{ID: graphtest.OtherAppID, Name: "Jaspers Market"}, {ID: appID, Name: "Lucky Shrub", Override: override.URL}}
	if got, err := c.SubscribedApps(t.Context(), graphtest.AccountID); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v and error %v, want %+v", got, err, want)
	}
	if err := c.SubscribeToAccount(t.Context(), graphtest.AccountID); err != nil {
		t.Fatal(err)
	}
	if got := server.Connections(); !got.Subscribed || got.Account.URL != "" {
		t.Errorf("got %+v at Meta, want no override", got)
	}
	if err := c.Unsubscribe(t.Context(), graphtest.AccountID); err != nil {
		t.Fatal(err)
	}
	if server.Connections().Subscribed {
		t.Error("got a subscribed app, want none")
	}
}

func TestOverrideOfAPhoneNumber(t *testing.T) {
	server, c := connected(t)
	id, override := graphtest.NumberIDs[1], Override{URL: receiver(t), VerifyToken: token}
	if err := c.OverridePhoneNumber(t.Context(), id, override); err != nil {
		t.Fatal(err)
	}
	if got := server.Connections().Numbers[id]; got != graphtest.Override(override) {
		t.Errorf("got %+v at Meta, want %+v", got, override)
	}
	want := []PhoneNumber{
		{ID: graphtest.NumberIDs[0], Number: "+1 555-078-3922", Name: "Lucky Shrub"},
		{ID: id, Number: "+1 555-078-3923", Name: "Lucky Shrub", Callbacks: Callbacks{PhoneNumber: override.URL}},
	}
	if got, err := c.PhoneNumbers(t.Context(), graphtest.AccountID); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v and error %v, want %+v", got, err, want)
	}
	if err := c.OverridePhoneNumber(t.Context(), id, Override{}); err != nil {
		t.Fatal(err)
	}
	if got := server.Connections().Numbers; len(got) != 0 {
		t.Errorf("got %+v at Meta, want no override", got)
	}
}

func TestErrorsOfConnections(t *testing.T) {
	_, c := connected(t)
	bad := Override{URL: receiver(t), VerifyToken: "another-token"}
	for name, test := range map[string]struct {
		token string
		call  func(*Client) error
		want  string
	}{
		"an app's token": {
			appID + "|" + secret, func(c *Client) error { return c.SubscribeToPage(t.Context(), graphtest.PageID, nil) },
			"A page access token is required to request this resource. (OAuthException, code 210, fbtrace_id AbCdEf123)\nThis call requires a Page access token with the permission pages_manage_metadata",
		},
		"another token": {
			"EAAJ-another", func(c *Client) error { _, err := c.PhoneNumbers(t.Context(), graphtest.AccountID); return err },
			"Malformed access token REDACTED (OAuthException, code 190, fbtrace_id AbCdEf123)\nThis call requires",
		},
		"an unknown ID": {
			"", func(c *Client) error { _, err := c.SubscribedApps(t.Context(), "1"); return err },
			"code 100, fbtrace_id AbCdEf123)\nThe ID or a field may be wrong",
		},
		"an unknown field": {
			"", func(c *Client) error { return c.SubscribeToPage(t.Context(), graphtest.PageID, []string{"fead"}) },
			"Param subscribed_fields must be one of {feed, mention, messages}",
		},
		"another verify token": {
			"", func(c *Client) error { return c.OverridePhoneNumber(t.Context(), graphtest.NumberIDs[0], bad) },
			"\nMeta did not get its challenge back. Run caddy meta-webhook verify",
		},
		"not an ID": {
			"", func(c *Client) error { return c.Unsubscribe(t.Context(), "../1") },
			`an ID must be a number, and not "../1"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := *c
			if test.token != "" {
				c.Token = test.token
			}
			err := test.call(&c)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
			if err != nil && (strings.Contains(err.Error(), c.Token) || strings.Contains(err.Error(), bad.VerifyToken)) {
				t.Errorf("got error %v, want no token in it", err)
			}
		})
	}
}

// TestVerifyTokensAreRedacted has an answer quote the verify token.
func TestVerifyTokensAreRedacted(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"error":{"message":"got `+strings.NewReplacer(`"`, "'", `\`, "").Replace(string(body))+`","code":100}}`)
	}))
	t.Cleanup(server.Close)
	c := &Client{URL: server.URL, AppID: appID, Token: graphtest.AccessToken}
	override := Override{URL: "https://example.com/", VerifyToken: token}
	for name, err := range map[string]error{
		"account":      c.OverrideAccount(t.Context(), graphtest.AccountID, override),
		"phone number": c.OverridePhoneNumber(t.Context(), graphtest.NumberIDs[0], override),
		"subscription": c.AddSubscription(t.Context(), Addition{Object: "page", VerifyToken: token}),
	} {
		if err == nil || strings.Contains(err.Error(), token) || !strings.Contains(err.Error(), "REDACTED") {
			t.Errorf("%s: got error %v, want one without the verify token", name, err)
		}
	}
}
