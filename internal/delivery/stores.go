package delivery

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/rule"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// storeNamespace is the namespace of the modules that are stores.
const storeNamespace = "http.meta_webhook.store"

// DefaultStore is the store of a handler that names none.
var DefaultStore = json.RawMessage(`{"module":"memory"}`)

// checkStore reports a store that is not registered.
func checkStore(name string) error {
	modules := caddy.GetModules(storeNamespace)
	names := make([]string, 0, len(modules))
	for _, module := range modules {
		names = append(names, module.ID.Name())
	}
	return rule.OneOf(name, names...)
}

// CheckStore reports a store that cannot be loaded. Caddy's own error would
// show the options, a password among them.
func CheckStore(raw json.RawMessage) error {
	var named struct {
		Module string `json:"module"`
	}
	if err := json.Unmarshal(raw, &named); err != nil {
		return errors.New("must be an object with the name of a module")
	}
	return rule.For("module", checkStore(named.Module))
}

// LedgerOf returns the ledger of a name in the store that a module is, which is
// not open yet.
func LedgerOf(module any, name string) (*Shared[store.Ledger], error) {
	opener, ok := module.(store.Opener)
	if !ok {
		return nil, fmt.Errorf("module %T is not a store", module)
	}
	return &Shared[store.Ledger]{Open: func() (store.Ledger, error) { return opener.Open(name) }}, nil
}

// QueueOf returns the queue of a name in the store that a module is, which is
// not open yet.
func QueueOf(module any, name string) (*Shared[store.Queue], error) {
	opener, ok := module.(store.QueueOpener)
	if !ok {
		return nil, errors.New("what Meta was answered 200 for would be gone with the process: " +
			"with a destination, it must be file or postgres, or another that queues")
	}
	return &Shared[store.Queue]{Open: func() (store.Queue, error) { return opener.OpenQueue(name) }}, nil
}

// UnmarshalStore returns the store that Caddyfile tokens name.
func UnmarshalStore(d *caddyfile.Dispenser) (json.RawMessage, error) {
	if !d.NextArg() {
		return nil, d.ArgErr()
	}
	name := d.Val()
	if err := checkStore(name); err != nil {
		return nil, d.Errf("store: %v", err)
	}
	module, err := caddyfile.UnmarshalModule(d, storeNamespace+"."+name)
	if err != nil {
		return nil, err
	}
	return caddyconfig.JSONModuleObject(module, "module", name, nil), nil
}
