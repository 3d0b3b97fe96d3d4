package store

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/caddyblock"
)

// unmarshal sets the options of a store, which have one value each, from
// Caddyfile tokens.
func unmarshal(d *caddyfile.Dispenser, options map[string]func(value string) error) error {
	d.Next() // consume module name
	store := d.Val()
	if d.NextArg() {
		return d.ArgErr()
	}
	return caddyblock.Unmarshal(d, func(d *caddyfile.Dispenser, option string) error {
		set, ok := options[option]
		if !ok {
			return d.Errf("unrecognized option '%s' of dedup %s", option, store)
		}
		var value string
		if !d.AllArgs(&value) {
			return d.ArgErr()
		}
		if value == "" {
			return d.Errf("%s is empty", option)
		}
		if err := set(value); err != nil {
			return d.WrapErr(err)
		}
		return nil
	})
}
