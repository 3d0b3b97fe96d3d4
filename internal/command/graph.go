package command

import (
	"errors"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/graph"
)

// graphFlags are the flags of commands that call the Graph API.
type graphFlags struct {
	appID       string
	accessToken secretFlag
	secret      secretFlag
	url         string
	version     string
}

func (g *graphFlags) register(cmd *cobra.Command) {
	g.accessToken, g.secret = accessTokenFlag(), appSecretFlag()
	g.accessToken.register(cmd)
	g.secret.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&g.appID, "app-id", "", "App ID (default: $META_APP_ID)")
	flags.StringVar(&g.url, "graph-url", graph.DefaultURL, "Base URL of the Graph API")
	flags.StringVar(&g.version, "graph-version", graph.DefaultVersion, `Version of the Graph API; "" for the oldest one available to the app`)
}

// open returns a client that acts as the app. Files take precedence over the
// environment, and then the access token over the app secret.
func (g *graphFlags) open() (*graph.Client, error) {
	c := &graph.Client{URL: g.url, Version: g.version, AppID: g.appID}
	if c.AppID == "" {
		c.AppID = os.Getenv("META_APP_ID")
	}
	var err error
	if g.accessToken.path != "" || g.secret.path == "" && g.accessToken.given() {
		if c.Token, _, err = g.accessToken.read(); err != nil {
			return nil, err
		}
		if id, _, ok := strings.Cut(c.Token, "|"); ok && c.AppID == "" {
			c.AppID = id
		}
	} else {
		if !g.secret.given() {
			return nil, errors.New("missing app access token: set META_ACCESS_TOKEN, or META_APP_ID and META_APP_SECRET, " +
				"or use --access-token-file or --secret-file")
		}
		secret, _, err := g.secret.read()
		if err != nil {
			return nil, err
		}
		c.Token = c.AppID + "|" + secret
	}
	if c.AppID == "" {
		return nil, errors.New("missing app ID: set META_APP_ID or use --app-id")
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return c, nil
}
