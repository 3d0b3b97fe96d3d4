// Package caddyblock reads blocks of options in a Caddyfile.
package caddyblock

import "github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

// Unmarshal has set take each option of a block, none of them twice.
func Unmarshal(d *caddyfile.Dispenser, set func(d *caddyfile.Dispenser, option string) error) error {
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		option := d.Val()
		if seen[option] {
			return d.Errf("%s is given twice", option)
		}
		seen[option] = true
		if err := set(d, option); err != nil {
			return err
		}
	}
	return nil
}
