// Package layout holds the packages to their places: each imports only what
// stands below it, and none reaches back up.
package layout

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/caddy-meta-webhook/caddy-meta-webhook"

// root is the path of the package at the module's root, within the module.
const root = "."

// helpers stands for the packages in internal that have no row of their own.
// They do one thing each and import nothing of this module but one another, so
// that all but the lowest may use them.
const helpers = "internal"

// everything is for the packages that stand above all others but the root.
var everything = []string{"event", "inspector", "internal/", "store", "store/"}

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
	"inspector":         {"event", "internal/admin", "internal/listen", helpers},
	"internal/command":  {"internal/", "event", "store", "store/file"},
	"internal/admin":    {"internal/observe", "internal/delivery", "store", helpers},
	"internal/listen":   {"internal/delivery", "store", "event", helpers},
	"internal/delivery": {"internal/observe", "store", "event", helpers},
	"internal/observe":  {"event", helpers},
	helpers:             nil,
	"store":             nil,
	"store/memory":      {"store", "store/local", helpers},
	"store/file":        {"store", "store/local", helpers},
	"store/postgres":    {"store", "store/local", helpers},
	"store/local":       {"store", helpers},
	"store/storetest":   {"store"},
	"event":             nil,
}

// forTests are the folders that are not a part of the plugin.
var forTests = []string{"internal/test", "integration_test", "bench"}

// A pkg is a package and what it imports, on any system.
type pkg struct {
	path    string // within the module
	imports []string
	tests   []string // what its tests import
}

// list returns the packages of the module. It reads their files itself, so that
// go test knows what the answer depends on.
func list(t *testing.T) []pkg {
	t.Helper()
	const top = "../../.."
	packages := make(map[string]*pkg)
	err := filepath.WalkDir(top, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "testdata" || strings.HasPrefix(entry.Name(), ".") && name != top) {
			return fs.SkipDir
		}
		if entry.IsDir() || filepath.Ext(name) != ".go" {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(top, filepath.Dir(name))
		if err != nil {
			return err
		}
		path := filepath.ToSlash(folder)
		if packages[path] == nil {
			packages[path] = &pkg{path: path}
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if p := packages[path]; strings.HasSuffix(name, "_test.go") {
				p.tests = append(p.tests, imported)
			} else {
				p.imports = append(p.imports, imported)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []pkg
	for _, path := range slices.Sorted(maps.Keys(packages)) {
		all = append(all, *packages[path])
	}
	return all
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
	row, other := rowOf(from), rowOf(to)
	if row == other {
		return true
	}
	return slices.ContainsFunc(layout[row], func(may string) bool {
		return to == may || may == helpers && other == helpers || strings.HasSuffix(may, "/") && strings.HasPrefix(to, may)
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
		if rowOf(p.path) == "" {
			t.Errorf("got package %s without a row in the layout, want one", p.path)
			continue
		}
		for _, path := range p.imports {
			to, ours := within(path)
			switch {
			case !ours:
			case !allowed(p.path, to):
				t.Errorf("%s imports %s, want only %q", p.path, to, layout[rowOf(p.path)])
			case isForTests(to) && !isForTests(p.path):
				t.Errorf("%s imports %s, which is for tests", p.path, to)
			}
			if p.path == "event" && strings.HasPrefix(path, "github.com/caddyserver/") {
				t.Errorf("event imports %s, want nothing of Caddy", path)
			}
		}
		for _, path := range p.tests {
			if to, ours := within(path); ours && to == root && p.path != root && !isForTests(p.path) {
				t.Errorf("a test of %s imports the root, want only integration tests to do so", p.path)
			}
		}
	}
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
		{"store/file", "store/file/internal/seen", true},
		{"store/file", "internal/caddyblock", true},
		{"inspector", "internal/admin", true},
		{"internal/graph", "internal/loopback", true},

		{"event", "internal/sample", false},
		{"store", "store/memory", false},
		{"store", "event", false},
		{"store", "internal/caddyblock", false},
		{"store/file", "store/memory", false},
		{"store/file", "event", false},
		{"internal/observe", "internal/delivery", false},
		{"internal/observe", "store", false},
		{"internal/delivery", "internal/admin", false},
		{"internal/delivery", "store/file", false},
		{"internal/admin", "event", false},
		{"internal/budget", "event", false},
		{"internal/budget", "internal/delivery", false},
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
