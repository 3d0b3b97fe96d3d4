package metawebhook

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/delivery"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/rule"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// storeNamespace is the namespace of the modules that are stores.
const storeNamespace = "http.meta_webhook.store"

var defaultStore = json.RawMessage(`{"module":"memory"}`)

// checkStore reports a store that is not registered.
func checkStore(name string) error {
	var names []string
	for _, module := range caddy.GetModules(storeNamespace) {
		names = append(names, module.ID.Name())
	}
	return rule.OneOf(name, names...)
}

// provisionStore loads the module of the store, and returns the ledger of the
// handler's name, which is not open yet.
func (h *Handler) provisionStore(ctx caddy.Context) (*delivery.Shared[store.Ledger], error) {
	module, err := h.loadStore(ctx)
	if err != nil {
		return nil, err
	}
	opener, ok := module.(store.Opener)
	if !ok {
		return nil, fmt.Errorf("module %T is not a store", module)
	}
	return &delivery.Shared[store.Ledger]{Open: func() (store.Ledger, error) { return opener.Open(h.Name) }}, nil
}

// provisionQueue loads the module of the store, and returns the queue of the
// handler's name, which is not open yet.
func (h *Handler) provisionQueue(ctx caddy.Context) (*delivery.Shared[store.Queue], error) {
	module, err := h.loadStore(ctx)
	if err != nil {
		return nil, err
	}
	opener, ok := module.(store.QueueOpener)
	if !ok {
		return nil, errors.New("what Meta was answered 200 for would be gone with the process: with a destination, it must be file or postgres, or another that queues")
	}
	return &delivery.Shared[store.Queue]{Open: func() (store.Queue, error) { return opener.OpenQueue(h.Name) }}, nil
}

// loadStore loads the module of the store.
func (h *Handler) loadStore(ctx caddy.Context) (any, error) {
	var named struct {
		Module string `json:"module"`
	}
	// Caddy's own error would show the options, a password among them.
	if err := json.Unmarshal(h.StoreRaw, &named); err != nil {
		return nil, errors.New("must be an object with the name of a module")
	}
	if err := checkStore(named.Module); err != nil {
		return nil, fmt.Errorf("module: %v", err)
	}
	return ctx.LoadModule(h, "StoreRaw")
}
