// Package rule has the rules for the values of options that several modules
// share. A rule is asked for a value of a Caddyfile where it stands there, and
// for all values when a configuration is loaded.
package rule

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// For returns the error of a rule as that of an option, or nil if it is nil.
func For(option string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", option, err)
}

// OneOf reports a value that is not among the choices.
func OneOf(value string, choices ...string) error {
	if slices.Contains(choices, value) {
		return nil
	}
	return fmt.Errorf("must be one of %s, not %q", strings.Join(choices, ", "), value)
}

// NotEmpty reports an empty value.
func NotEmpty(value string) error {
	if value == "" {
		return errors.New("must not be empty")
	}
	return nil
}

// AtLeastOne reports a number below 1.
func AtLeastOne[N int | int64 | float64](n N) error {
	if n < 1 {
		return errors.New("must be at least 1")
	}
	return nil
}

// Between reports a number that is not from least to most.
func Between[N int | int64](n, least, most N) error {
	if n < least || n > most {
		return fmt.Errorf("must be from %d to %d", least, most)
	}
	return nil
}

// Positive reports a duration that does not last.
func Positive(d caddy.Duration) error {
	if d <= 0 {
		return errors.New("must be longer than 0s")
	}
	return nil
}
