package metawebhook

import (
	"encoding/json"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddyserver/caddy/v2"
)

// names holds the options of every handler there is by configuration and
// name.
var names = caddy.NewUsagePool()

// A nameKey is a name in one configuration. Every configuration has a metrics
// registry of its own, while during a reload the old and the new one live side
// by side.
type nameKey struct {
	config *prometheus.Registry
	name   string
}

// claimName makes sure that all handlers of one name in one configuration are
// equal, and hence one handler that is served in several places.
func (h *Handler) claimName(ctx caddy.Context) error {
	options, err := json.Marshal(h)
	if err != nil {
		return err
	}
	key := nameKey{config: ctx.GetMetricsRegistry(), name: h.Name}
	first, _ := names.LoadOrStore(key, string(options))
	h.named = &key
	if first != string(options) {
		return fmt.Errorf("name: two meta_webhook handlers with different options are named %q: "+
			"give each a name of its own, or the same options to serve one handler in two places", h.Name)
	}
	return nil
}

// releaseName gives up what claimName has claimed.
func (h *Handler) releaseName() error {
	if h.named == nil {
		return nil
	}
	_, err := names.Delete(*h.named)
	return err
}
