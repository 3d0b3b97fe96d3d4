package command

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/graph"
)

// graphFlags are the flags of commands that call the Graph API.
type graphFlags struct {
	accessToken secretFlag
	appID       string
	url         string
	version     string
}

func (g *graphFlags) register(cmd *cobra.Command, token string) {
	g.accessToken = secretFlag{what: token, flag: "access-token-file", variable: "META_ACCESS_TOKEN"}
	g.accessToken.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&g.appID, "app-id", "", "App ID (default: $META_APP_ID)")
	flags.StringVar(&g.url, "graph-url", graph.DefaultURL, "Base URL of the Graph API")
	flags.StringVar(&g.version, "graph-version", graph.DefaultVersion, `Version of the Graph API; "" for the oldest one available to the app`)
}

// open returns a client without an access token.
func (g *graphFlags) open() *graph.Client {
	c := &graph.Client{URL: g.url, Version: g.version, AppID: g.appID}
	if c.AppID == "" {
		c.AppID = os.Getenv("META_APP_ID")
	}
	return c
}

var errAppID = errors.New("missing app ID: set META_APP_ID or use --app-id")

// appFlags are the flags of commands that act as an app.
type appFlags struct {
	graphFlags
	secret secretFlag
}

func (a *appFlags) register(cmd *cobra.Command) {
	a.graphFlags.register(cmd, "app access token")
	a.secret = appSecretFlag()
	a.secret.register(cmd)
}

// open returns a client with the app access token.
func (a *appFlags) open() (*graph.Client, error) {
	c := a.graphFlags.open()
	if err := a.authorize(c); err != nil {
		return nil, err
	}
	if c.AppID == "" {
		return nil, errAppID
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return c, nil
}

// authorize sets the access token. Files take precedence over the environment,
// and then the access token over the app secret. An access token without a | is
// that of a Page or an account, and serves only if there is no app secret.
func (a *appFlags) authorize(c *graph.Client) error {
	var err error
	switch {
	case a.accessToken.path != "",
		a.secret.path == "" && strings.Contains(os.Getenv(a.accessToken.variable), "|"),
		!a.secret.given() && a.accessToken.given():
		if c.Token, _, err = a.accessToken.read(); err != nil {
			return err
		}
		if id, _, ok := strings.Cut(c.Token, "|"); ok && c.AppID == "" {
			c.AppID = id
		}
	case a.secret.given():
		secret, _, err := a.secret.read()
		if err != nil {
			return err
		}
		c.Token = c.AppID + "|" + secret
	default:
		return errors.New("missing app access token: set META_ACCESS_TOKEN, or META_APP_ID and META_APP_SECRET, " +
			"or use --access-token-file or --secret-file")
	}
	return nil
}

// connectionFlags are the flags of commands that act on a Page, a WhatsApp
// Business Account or a phone number.
type connectionFlags struct {
	graphFlags
	page, account, number string
}

// register registers the flags. Exactly one of the flags for an ID is required.
func (c *connectionFlags) register(cmd *cobra.Command, ids ...string) {
	c.graphFlags.register(cmd, "access token")
	flags := cmd.Flags()
	for _, id := range ids {
		switch id {
		case pageFlag:
			flags.StringVar(&c.page, pageFlag, "", "ID of the Page")
		case accountFlag:
			flags.StringVar(&c.account, accountFlag, "", "ID of the WhatsApp Business Account")
		case numberFlag:
			flags.StringVar(&c.number, numberFlag, "", "ID of the WhatsApp phone number")
		}
	}
	cmd.MarkFlagsMutuallyExclusive(ids...)
	cmd.MarkFlagsOneRequired(ids...)
}

const (
	pageFlag    = "page-id"
	accountFlag = "waba-id"
	numberFlag  = "phone-number-id"
)

// open returns a client with the access token.
func (c *connectionFlags) open() (*graph.Client, error) {
	if _, err := c.id(); err != nil {
		return nil, err
	}
	client := c.graphFlags.open()
	if client.AppID != "" && !graph.IsID(client.AppID) {
		return nil, errors.New("the app ID must be a number")
	}
	var err error
	client.Token, _, err = c.accessToken.read()
	return client, err
}

// openForApp is like open, but requires the ID of the app.
func (c *connectionFlags) openForApp() (*graph.Client, error) {
	client, err := c.open()
	if err == nil && client.AppID == "" {
		err = errAppID
	}
	return client, err
}

// id returns the ID that was given.
func (c *connectionFlags) id() (string, error) {
	for flag, id := range map[string]string{pageFlag: c.page, accountFlag: c.account, numberFlag: c.number} {
		switch {
		case id == "":
		case graph.IsID(id):
			return id, nil
		case flag == numberFlag:
			return "", fmt.Errorf("--%s: must be the ID of a phone number, not the number", flag)
		default:
			return "", fmt.Errorf("--%s: must be a number", flag)
		}
	}
	return "", errors.New("an ID must not be empty")
}

// String describes what the ID is of.
func (c *connectionFlags) String() string {
	switch {
	case c.page != "":
		return "Page " + c.page
	case c.account != "":
		return "WhatsApp Business Account " + c.account
	}
	return "phone number " + c.number
}
