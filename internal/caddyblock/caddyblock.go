// Package caddyblock reads blocks of options in a Caddyfile.
package caddyblock

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/dustin/go-humanize"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// A Setter sets an option from the tokens that follow its name.
type Setter func(d *caddyfile.Dispenser, option string) error

// Module sets up a module from its name, which takes no arguments, and the
// block of options that follows.
func Module(d *caddyfile.Dispenser, set Setter, repeatable ...string) error {
	d.Next() // consume the name
	if d.NextArg() {
		return d.ArgErr()
	}
	return Unmarshal(d, set, repeatable...)
}

// Unmarshal has set take each option of a block. None may come twice, but for
// those that are repeatable.
func Unmarshal(d *caddyfile.Dispenser, set Setter, repeatable ...string) error {
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

// Value sets an option that has one value: parse makes it of the text, and the
// rule, unless it is nil, is what it must keep.
func Value[T any](d *caddyfile.Dispenser, to *T, parse func(text string) (T, error), rule func(T) error) error {
	option := d.Val()
	var text string
	if !d.AllArgs(&text) {
		return d.ArgErr()
	}
	value, err := parse(text)
	if err == nil && rule != nil {
		err = rule(value)
	}
	if err != nil {
		return d.Errf("%s: %v", option, err)
	}
	*to = value
	return nil
}

// Values sets an option that has one value or more, which must keep the rule.
func Values(d *caddyfile.Dispenser, to *[]string, rule func([]string) error) error {
	option := d.Val()
	values := d.RemainingArgs()
	if len(values) == 0 {
		return d.ArgErr()
	}
	if err := rule(values); err != nil {
		return d.Errf("%s: %v", option, err)
	}
	*to = values
	return nil
}

// Flag sets an option that has no value.
func Flag(d *caddyfile.Dispenser, to *bool) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	*to = true
	return nil
}

// Unrecognized returns the error of an option that a module does not have.
func Unrecognized(d *caddyfile.Dispenser, module, option string) error {
	return d.Errf("unrecognized %s option '%s'", module, option)
}

// Text takes a text as it is.
func Text(text string) (string, error) { return text, nil }

// Number parses a whole number.
func Number(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("must be a whole number, not %q", text)
	}
	return n, nil
}

// Size parses a number of bytes, such as 4MB.
func Size(text string) (int64, error) {
	n, err := humanize.ParseBytes(text)
	if err != nil || n > math.MaxInt64 {
		return 0, fmt.Errorf("must be a size such as 4MB, not %q", text)
	}
	return int64(n), nil
}

// Duration parses a duration, such as 36h or 7d.
func Duration(text string) (caddy.Duration, error) {
	d, err := caddy.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("must be a duration such as 10s, not %q", text)
	}
	return caddy.Duration(d), nil
}
