package lifecycle_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/lifecycle"
)

// A watched notes what is called of its parts.
type watched struct {
	*testing.T
	calls []string
}

// part returns a part whose start fails with err.
func (w *watched) part(name string, err error) lifecycle.Part {
	return lifecycle.Part{
		Name:  name,
		Start: func() error { w.calls = append(w.calls, "start "+name); return err },
		Stop:  func() { w.calls = append(w.calls, "stop "+name) },
	}
}

func (w *watched) want(calls ...string) {
	w.Helper()
	if !slices.Equal(w.calls, calls) {
		w.Errorf("got the calls %q, want %q", w.calls, calls)
	}
	w.calls = nil
}

// configuration returns the context of a configuration, and its app.
func configuration(t *testing.T) (caddy.Context, *lifecycle.App) {
	t.Helper()
	ctx, err := caddy.ProvisionContext(new(caddy.Config))
	if err != nil {
		t.Fatal(err)
	}
	app, err := ctx.App(lifecycle.ID)
	if err != nil {
		t.Fatal(err)
	}
	return ctx, app.(*lifecycle.App)
}

func add(t *testing.T, ctx caddy.Context, p lifecycle.Part) {
	t.Helper()
	if err := lifecycle.Add(ctx, p); err != nil {
		t.Errorf("Add: got error %v, want none", err)
	}
}

func TestPartsStartAndStopInOrder(t *testing.T) {
	w := &watched{T: t}
	ctx, app := configuration(t)
	add(t, ctx, w.part("one", nil))
	add(t, ctx, w.part("two", nil))
	w.want()
	if err := app.Start(); err != nil {
		t.Errorf("Start: got error %v, want none", err)
	}
	w.want("start one", "start two")
	add(t, ctx, w.part("late", nil))
	w.want("start late")
	add(t, ctx, lifecycle.Part{Start: func() error { return nil }}) // without Stop
	if err := app.Stop(); err != nil {
		t.Errorf("Stop: got error %v, want none", err)
	}
	w.want("stop late", "stop two", "stop one")
}

// TestStartThatFailsStopsTheOthers: Caddy stops only apps that have started.
func TestStartThatFailsStopsTheOthers(t *testing.T) {
	w := &watched{T: t}
	ctx, app := configuration(t)
	add(t, ctx, w.part("one", nil))
	add(t, ctx, w.part("two", errors.New("no room")))
	add(t, ctx, w.part("three", nil))
	if err := app.Start(); err == nil || err.Error() != "two: no room" {
		t.Errorf("Start: got error %v, want that of two", err)
	}
	w.want("start one", "start two", "stop one")
}

// A module adds a part, as a handler does.
type module struct{}

var parts = make(chan lifecycle.Part, 1)

func init() { caddy.RegisterModule(module{}) }

func (module) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "lifecycle_test", New: func() caddy.Module { return new(module) }}
}

func (*module) Provision(ctx caddy.Context) error { return lifecycle.Add(ctx, <-parts) }
func (*module) Start() error                      { return nil }
func (*module) Stop() error                       { return nil }

// TestCaddyStartsWhatRuns has Caddy itself validate, run, reload and stop.
func TestCaddyStartsWhatRuns(t *testing.T) {
	w := &watched{T: t}
	config := func(p lifecycle.Part) *caddy.Config {
		parts <- p
		disabled, no := true, false
		return &caddy.Config{
			Admin:   &caddy.AdminConfig{Disabled: disabled, Config: &caddy.ConfigSettings{Persist: &no}},
			AppsRaw: caddy.ModuleMap{"lifecycle_test": []byte("{}")},
		}
	}
	if err := caddy.Validate(config(w.part("validated", nil))); err != nil {
		t.Errorf("Validate: got error %v, want none", err)
	}
	w.want()
	if err := caddy.Run(config(w.part("first", nil))); err != nil {
		t.Errorf("Run: got error %v, want none", err)
	}
	w.want("start first")
	if err := caddy.Run(config(w.part("second", nil))); err != nil {
		t.Errorf("Run: got error %v, want none", err)
	}
	w.want("start second", "stop first")
	err := caddy.Run(config(w.part("third", errors.New("no room"))))
	if err == nil || !strings.Contains(err.Error(), "third: no room") {
		t.Errorf("Run: got error %v, want that of the part", err)
	}
	w.want("start third")
	if err := caddy.Stop(); err != nil {
		t.Errorf("Stop: got error %v, want none", err)
	}
	w.want("stop second")
}
