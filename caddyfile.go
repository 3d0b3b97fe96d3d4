package metawebhook

import (
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddytls"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/caddyblock"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/callback"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/delivery"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/rule"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/secret"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("meta_webhook", parseCaddyfile)
	httpcaddyfile.RegisterDirectiveOrder("meta_webhook", httpcaddyfile.Before, "basic_auth")
}

func parseCaddyfile(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	handler := new(Handler)
	err := handler.unmarshal(h.Dispenser, func() error {
		destination, err := delivery.UnmarshalDestination(h)
		if err != nil {
			return err
		}
		handler.Destinations = append(handler.Destinations, destination)
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case len(handler.VerifyToken) == 0:
		return nil, h.Err("verify_token: at least one is required")
	case len(handler.AppSecret) == 0:
		return nil, h.Err("app_secret: at least one is required")
	}
	return handler, nil
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	meta_webhook [<matcher>] {
//		name         <name>
//		verify_token <tokens...>
//		app_secret   <secrets...>
//		client_cert  [<names...>] {
//			require    notifications|all
//			trust_pool <module> ...
//			forwarded  <header>
//		}
//		deliver      each|batch|original
//		cloudevents
//		parallel     <conversations>
//		timeout      <duration>
//		sign         <secrets...>
//		max_size     <size>
//		max_buffered <size>
//		body_timeout <duration>
//		store        <module> ...
//		dedup        off|{
//			window   [<object>] <duration>
//			on_error deliver|reject
//		}
//		callback     deauthorize|data_deletion <path> {
//			status_url <url>
//		}
//		destination  <name> [<matcher>] {
//			<options and directives...>
//		}
//	}
//
// A destination is read as part of a site alone, whose matchers and directives
// it uses.
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return h.unmarshal(d, func() error { return d.Err("destination: belongs into a site") })
}

// unmarshal sets up the handler, with destination for the block of that name.
func (h *Handler) unmarshal(d *caddyfile.Dispenser, destination func() error) error {
	return caddyblock.Module(d, func(d *caddyfile.Dispenser, option string) error {
		switch option {
		case "destination":
			return destination()
		case "callback":
			c, err := callback.Unmarshal(d)
			h.Callbacks = append(h.Callbacks, c)
			return err
		}
		return h.unmarshalOption(d, option)
	}, "destination", "callback")
}

func (h *Handler) unmarshalOption(d *caddyfile.Dispenser, option string) error {
	switch option {
	case "name":
		return caddyblock.Value(d, &h.Name, caddyblock.Text, rule.NotEmpty)
	case "verify_token":
		return caddyblock.Values(d, &h.VerifyToken, secret.CheckAll)
	case "app_secret":
		return caddyblock.Values(d, &h.AppSecret, secret.CheckAll)
	case "client_cert":
		h.ClientCert = new(ClientCert)
		return h.ClientCert.unmarshal(d)
	case "max_size":
		return caddyblock.Value(d, &h.MaxSize, caddyblock.Size, checkMaxSize)
	case "max_buffered":
		return caddyblock.Value(d, &h.MaxBuffered, caddyblock.Size, checkMaxBuffered)
	case "body_timeout":
		return caddyblock.Value(d, &h.BodyTimeout, caddyblock.Duration, rule.Positive)
	case "store":
		raw, err := delivery.UnmarshalStore(d)
		h.StoreRaw = raw
		return err
	case "dedup":
		h.Dedup = new(delivery.Dedup)
		return h.Dedup.Unmarshal(d)
	}
	if known, err := h.UnmarshalOption(d, option); known {
		return err
	}
	return caddyblock.Unrecognized(d, "meta_webhook", option)
}

// unmarshal sets up the client certificate from Caddyfile tokens.
func (c *ClientCert) unmarshal(d *caddyfile.Dispenser) error {
	c.Names = d.RemainingArgs()
	if err := checkNames(c.Names); err != nil {
		return d.Errf("client_cert: %v", err)
	}
	if err := caddyblock.Unmarshal(d, c.unmarshalOption); err != nil {
		return err
	}
	if err := c.checkForwardedPool(); err != nil {
		return d.Errf("client_cert: %v", err)
	}
	return nil
}

func (c *ClientCert) unmarshalOption(d *caddyfile.Dispenser, option string) error {
	switch option {
	case "require":
		if !d.AllArgs(&c.Require) {
			return d.ArgErr()
		}
		if err := checkRequire(c.Require); err != nil {
			return d.Errf("require: %v", err)
		}
	case "trust_pool":
		if !d.NextArg() {
			return d.ArgErr()
		}
		provider := d.Val()
		module, err := caddyfile.UnmarshalModule(d, "tls.ca_pool.source."+provider)
		if err != nil {
			return err
		}
		if _, ok := module.(caddytls.CA); !ok {
			return d.Errf("trust_pool: module '%s' has no certificate authorities", provider)
		}
		c.TrustPoolRaw = caddyconfig.JSONModuleObject(module, "provider", provider, nil)
	case "forwarded":
		if !d.AllArgs(&c.Forwarded) {
			return d.ArgErr()
		}
		if err := checkHeaderName(c.Forwarded); err != nil {
			return d.Errf("forwarded: '%s' %v", c.Forwarded, err)
		}
	default:
		return d.Errf("unrecognized client_cert option '%s'", option)
	}
	return nil
}

// Interface guard
var _ caddyfile.Unmarshaler = (*Handler)(nil)
