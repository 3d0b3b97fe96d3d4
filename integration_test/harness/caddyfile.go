package harness

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// Adapt turns a Caddyfile into Caddy's JSON.
func Adapt(caddyfile string) ([]byte, error) {
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
	return config, err
}

// Validate does what `caddy validate` does.
func Validate(config []byte) error {
	var c caddy.Config
	if err := caddy.StrictUnmarshalJSON(config, &c); err != nil {
		return err
	}
	return caddy.Validate(&c)
}

// FindHandler returns the first meta_webhook handler in a configuration.
func FindHandler(v any) map[string]any {
	switch v := v.(type) {
	case map[string]any:
		if v["handler"] == "meta_webhook" {
			return v
		}
		for _, child := range v {
			if found := FindHandler(child); found != nil {
				return found
			}
		}
	case []any:
		for _, child := range v {
			if found := FindHandler(child); found != nil {
				return found
			}
		}
	}
	return nil
}
