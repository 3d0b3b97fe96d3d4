package dedup

import "github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

// unmarshal sets the options of a store, which have one value each, from
// Caddyfile tokens.
func unmarshal(d *caddyfile.Dispenser, options map[string]func(value string) error) error {
	d.Next() // consume module name
	store := d.Val()
	if d.NextArg() {
		return d.ArgErr()
	}
	seen := make(map[string]bool)
	for d.NextBlock(0) {
		option := d.Val()
		set, ok := options[option]
		if !ok {
			return d.Errf("unrecognized option '%s' of dedup %s", option, store)
		}
		if seen[option] {
			return d.Errf("%s is given twice", option)
		}
		seen[option] = true
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
	}
	return nil
}
