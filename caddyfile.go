package metawebhook

import (
	"slices"
	"strconv"

	"github.com/dustin/go-humanize"
	"golang.org/x/net/http/httpguts"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddytls"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/caddyblock"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/delivery"
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
	case "verify_token", "app_secret", "sign":
		values := d.RemainingArgs()
		if len(values) == 0 {
			return d.ArgErr()
		}
		if slices.Contains(values, "") {
			return d.Errf("%s is empty", option)
		}
		switch option {
		case "verify_token":
			h.VerifyToken = values
		case "app_secret":
			h.AppSecret = values
		case "sign":
			h.Sign = values
		}
		return nil
	case "client_cert":
		h.ClientCert = new(ClientCert)
		return h.ClientCert.unmarshal(d)
	case "store":
		return h.unmarshalStore(d)
	case "dedup":
		h.Dedup = new(Dedup)
		return h.Dedup.unmarshal(d)
	case "cloudevents":
		if d.NextArg() {
			return d.ArgErr()
		}
		h.CloudEvents = true
		return nil
	case "name", "deliver", "parallel", "max_size", "max_buffered", "body_timeout", "timeout":
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
		if err := delivery.ValidateDeliver(value); err != nil {
			return d.WrapErr(err)
		}
		h.Deliver = value
	case "parallel":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return d.Errf("parallel: '%s' is not a whole number from 1 up", value)
		}
		h.Parallel = n
	case "max_size", "max_buffered":
		size, err := humanize.ParseBytes(value)
		if err != nil || size < 1 || size > 1<<40 {
			return d.Errf("%s: '%s' is not a size such as 4MB", option, value)
		}
		if option == "max_size" {
			h.MaxSize = int64(size)
		} else {
			h.MaxBuffered = int64(size)
		}
	case "body_timeout", "timeout":
		timeout, err := caddy.ParseDuration(value)
		if err != nil || timeout <= 0 {
			return d.Errf("%s: '%s' is not a duration such as 10s", option, value)
		}
		if option == "timeout" {
			h.Timeout = caddy.Duration(timeout)
		} else {
			h.BodyTimeout = caddy.Duration(timeout)
		}
	}
	return nil
}

// unmarshal sets up the client certificate from Caddyfile tokens.
func (c *ClientCert) unmarshal(d *caddyfile.Dispenser) error {
	c.Names = d.RemainingArgs()
	if slices.Contains(c.Names, "") {
		return d.Err("client_cert: a name is empty")
	}
	return caddyblock.Unmarshal(d, c.unmarshalOption)
}

func (c *ClientCert) unmarshalOption(d *caddyfile.Dispenser, option string) error {
	switch option {
	case "require":
		if !d.AllArgs(&c.Require) {
			return d.ArgErr()
		}
		if c.Require != requireNotifications && c.Require != requireAll {
			return d.Errf("require: '%s' is neither %s nor %s", c.Require, requireNotifications, requireAll)
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
		if !httpguts.ValidHeaderFieldName(c.Forwarded) {
			return d.Errf("forwarded: '%s' is not the name of a header", c.Forwarded)
		}
	default:
		return d.Errf("unrecognized client_cert option '%s'", option)
	}
	return nil
}

// unmarshalStore sets up the store from Caddyfile tokens.
func (h *Handler) unmarshalStore(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return d.ArgErr()
	}
	name := d.Val()
	if err := checkStore(name); err != nil {
		return d.Errf("store: %v", err)
	}
	module, err := caddyfile.UnmarshalModule(d, storeNamespace+"."+name)
	if err != nil {
		return err
	}
	h.StoreRaw = caddyconfig.JSONModuleObject(module, "module", name, nil)
	return nil
}

// unmarshal sets up the deduplication from Caddyfile tokens.
func (c *Dedup) unmarshal(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return caddyblock.Unmarshal(d, c.unmarshalOption, "window")
	}
	if store := d.Val(); store != "off" {
		return d.Errf("dedup: 'store %s' took the place of 'dedup %[1]s': only window and on_error stay in dedup", store)
	}
	c.Off = true
	if d.NextArg() || d.NextBlock(d.Nesting()) {
		return d.Errf("dedup off has neither arguments nor options")
	}
	return nil
}

func (c *Dedup) unmarshalOption(d *caddyfile.Dispenser, option string) error {
	switch option {
	case "window":
		return c.unmarshalWindow(d)
	case "on_error":
		if !d.AllArgs(&c.OnError) {
			return d.ArgErr()
		}
		if c.OnError != onErrorDeliver && c.OnError != onErrorReject {
			return d.Errf("on_error: '%s' is neither %s nor %s", c.OnError, onErrorDeliver, onErrorReject)
		}
		return nil
	}
	return d.Errf("unrecognized dedup option '%s'", option)
}

// unmarshalWindow sets up the window of an object, or of all others.
func (c *Dedup) unmarshalWindow(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) != 1 && len(args) != 2 {
		return d.ArgErr()
	}
	value := args[len(args)-1]
	window, err := caddy.ParseDuration(value)
	if err != nil || window <= 0 {
		return d.Errf("window: '%s' is not a duration such as 36h", value)
	}
	if len(args) == 1 {
		if c.Window != 0 {
			return d.Err("window is given twice")
		}
		c.Window = caddy.Duration(window)
		return nil
	}
	object := args[0]
	if object == "" {
		return d.Err("window: the object is empty")
	}
	if _, ok := c.Windows[object]; ok {
		return d.Errf("window of %s is given twice", object)
	}
	if c.Windows == nil {
		c.Windows = make(map[string]caddy.Duration)
	}
	c.Windows[object] = caddy.Duration(window)
	return nil
}

// Interface guard
var _ caddyfile.Unmarshaler = (*Handler)(nil)
