package docs

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
)

// TestActionsArePinned wants the actions of the workflows by digest, with the
// version beside it: a tag is what somebody says today.
func TestActionsArePinned(t *testing.T) {
	uses := regexp.MustCompile(`(?m)^ *(?:- )?uses: (.*)$`)
	pinned := regexp.MustCompile(`^[\w-]+/[\w/-]+@[0-9a-f]{40} # v\d+(\.\d+)*$`)
	for _, file := range pageFiles(t, ".github/workflows/*.yml") {
		text := harness.ReadFile(t, file)
		for _, found := range uses.FindAllStringSubmatch(text, -1) {
			if !pinned.MatchString(found[1]) {
				t.Errorf("%s: got %s, want a digest of 40 digits and the version as a comment", file, found[1])
			}
		}
		if err := yaml.Unmarshal([]byte(text), new(any)); err != nil {
			t.Errorf("%s: got error %v, want none", file, err)
		}
	}
}

// TestReleaseIsOfTheCaddyThatIsTested compares the image's Caddy with go.mod.
func TestReleaseIsOfTheCaddyThatIsTested(t *testing.T) {
	if got, want := harness.ReadFile(t, filepath.Join(harness.Repository, "Dockerfile")), "FROM caddy:"+caddyVersion(t)+"\n"; !strings.Contains(got, want) {
		t.Errorf("got the Dockerfile\n%s\nwant %q in it", got, want)
	}
}
