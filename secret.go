package metawebhook

import (
	"errors"
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/delivery"
)

// resolveSecrets replaces the placeholders in secrets. An error tells which
// secret has none of its own, and never what it is.
func resolveSecrets(raw []string) ([]string, error) {
	if len(raw) == 0 {
		return nil, errors.New("at least one is required")
	}
	repl := caddy.NewReplacer()
	resolved := make([]string, 0, len(raw))
	for i, s := range raw {
		value, err := repl.ReplaceOrErr(s, true, true)
		switch {
		case err != nil && isPlaceholder(s):
			return nil, fmt.Errorf("%s is empty or unknown", s)
		case err != nil:
			return nil, fmt.Errorf("value %d has a placeholder that is empty or unknown (a brace that is none is written \\{)", i+1)
		case strings.TrimSpace(value) == "":
			return nil, fmt.Errorf("value %d is empty", i+1)
		}
		resolved = append(resolved, value)
	}
	return resolved, nil
}

// isPlaceholder reports whether s is one placeholder for the environment or a
// file and nothing else, so that it may be shown.
func isPlaceholder(s string) bool {
	inner, ok := strings.CutPrefix(s, "{")
	if !ok {
		return false
	}
	inner, ok = strings.CutSuffix(inner, "}")
	return ok && !strings.ContainsAny(inner, "{}") &&
		(strings.HasPrefix(inner, "env.") || strings.HasPrefix(inner, "file."))
}

// newSigningKeys resolves and parses the secrets that messages are signed with.
func newSigningKeys(raw []string) (delivery.SigningKeys, error) {
	if raw == nil {
		return nil, nil
	}
	resolved, err := resolveSecrets(raw)
	if err != nil {
		return nil, err
	}
	return delivery.ParseSigningKeys(resolved)
}
