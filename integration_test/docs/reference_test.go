package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
)

// A described module is a type whose options a page describes.
type described struct {
	file, name string // of the type
	page       string
	rows       map[string]string // of options, by their names in JSON, where the row has another name; "" if it has none
	prefix     string            // of rows
	whole      bool              // the page's table has these options alone, and those of types with the same page
}

// modules are those that somebody configures. A row is named as in the Caddyfile.
var modules = []described{
	{file: "module.go", name: "Handler", page: "docs/reference/options.md", whole: true, rows: map[string]string{
		"max_events": "deliver", "max_wait": "deliver", "callbacks": "callback", "destinations": "destination",
	}},
	{file: "clientcert.go", name: "ClientCert", page: "docs/reference/options.md", prefix: "client_cert", rows: map[string]string{"names": "client_cert"}},
	{file: "internal/delivery/dedup.go", name: "Dedup", page: "docs/reference/options.md", prefix: "dedup", rows: map[string]string{"off": "dedup", "windows": "dedup › window"}},
	{file: "internal/callback/callback.go", name: "Callback", page: "docs/reference/options.md", prefix: "callback", rows: map[string]string{"kind": "callback", "path": "callback"}},
	{file: "internal/delivery/destination.go", name: "Destination", page: "docs/guides/stored-delivery.md", rows: map[string]string{
		"name": "", "match": "", "routes": "", "max_events": "deliver", "max_wait": "deliver", "retry_pause": "retry", "max_retry_pause": "retry",
	}},
	{file: "inspector/inspector.go", name: "Handler", page: "docs/reference/inspector.md", whole: true},
	{file: "inspector/listen.go", name: "Listen", page: "docs/reference/listen.md", rows: map[string]string{"tokens": "token"}},
	{file: "store/file/store.go", name: "Store", page: "docs/guides/stored-delivery.md"},
}

// A field is an option as its module has it.
type field struct {
	option string // in JSON
	doc    string
}

// fieldsOf returns the options of a type, and those of types embedded in it.
func fieldsOf(t *testing.T, file, name string) (fields []field) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(harness.Repository, file), nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != name {
			return true
		}
		for _, f := range spec.Type.(*ast.StructType).Fields.List {
			if len(f.Names) == 0 {
				fields = append(fields, fieldsOf(t, "internal/delivery/options.go", "Options")...)
				continue
			}
			if f.Tag == nil {
				continue
			}
			tag, _ := strconv.Unquote(f.Tag.Value)
			option, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
			fields = append(fields, field{option, strings.Join(strings.Fields(f.Doc.Text()), " ")})
		}
		return false
	})
	if len(fields) == 0 {
		t.Fatalf("got no options of %s in %s, want some", name, file)
	}
	return fields
}

// optionRows returns the rows of a page's tables of options, by their names. A
// row may be for several.
func optionRows(t *testing.T, page string) map[string]string {
	t.Helper()
	rows := make(map[string]string)
	named := regexp.MustCompile("`([^`]+)`")
	table := regexp.MustCompile(`(?m)^\| option \|[^\n]*\n\|[-|]+\n((?:\|[^\n]*\n)+)`)
	for _, found := range table.FindAllStringSubmatch(harness.ReadFile(t, filepath.Join(harness.Repository, page)), -1) {
		for line := range strings.Lines(found[1]) {
			cells := strings.SplitN(strings.Trim(strings.TrimSpace(line), "| "), " | ", 2)
			var names []string
			for _, match := range named.FindAllStringSubmatch(cells[0], -1) {
				names = append(names, match[1])
			}
			if strings.Contains(cells[0], " › ") {
				names = []string{strings.Join(names, " › ")}
			}
			for _, name := range names {
				rows[name] = line
			}
		}
	}
	return rows
}

// bytesInWords writes numbers of bytes as the pages do.
var bytesInWords = strings.NewReplacer("10000000000", "10GB", "4000000", "4MB", "256000000", "256MB", "16000000", "16MB")

// TestReferenceIsThatOfTheModules holds the tables of options against the
// modules: none may be missing, stale, or have another default than the module's
// comment says.
func TestReferenceIsThatOfTheModules(t *testing.T) {
	defaults := regexp.MustCompile(`Default: ([^.;,(]+)`)
	wanted := make(map[string][]string) // by page
	for _, m := range modules {
		rows := optionRows(t, m.page)
		for _, f := range fieldsOf(t, m.file, m.name) {
			name, ok := m.rows[f.option]
			if !ok {
				name = strings.TrimPrefix(m.prefix+" › "+f.option, " › ")
			}
			if f.doc == "" {
				t.Errorf("%s: got no comment on %s of %s, want one", m.file, f.option, m.name)
			}
			if name == "" {
				continue
			}
			wanted[m.page] = append(wanted[m.page], name)
			row, ok := rows[name]
			if !ok {
				t.Errorf("%s: got no row for %s, which is %s of %s", m.page, name, f.option, m.name)
				continue
			}
			if strings.Contains(row, "as in [Options]") {
				continue
			}
			if found := defaults.FindStringSubmatch(f.doc); found != nil {
				want := bytesInWords.Replace(strings.Trim(found[1], "` "))
				if !strings.Contains(strings.ReplaceAll(row, "`", ""), strings.ReplaceAll(want, "`", "")) {
					t.Errorf("%s: got the row\n%swant in it the default of %s, %q", m.page, row, f.option, want)
				}
			}
		}
	}
	for _, m := range modules {
		if !m.whole {
			continue
		}
		for name := range optionRows(t, m.page) {
			if !slices.Contains(wanted[m.page], name) {
				t.Errorf("%s: got a row for %s, want only options that there are", m.page, name)
			}
		}
	}
}
