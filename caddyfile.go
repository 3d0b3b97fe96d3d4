package metawebhook

import (
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("meta_webhook", parseCaddyfile)
	httpcaddyfile.RegisterDirectiveOrder("meta_webhook", httpcaddyfile.Before, "basic_auth")
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
//	meta_webhook [<matcher>] {
//		name         <name>
//		verify_token <tokens...>
//		app_secret   <secrets...>
//		deliver      each|batch|original
//		cloudevents
//		parallel     <entries>
//		max_size     <size>
//		body_timeout <duration>
//	}
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume directive name
	if d.NextArg() {
		return d.ArgErr()
	}
	seen := make(map[string]bool)
	for d.NextBlock(0) {
		option := d.Val()
		if seen[option] {
			return d.Errf("%s is given twice", option)
		}
		seen[option] = true
		if err := h.unmarshalOption(d, option); err != nil {
			return err
		}
	}
	return nil
}

func (h *Handler) unmarshalOption(d *caddyfile.Dispenser, option string) error {
	switch option {
	case "verify_token", "app_secret":
		values := d.RemainingArgs()
		if len(values) == 0 {
			return d.ArgErr()
		}
		if slices.Contains(values, "") {
			return d.Errf("%s is empty", option)
		}
		if option == "verify_token" {
			h.VerifyToken = values
		} else {
			h.AppSecret = values
		}
		return nil
	case "cloudevents":
		if d.NextArg() {
			return d.ArgErr()
		}
		h.CloudEvents = true
		return nil
	case "name", "deliver", "parallel", "max_size", "body_timeout":
		return h.unmarshalValue(d, option)
	}
	return d.Errf("unrecognized meta_webhook option '%s'", option)
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
	case "deliver":
		if !slices.Contains(strings.Split(deliverModes, ", "), value) {
			return d.Errf("deliver: '%s' is none of %s", value, deliverModes)
		}
		h.Deliver = value
	case "parallel":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return d.Errf("parallel: '%s' is not a whole number from 1 up", value)
		}
		h.Parallel = n
	case "max_size":
		size, err := humanize.ParseBytes(value)
		if err != nil || size < 1 || size > 1<<40 {
			return d.Errf("max_size: '%s' is not a size such as 4MB", value)
		}
		h.MaxSize = int64(size)
	case "body_timeout":
		timeout, err := caddy.ParseDuration(value)
		if err != nil || timeout <= 0 {
			return d.Errf("body_timeout: '%s' is not a duration such as 10s", value)
		}
		h.BodyTimeout = caddy.Duration(timeout)
	}
	return nil
}

// Interface guard
var _ caddyfile.Unmarshaler = (*Handler)(nil)
