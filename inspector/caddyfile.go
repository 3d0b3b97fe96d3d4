package inspector

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/caddyblock"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/rule"
)

// The handler stands in front of whatever answers requests, and behind
// meta_webhook and what asks for a password.
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
//		operate
//		listen {
//			token         <tokens...>
//			max_listeners <number>
//		}
//	}
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return caddyblock.Module(d, h.unmarshalOption)
}

func (h *Handler) unmarshalOption(d *caddyfile.Dispenser, option string) error {
	switch option {
	case "name":
		return caddyblock.Value(d, &h.Name, caddyblock.Text, rule.NotEmpty)
	case "path":
		return caddyblock.Value(d, &h.Path, caddyblock.Text, checkPath)
	case "pass":
		return caddyblock.Flag(d, &h.Pass)
	case "max_events":
		return caddyblock.Value(d, &h.MaxEvents, caddyblock.Number, rule.AtLeastOne)
	case "max_bytes":
		return caddyblock.Value(d, &h.MaxBytes, caddyblock.Size, rule.AtLeastOne)
	case "listen":
		h.Listen = new(Listen)
		return h.Listen.unmarshal(d)
	case "allow":
		return caddyblock.Values(d, &h.Allow, checkAllow)
	case "operate":
		return caddyblock.Flag(d, &h.Operate)
	}
	return caddyblock.Unrecognized(d, "meta_webhook_inspector", option)
}

// Interface guard
var _ caddyfile.Unmarshaler = (*Handler)(nil)
