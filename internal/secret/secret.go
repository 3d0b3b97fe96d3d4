// Package secret reads the secrets of a configuration. None of its errors holds
// a part of one.
package secret

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/caddyserver/caddy/v2"
)

// Resolve replaces the placeholders in a secret, and checks what that gives.
func Resolve(raw string) (string, error) { return resolve(raw, "") }

// ResolveAll resolves the secrets of an option that needs one or more. An error
// says which of them it is about.
func ResolveAll(raw []string) ([]string, error) {
	if len(raw) == 0 {
		return nil, errors.New("at least one is required")
	}
	resolved := make([]string, len(raw))
	for i := range raw {
		var err error
		if resolved[i], err = resolve(raw[i], fmt.Sprintf("value %d ", i+1)); err != nil {
			return nil, err
		}
	}
	return resolved, nil
}

// CheckAll checks secrets as they are written, before they are resolved.
func CheckAll(raw []string) error {
	for i := range raw {
		if err := Check(raw[i]); err != nil {
			return fmt.Errorf("value %d %w", i+1, err)
		}
	}
	return nil
}

// resolve resolves a secret that errors name, unless it has a name of its own.
func resolve(raw, name string) (string, error) {
	single := isPlaceholder(raw)
	if single {
		name = raw + " "
	}
	value, err := caddy.NewReplacer().ReplaceOrErr(raw, true, true)
	switch {
	case err != nil && single:
		return "", fmt.Errorf("%sis empty or unknown", name)
	case err != nil: // which has a part of the secret
		return "", fmt.Errorf(`%shas a placeholder that is empty or unknown; write a literal brace as \{`, name)
	}
	if err := Check(value); err != nil {
		return "", fmt.Errorf("%s%w", name, err)
	}
	return value, nil
}

// byteOrderMark is what some editors put in front of a text.
const byteOrderMark = "\ufeff"

// Check reports a value that cannot be meant as a secret: a stray blank makes
// every signature wrong, and HMAC takes a key of NULs for the empty one. The
// error is what stands behind the secret's name in a sentence.
func Check(value string) error {
	switch {
	case strings.TrimSpace(value) == "":
		return errors.New("is empty")
	case strings.HasPrefix(value, byteOrderMark), strings.HasSuffix(value, byteOrderMark):
		return errors.New("begins or ends with a byte order mark")
	case strings.TrimSpace(value) != value:
		return errors.New("begins or ends with white space")
	case strings.ContainsFunc(value, unicode.IsControl):
		return errors.New("has a control character, such as a NUL or a line break")
	}
	return nil
}

// isPlaceholder reports whether a text is one placeholder for the environment
// or a file and nothing else, so that it may be shown.
func isPlaceholder(text string) bool {
	inner, ok := strings.CutPrefix(text, "{")
	if !ok {
		return false
	}
	inner, ok = strings.CutSuffix(inner, "}")
	return ok && !strings.ContainsAny(inner, "{}") &&
		(strings.HasPrefix(inner, "env.") || strings.HasPrefix(inner, "file."))
}
