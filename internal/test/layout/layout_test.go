// Package layout holds the packages to their places: each imports only what
// stands below it, and none reaches back up.
package layout

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/caddy-meta-webhook/caddy-meta-webhook"

// root is the path of the package at the module's root, within the module.
const root = "."

// everything is for the packages that stand above all others but the root.
var everything = []string{"event", "inspector", "internal/", "store", "store/"}

// options are the helpers for reading and checking options, which know nothing
// of the modules that have these.
var options = []string{"internal/caddyblock", "internal/rule", "internal/secret"}

// layout is what each package may import of this module. A row is for a package
// and those in its folder that have no row of their own; they may import one
// another. A slash at the end is for everything in a folder.
var layout = map[string][]string{
	root:                everything,
	"cmd/caddy":         {root},
	"integration_test":  append([]string{root}, everything...),
	"bench":             append([]string{root}, everything...),
	"internal/test":     everything,
	"examples":          nil,
	"inspector":         append([]string{"event", "internal/admin"}, options...),
	"internal/command":  {"internal/", "event"},
	"internal/admin":    {"internal/observe", "internal/delivery", "store"},
	"internal/delivery": append([]string{"internal/observe", "store", "event"}, options...),
	"internal/callback": options,
	"internal/observe":  {"event"},
	"internal/graph":    {"internal/loopback"},
	"internal":          nil, // helpers, one thing each
	"store":             nil,
	"store/memory":      append([]string{"store", "store/local"}, options...),
	"store/file":        append([]string{"store", "store/local"}, options...),
	"store/postgres":    append([]string{"store", "store/local"}, options...),
	"store/local":       {"store"},
	"store/storetest":   {"store"},
	"event":             nil,
}

// forTests are the folders of what is no part of the plugin.
var forTests = []string{"internal/test", "integration_test", "bench"}

// A pkg is what go list tells of a package.
type pkg struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Deps         []string
}

func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,TestImports,XTestImports,Deps", module+"/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var packages []pkg
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// within returns the path of a package within the module, if it is there.
func within(path string) (string, bool) {
	if path == module {
		return root, true
	}
	return strings.CutPrefix(path, module+"/")
}

// in reports whether a package is the one of a folder, or below it.
func in(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

// rowOf returns the row of a package: the longest that fits, or "".
func rowOf(path string) (row string) {
	for folder := range layout {
		if len(folder) > len(row) && in(path, folder) {
			row = folder
		}
	}
	return row
}

// allowed reports whether a package may import another.
func allowed(from, to string) bool {
	row := rowOf(from)
	if row == rowOf(to) && row != "internal" {
		return true
	}
	return slices.ContainsFunc(layout[row], func(may string) bool {
		return to == may || strings.HasSuffix(may, "/") && strings.HasPrefix(to, may)
	})
}

func isForTests(path string) bool {
	return slices.ContainsFunc(forTests, func(folder string) bool { return in(path, folder) })
}

func TestNoPackageImportsWhatStandsAboveIt(t *testing.T) {
	packages := list(t)
	if len(packages) < 20 {
		t.Fatalf("got %d packages, want all of the module", len(packages))
	}
	for _, p := range packages {
		from, _ := within(p.ImportPath)
		if rowOf(from) == "" {
			t.Errorf("got package %s without a row in the layout, want one", from)
			continue
		}
		for _, path := range p.Imports {
			to, ours := within(path)
			switch {
			case !ours:
			case !allowed(from, to):
				t.Errorf("%s imports %s, want only %q", from, to, layout[rowOf(from)])
			case isForTests(to) && !isForTests(from):
				t.Errorf("%s imports %s, which is for tests", from, to)
			}
		}
		for _, path := range slices.Concat(p.TestImports, p.XTestImports) {
			if to, ours := within(path); ours && to == root && from != root && !isForTests(from) {
				t.Errorf("a test of %s imports the root, want only integration tests to do so", from)
			}
		}
	}
}

// TestEventsKnowNothingOfCaddy looks at all that the package event is built of.
func TestEventsKnowNothingOfCaddy(t *testing.T) {
	for _, p := range list(t) {
		if p.ImportPath != module+"/event" {
			continue
		}
		for _, path := range p.Deps {
			if strings.HasPrefix(path, "github.com/caddyserver/") {
				t.Errorf("event is built of %s, want nothing of Caddy", path)
			}
		}
		return
	}
	t.Error("got no package event, want one")
}

func TestImportsThatTheLayoutForbids(t *testing.T) {
	for _, c := range []struct {
		from, to string
		want     bool
	}{
		{root, "internal/delivery", true},
		{root, "store/file", true},
		{"cmd/caddy", root, true},
		{"integration_test/harness", root, true},
		{"internal/delivery", "internal/observe", true},
		{"internal/delivery", "store", true},
		{"internal/delivery/lane", "internal/delivery", true},
		{"internal/admin", "internal/delivery", true},
		{"internal/command", "internal/sender", true},
		{"store/file", "store/local", true},
		{"store/file", "store/file/internal/boltfile", true},
		{"inspector", "internal/admin", true},

		{"event", "internal/sample", false},
		{"store", "store/memory", false},
		{"store", "event", false},
		{"store/file", "store/memory", false},
		{"store/file", "event", false},
		{"internal/observe", "internal/delivery", false},
		{"internal/observe", "store", false},
		{"internal/delivery", "internal/admin", false},
		{"internal/delivery", "store/file", false},
		{"internal/admin", "event", false},
		{"internal/budget", "internal/loopback", false},
		{"internal/command", root, false},
		{"internal/delivery", root, false},
		{"inspector", "internal/delivery", false},
		{"cmd/caddy", "event", false},
	} {
		if got := allowed(c.from, c.to); got != c.want {
			t.Errorf("%s imports %s: got allowed: %t, want %t", c.from, c.to, got, c.want)
		}
	}
}
