package caddyblock

import "github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

// Values sets up a module whose options have one value each, from the tokens
// of its name and its block. Errors call it what is given.
func Values(d *caddyfile.Dispenser, what string, options map[string]func(value string) error) error {
	d.Next() // consume module name
	if d.NextArg() {
		return d.ArgErr()
	}
	return Unmarshal(d, func(d *caddyfile.Dispenser, option string) error {
		set, ok := options[option]
		if !ok {
			return d.Errf("unrecognized %s option '%s'", what, option)
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
