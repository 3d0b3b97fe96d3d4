// Package name sees to it that all handlers of one name in a configuration are
// equal, and hence one handler that is served in several places.
package name

import (
	"encoding/json"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddyserver/caddy/v2"
)

// claims holds the options of every handler there is by configuration and
// name.
var claims = caddy.NewUsagePool()

// A Claim is the use of a name by a handler. It is comparable: handlers of one
// name in one configuration have equal claims. Every configuration has a
// metrics registry of its own, while during a reload the old and the new one
// live side by side.
type Claim struct {
	config *prometheus.Registry
	name   string
}

// Of claims a name for a handler with these options. The claim needs a Release,
// even if there is an error: that another handler of the name has other
// options.
func Of(ctx caddy.Context, name string, options any) (*Claim, error) {
	text, err := json.Marshal(options)
	if err != nil {
		return nil, err
	}
	c := &Claim{config: ctx.GetMetricsRegistry(), name: name}
	first, _ := claims.LoadOrStore(*c, string(text))
	if first != string(text) {
		return c, fmt.Errorf("two meta_webhook handlers with different options are named %q: "+
			"give each a name of its own, or the same options to serve one handler in two places", name)
	}
	return c, nil
}

// Release ends the use of the name. A nil claim has none.
func (c *Claim) Release() error {
	if c == nil {
		return nil
	}
	_, err := claims.Delete(*c)
	return err
}
