package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
)

// A block is a piece of code in a page.
type block struct {
	page     string
	language string
	text     string
}

// The languages of what configures something, and of what does not.
var (
	configurations = []string{"caddyfile", "json", "yaml", "systemd", "nginx", "dockerfile", "sh"}
	illustrations  = []string{"http", "console"}
	programs       = []string{"js", "python", "php", "go"} // held against files
	scripts        = []string{"bash"}                      // which integration_test/stored runs
)

var fence = regexp.MustCompile("(?ms)^( *)```(\\w*)\n(.*?)^ *```$")

// pageFiles returns the files of pages.
func pageFiles(t *testing.T, pages string) []string {
	t.Helper()
	var files []string
	for pattern := range strings.FieldsSeq(pages) {
		found, err := filepath.Glob(filepath.Join(harness.Repository, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("got %d pages %s and error %v, want some", len(found), pattern, err)
		}
		files = append(files, found...)
	}
	return files
}

// pageBlocks returns the blocks of a language in pages.
func pageBlocks(t *testing.T, pages, language string) []block {
	t.Helper()
	var blocks []block
	for _, file := range pageFiles(t, pages) {
		page := strings.TrimPrefix(filepath.ToSlash(file), filepath.ToSlash(harness.Repository)+"/")
		for _, match := range fence.FindAllStringSubmatch(harness.ReadFile(t, file), -1) {
			if language == "" || match[2] == language {
				text := strings.ReplaceAll("\n"+match[3], "\n"+match[1], "\n")
				blocks = append(blocks, block{page, match[2], text})
			}
		}
	}
	if len(blocks) == 0 {
		t.Fatalf("got no %s in %s, want some", language, pages)
	}
	return blocks
}

const (
	theREADME    = "README.md"
	theOptions   = "docs/reference/options.md"
	theGuides    = "docs/*.md docs/guides/*.md"
	theReference = "docs/reference/*.md"
	allPages     = theREADME + " " + theGuides + " " + theReference
)

// furnish makes a folder, an environment and files in which configurations
// load, and returns what moves a configuration there.
func furnish(t *testing.T, blocks []block) *strings.Replacer {
	t.Helper()
	g := harness.NewGateway(t, harness.TLSHTTP1)
	for _, b := range blocks {
		for _, variable := range regexp.MustCompile(`\{env\.(\w+)\}`).FindAllStringSubmatch(b.text, -1) {
			t.Setenv(variable[1], "value of "+variable[1])
		}
	}
	t.Setenv("WEBHOOK_SECRET", harness.NewSecret)
	t.Setenv("DATABASE_URL", "postgres://127.0.0.1:1/nobody-there")
	t.Chdir(g.Dir)
	harness.WriteFile(t, g.Dir, "meta-outbound-api-ca.pem", []byte(harness.ReadFile(t, "cert.pem")))
	harness.WriteFile(t, g.Dir, "verify_token", []byte(harness.Token+"\n"))
	harness.WriteFile(t, g.Dir, "app_secret", []byte(harness.AppSecret+"\n"))
	harness.WriteFile(t, g.Dir, "webhook_secret", []byte(harness.NewSecret+"\n"))
	return strings.NewReplacer("/etc/caddy", g.Dir, "/run/secrets", g.Dir)
}

func TestEveryBlockOfTheGuidesIsLookedAt(t *testing.T) {
	for _, b := range pageBlocks(t, theGuides, "") {
		if known := slices.Concat(configurations, illustrations, programs, scripts); !slices.Contains(known, b.language) {
			t.Errorf("%s: got a block of %q, want one of %q:\n%s", b.page, b.language, known, b.text)
		}
		first, _, _ := strings.Cut(strings.TrimSpace(b.text), "\n")
		if b.language == "yaml" && first != "# prometheus.yml" && first != "# compose.yaml" {
			t.Errorf("%s: got YAML that begins with %q, want the name of a file that is looked at", b.page, first)
		}
	}
}

// TestBlocksAreTheFilesTheyName compares a block behind the name of a file, which is
// a link and ends its line, with that file.
func TestBlocksAreTheFilesTheyName(t *testing.T) {
	named := regexp.MustCompile("(?ms)`\\]\\(([^():#]+)\\)[^\n]*:\n\n```(\\w*)\n(.*?)^```$")
	shown := make(map[string]int)
	for _, page := range pageFiles(t, allPages) {
		for _, match := range named.FindAllStringSubmatch(harness.ReadFile(t, page), -1) {
			file := filepath.Join(filepath.Dir(page), match[1])
			if want := harness.ReadFile(t, file); match[3] != want {
				t.Errorf("%s: got a block that is not %s:\n%s\nwant\n%s", page, match[1], match[3], want)
			}
			shown[match[2]]++
		}
	}
	for _, language := range programs {
		if all := pageBlocks(t, theGuides+" "+theReference, language); shown[language] != len(all) {
			t.Errorf("got %d blocks of %s behind the name of a file, want all %d", shown[language], language, len(all))
		}
	}
}

// TestCaddyfilesInThePagesLoad loads those with destinations where store file
// can queue.
func TestCaddyfilesInThePagesLoad(t *testing.T) {
	blocks := pageBlocks(t, allPages, "caddyfile")
	here := furnish(t, blocks)
	for _, b := range blocks {
		config, err := harness.Adapt(here.Replace(b.text))
		if err == nil {
			err = harness.Validate(config)
		}
		if err != nil {
			t.Errorf("%s: got error %v, want none for\n%s", b.page, err, b.text)
		}
		if text := strings.TrimSpace(b.text); string(caddyfile.Format([]byte(text))) != text+"\n" {
			t.Errorf("%s: got a Caddyfile that is not formatted, want one as of `caddy fmt`:\n%s", b.page, b.text)
		}
	}
}

// TestJSONInTheGuidesLoads takes a handler, or a whole configuration.
func TestJSONInTheGuidesLoads(t *testing.T) {
	blocks := pageBlocks(t, theGuides, "json")
	here := furnish(t, blocks)
	for _, b := range blocks {
		config := here.Replace(b.text)
		if harness.Decode[map[string]any](t, config)["handler"] != nil {
			config = `{"apps": {"http": {"servers": {"gateway": {"listen": [":8080"], "routes": [{"handle": [` + config + `]}]}}}}}`
		}
		if err := harness.Validate([]byte(config)); err != nil {
			t.Errorf("%s: got error %v, want none for\n%s", b.page, err, b.text)
		}
	}
}

// caddyVersion returns the version of Caddy in go.mod.
func caddyVersion(t *testing.T) string {
	t.Helper()
	version := regexp.MustCompile(`(?m)^\tgithub\.com/caddyserver/caddy/v2 v(\S+)$`).FindStringSubmatch(harness.ReadFile(t, filepath.Join(harness.Repository, "go.mod")))
	if version == nil {
		t.Fatal("got no Caddy in go.mod, want one")
	}
	return version[1]
}

// TestVersionsInThePages has the pages name the Caddy of go.mod.
func TestVersionsInThePages(t *testing.T) {
	build := regexp.MustCompile(`xcaddy build v([\d.]+)`)
	for _, b := range pageBlocks(t, allPages, "sh") {
		for _, version := range build.FindAllStringSubmatch(b.text, -1) {
			if version[1] != caddyVersion(t) {
				t.Errorf("%s: got Caddy %s, want %s", b.page, version[1], caddyVersion(t))
			}
		}
	}
}

// TestREADMEIsShort holds the first page to what can be read in one go.
func TestREADMEIsShort(t *testing.T) {
	if lines := strings.Count(harness.ReadFile(t, filepath.Join(harness.Repository, theREADME)), "\n"); lines > 250 {
		t.Errorf("got %d lines, want 250 at most", lines)
	}
}

// TestLinksInThePages follows those that stay in the repository.
func TestLinksInThePages(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading := regexp.MustCompile(`(?m)^#+ (.+)$`)
	anchors := func(page string) []string {
		var all []string
		for _, match := range heading.FindAllStringSubmatch(fence.ReplaceAllString(harness.ReadFile(t, page), ""), -1) {
			anchor := strings.ReplaceAll(strings.ToLower(match[1]), " ", "-")
			all = append(all, regexp.MustCompile(`[^a-z0-9_-]`).ReplaceAllString(anchor, ""))
		}
		return all
	}
	for _, page := range pageFiles(t, allPages+" CONTRIBUTING.md SECURITY.md") {
		for _, match := range link.FindAllStringSubmatch(harness.ReadFile(t, page), -1) {
			target, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			file := page
			if target != "" {
				file = filepath.Join(filepath.Dir(page), target)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: got a link to %s, want a file that is there", page, match[1])
			} else if anchor != "" && !slices.Contains(anchors(file), anchor) {
				t.Errorf("%s: got a link to %s, want one of %q", page, match[1], anchors(file))
			}
		}
	}
}
