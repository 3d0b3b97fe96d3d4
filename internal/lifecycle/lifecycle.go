// Package lifecycle starts what handlers need once their configuration runs:
// open stores, and whatever works beside the requests.
//
// Caddy provisions the modules of a configuration to validate it, too, and
// a handler cannot tell the difference. An app can: it is started
// when the configuration runs, and a start that fails refuses it. So handlers
// put their parts into the [App] of this package, which every configuration
// with such a handler has without naming it.
//
// The life of a handler, in the order of Caddy's calls:
//
//	Provision   reads and checks options, adds a Part; touches nothing
//	Start       only if the configuration runs: the Part opens and begins
//	ServeHTTP   Caddy starts its apps in any order, so that a request may come
//	            before Start
//	Stop        the Part begins nothing new; requests still come to an end
//	Cleanup     gives everything back, whether or not there was a Start
//
// During a reload, the Parts of the new configuration start before those of
// the old one stop.
package lifecycle

import (
	"fmt"
	"slices"
	"sync"

	"github.com/caddyserver/caddy/v2"
)

func init() {
	caddy.RegisterModule(new(App))
}

// ID is the name of the app.
const ID = "meta_webhook"

// App starts what the `meta_webhook` handlers of a configuration need. It has
// no options, and is there without being configured.
type App struct {
	mu      sync.Mutex
	waiting []Part
	started []Part
	running bool
}

// A Part is what a handler has started.
type Part struct {
	// Name is the handler's.
	Name string

	// Start opens what is needed, and begins to work. An error refuses the
	// configuration; it has to give back what it has taken itself.
	Start func() error

	// Stop begins nothing new. It does not wait for what is under way, which
	// is a matter of the handler's Cleanup. It may be nil.
	Stop func()
}

// Add has a part started with the configuration that is being provisioned. It
// is started at once if the configuration runs already, as for a handler that
// another module loads later.
func Add(ctx caddy.Context, p Part) error {
	app, err := ctx.App(ID)
	if err != nil {
		return err
	}
	return app.(*App).add(p)
}

func (a *App) add(p Part) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting = append(a.waiting, p)
	if a.running {
		return a.start()
	}
	return nil
}

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  ID,
		New: func() caddy.Module { return new(App) },
	}
}

// Start starts the parts, in the order in which they were added.
func (a *App) Start() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.start(); err != nil {
		a.stop() // which Caddy does not do for an app that fails
		return err
	}
	a.running = true
	return nil
}

func (a *App) start() error {
	for len(a.waiting) > 0 {
		p := a.waiting[0]
		a.waiting = a.waiting[1:]
		if err := p.Start(); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		a.started = append(a.started, p)
	}
	return nil
}

// Stop stops the parts that have started, the last one first.
func (a *App) Stop() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stop()
	return nil
}

func (a *App) stop() {
	a.running = false
	for _, p := range slices.Backward(a.started) {
		if p.Stop != nil {
			p.Stop()
		}
	}
	a.started = nil
}

// Interface guard
var _ caddy.App = (*App)(nil)
