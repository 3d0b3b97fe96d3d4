package callback

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/caddyblock"
)

// Unmarshal sets up a callback from Caddyfile tokens. Syntax:
//
//	callback deauthorize   <path>
//	callback data_deletion <path> {
//		status_url <url>
//	}
func Unmarshal(d *caddyfile.Dispenser) (*Callback, error) {
	c := new(Callback)
	if !d.Args(&c.Kind, &c.Path) || d.NextArg() {
		return nil, d.ArgErr()
	}
	err := caddyblock.Unmarshal(d, func(d *caddyfile.Dispenser, option string) error {
		if option != "status_url" {
			return caddyblock.Unrecognized(d, "callback", option)
		}
		return caddyblock.Value(d, &c.StatusURL, caddyblock.Text, nil)
	})
	if err != nil {
		return nil, err
	}
	if err := c.Validate(); err != nil {
		return nil, d.Errf("callback: %v", err)
	}
	return c, nil
}
