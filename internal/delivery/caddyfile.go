package delivery

import (
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// UnmarshalOption sets up one of the options from Caddyfile tokens, and
// reports whether it is one of them. Syntax:
//
//	deliver     each|batch|original
//	deliver     batch <max events> [<max wait>]
//	cloudevents
//	parallel    <conversations>
//	sign        <secrets...>
//	timeout     <duration>
func (o *Options) UnmarshalOption(d *caddyfile.Dispenser, option string) (known bool, err error) {
	switch option {
	case "deliver":
		return true, o.unmarshalDeliver(d)
	case "cloudevents":
		if d.NextArg() {
			return true, d.ArgErr()
		}
		o.CloudEvents = true
	case "parallel":
		o.Parallel, err = number(d, option)
	case "sign":
		if o.Sign = d.RemainingArgs(); len(o.Sign) == 0 {
			return true, d.ArgErr()
		}
		if slices.Contains(o.Sign, "") {
			return true, d.Errf("%s is empty", option)
		}
	case "timeout":
		o.Timeout, err = duration(d, option)
	default:
		return false, nil
	}
	return true, err
}

func (o *Options) unmarshalDeliver(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) < 1 || len(args) > 3 {
		return d.ArgErr()
	}
	o.Deliver = args[0]
	if err := ValidateDeliver(o.Deliver); err != nil {
		return d.WrapErr(err)
	}
	if len(args) > 1 {
		n, err := strconv.Atoi(args[1])
		if err != nil || n < 1 {
			return d.Errf("deliver: '%s' is not a number of events from 1 up", args[1])
		}
		o.MaxEvents = n
	}
	if len(args) > 2 {
		wait, err := caddy.ParseDuration(args[2])
		if err != nil || wait < 0 {
			return d.Errf("deliver: '%s' is not a duration such as 1s", args[2])
		}
		o.MaxWait = caddy.Duration(wait)
	}
	return nil
}

// UnmarshalDestination sets up a destination from Caddyfile tokens. Words that
// are not among its options are directives, in Caddy's order. Syntax:
//
//	destination <name> [<matcher>] {
//		deliver     each|batch|original
//		deliver     batch <max events> [<max wait>]
//		cloudevents
//		parallel    <conversations>
//		sign        <secrets...>
//		timeout     <duration>
//		order       conversation|entry|none
//		retry       <first pause> [<longest pause>]
//		give_up     <duration>
//		rate        <requests>/s
//		<directives...>
//	}
func UnmarshalDestination(h httpcaddyfile.Helper) (*Destination, error) {
	segment := h.NextSegment()
	block := h.WithDispenser(caddyfile.NewDispenser(segment))
	block.Next() // consume destination
	if !block.NextArg() {
		return nil, block.Err("destination: needs a name")
	}
	to := &Destination{Name: block.Val()}
	matcher, matches, err := block.MatcherToken()
	if err != nil {
		return nil, err
	}
	if matches {
		to.MatcherSetsRaw = caddyhttp.RawMatcherSets{matcher}
	}
	if block.NextArg() {
		return nil, block.ArgErr()
	}
	directives := []caddyfile.Token{segment[0]}
	open := slices.IndexFunc(segment, func(t caddyfile.Token) bool { return t.Text == "{" })
	seen := make(map[string]bool)
	for block.NextBlock(0) {
		option := block.Val()
		known, err := to.unmarshalOption(block.Dispenser, option)
		switch {
		case err != nil:
			return nil, err
		case known && seen[option]:
			return nil, block.Errf("%s is given twice", option)
		case known:
			seen[option] = true
			continue
		}
		if len(directives) == 1 {
			directives = append(directives, segment[open])
		}
		directives = append(directives, block.NextSegment()...)
	}
	if len(directives) == 1 {
		return nil, block.Errf("destination %s: no handler: name one that takes the events, such as reverse_proxy", to.Name)
	}
	directives = append(directives, segment[len(segment)-1])
	handler, err := httpcaddyfile.ParseSegmentAsSubroute(h.WithDispenser(caddyfile.NewDispenser(directives)))
	if err != nil {
		return nil, err
	}
	to.Routes = handler.(*caddyhttp.Subroute).Routes
	return to, nil
}

func (d *Destination) unmarshalOption(t *caddyfile.Dispenser, option string) (known bool, err error) {
	if known, err := d.UnmarshalOption(t, option); known {
		return true, err
	}
	switch option {
	case "order":
		if !t.AllArgs(&d.Order) {
			return true, t.ArgErr()
		}
		if !slices.Contains(orders, d.Order) {
			return true, t.Errf("order: must be one of %s, not '%s'", strings.Join(orders, ", "), d.Order)
		}
	case "retry":
		return true, d.unmarshalRetry(t)
	case "give_up":
		d.GiveUp, err = duration(t, option)
	case "rate":
		var value string
		if !t.AllArgs(&value) {
			return true, t.ArgErr()
		}
		each, ok := strings.CutSuffix(value, "/s")
		d.Rate, err = strconv.ParseFloat(each, 64)
		if !ok || err != nil || !(d.Rate > 0 && d.Rate < 1e9) {
			return true, t.Errf("rate: '%s' is not a number of requests a second, such as 200/s", value)
		}
	default:
		return false, nil
	}
	return true, err
}

func (d *Destination) unmarshalRetry(t *caddyfile.Dispenser) error {
	args := t.RemainingArgs()
	if len(args) != 1 && len(args) != 2 {
		return t.ArgErr()
	}
	for i, to := range []*caddy.Duration{&d.RetryPause, &d.MaxRetryPause}[:len(args)] {
		pause, err := caddy.ParseDuration(args[i])
		if err != nil || pause <= 0 {
			return t.Errf("retry: '%s' is not a duration such as 5s", args[i])
		}
		*to = caddy.Duration(pause)
	}
	if len(args) == 2 && d.MaxRetryPause < d.RetryPause {
		return t.Err("retry: the longest pause is shorter than the first")
	}
	return nil
}

// number reads the one argument of an option, a whole number from 1 up.
func number(d *caddyfile.Dispenser, option string) (int, error) {
	var value string
	if !d.AllArgs(&value) {
		return 0, d.ArgErr()
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 {
		return 0, d.Errf("%s: '%s' is not a whole number from 1 up", option, value)
	}
	return n, nil
}

// duration reads the one argument of an option, a duration.
func duration(d *caddyfile.Dispenser, option string) (caddy.Duration, error) {
	var value string
	if !d.AllArgs(&value) {
		return 0, d.ArgErr()
	}
	parsed, err := caddy.ParseDuration(value)
	if err != nil || parsed <= 0 {
		return 0, d.Errf("%s: '%s' is not a duration such as 10s", option, value)
	}
	return caddy.Duration(parsed), nil
}
