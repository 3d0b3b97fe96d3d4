package delivery

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/caddyblock"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/rule"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/secret"
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
		err = o.unmarshalDeliver(d)
	case "cloudevents":
		err = caddyblock.Flag(d, &o.CloudEvents)
	case "parallel":
		err = caddyblock.Value(d, &o.Parallel, caddyblock.Number, rule.AtLeastOne)
	case "sign":
		err = caddyblock.Values(d, &o.Sign, secret.CheckAll)
	case "timeout":
		err = caddyblock.Value(d, &o.Timeout, caddyblock.Duration, rule.Positive)
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
	err := ValidateDeliver(o.Deliver)
	if err == nil && len(args) > 1 {
		if o.MaxEvents, err = caddyblock.Number(args[1]); err == nil {
			err = rule.AtLeastOne(o.MaxEvents)
		}
	}
	if err == nil && len(args) > 2 {
		o.MaxWait, err = caddyblock.Duration(args[2])
	}
	if err != nil {
		return d.Errf("deliver: %v", err)
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
//		replay_rate <events>/s
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
		err = caddyblock.Value(t, &d.Order, caddyblock.Text, ValidateOrder)
	case "retry":
		err = d.unmarshalRetry(t)
	case "give_up":
		err = caddyblock.Value(t, &d.GiveUp, caddyblock.Duration, rule.Positive)
	case "rate":
		err = caddyblock.Value(t, &d.Rate, perSecond, nil)
	case "replay_rate":
		err = caddyblock.Value(t, &d.ReplayRate, perSecond, rule.AtLeastOne)
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
	for i, pause := range []*caddy.Duration{&d.RetryPause, &d.MaxRetryPause}[:len(args)] {
		var err error
		if *pause, err = caddyblock.Duration(args[i]); err == nil {
			err = rule.Positive(*pause)
		}
		if err != nil {
			return t.Errf("retry: %v", err)
		}
	}
	return nil
}

// perSecond parses a rate, such as 200/s.
func perSecond(text string) (float64, error) {
	each, ok := strings.CutSuffix(text, "/s")
	rate, err := strconv.ParseFloat(each, 64)
	if !ok || err != nil || !(rate > 0 && rate < 1e9) {
		return 0, fmt.Errorf("must be a number in a second, such as 200/s, not %q", text)
	}
	return rate, nil
}
