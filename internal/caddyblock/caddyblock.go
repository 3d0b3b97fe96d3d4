// Package caddyblock reads blocks of options in a Caddyfile.
package caddyblock

import (
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// Unmarshal has set take each option of a block. None may come twice, but for
// those that are repeatable.
func Unmarshal(d *caddyfile.Dispenser, set func(d *caddyfile.Dispenser, option string) error, repeatable ...string) error {
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		option := d.Val()
		if seen[option] && !slices.Contains(repeatable, option) {
			return d.Errf("%s is given twice", option)
		}
		seen[option] = true
		if err := set(d, option); err != nil {
			return err
		}
	}
	return nil
}
