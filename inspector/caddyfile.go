package inspector

import (
	"strconv"

	"github.com/dustin/go-humanize"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/caddyblock"
)

// The handler stands in front of whatever answers requests, and behind
// meta_webhook and whoever asks for a password.
func init() {
	httpcaddyfile.RegisterHandlerDirective("meta_webhook_inspector", parseCaddyfile)
	httpcaddyfile.RegisterDirectiveOrder("meta_webhook_inspector", httpcaddyfile.Before, "respond")
}

func parseCaddyfile(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	handler := new(Handler)
	if err := handler.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	return handler, nil
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	meta_webhook_inspector [<matcher>] {
//		name       <name>
//		path       <path>
//		pass
//		max_events <number>
//		max_bytes  <size>
//		allow      <addresses...>
//	}
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume directive name
	if d.NextArg() {
		return d.ArgErr()
	}
	return caddyblock.Unmarshal(d, h.unmarshalOption)
}

func (h *Handler) unmarshalOption(d *caddyfile.Dispenser, option string) error {
	switch option {
	case "pass":
		if d.NextArg() {
			return d.ArgErr()
		}
		h.Pass = true
		return nil
	case "allow":
		h.Allow = d.RemainingArgs()
		if len(h.Allow) == 0 {
			return d.ArgErr()
		}
		for _, address := range h.Allow {
			if _, err := caddyhttp.CIDRExpressionToPrefix(address); err != nil {
				return d.Errf("allow: '%s' is neither an IP address nor a CIDR range", address)
			}
		}
		return nil
	case "name", "path", "max_events", "max_bytes":
		return h.unmarshalValue(d, option)
	}
	return d.Errf("unrecognized meta_webhook_inspector option '%s'", option)
}

// unmarshalValue sets up an option of one value.
func (h *Handler) unmarshalValue(d *caddyfile.Dispenser, option string) error {
	var value string
	if !d.AllArgs(&value) {
		return d.ArgErr()
	}
	switch option {
	case "name":
		if value == "" {
			return d.Err("name is empty")
		}
		h.Name = value
	case "path":
		if !isPath(value) {
			return d.Errf("path: '%s' is not a path such as %s", value, defaultPath)
		}
		h.Path = value
	case "max_events":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return d.Errf("max_events: '%s' is not a whole number from 1 up", value)
		}
		h.MaxEvents = n
	case "max_bytes":
		size, err := humanize.ParseBytes(value)
		if err != nil || size < 1 || size > 1<<40 {
			return d.Errf("max_bytes: '%s' is not a size such as 16MB", value)
		}
		h.MaxBytes = int64(size)
	}
	return nil
}

// Interface guard
var _ caddyfile.Unmarshaler = (*Handler)(nil)
