package docs

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestDockerfilesInTheGuides looks at the form of Dockerfiles: nothing is built
// here. Stages that are copied from have to be there, the plugin built in, and
// Caddy be the one of go.mod.
func TestDockerfilesInTheGuides(t *testing.T) {
	instruction := regexp.MustCompile(`^(FROM|RUN|COPY) (.+)$`)
	from := regexp.MustCompile(`^caddy:([\d.]+)(-builder)?(?: AS (\w+))?$`)
	for _, b := range pageBlocks(t, theGuides, "dockerfile") {
		var stages []string
		last, built := "", false
		for line := range strings.Lines(strings.TrimSpace(b.text) + "\n") {
			line = strings.TrimSuffix(line, "\n")
			if line == "" {
				continue
			}
			parts := instruction.FindStringSubmatch(line)
			if parts == nil || (len(stages) == 0 && parts[1] != "FROM") {
				t.Errorf("%s: got %q, want FROM first, then RUN or COPY", b.page, line)
				continue
			}
			switch parts[1] {
			case "FROM":
				image := from.FindStringSubmatch(parts[2])
				if image == nil || image[1] != caddyVersion(t) {
					t.Errorf("%s: got image %q, want caddy:%s", b.page, parts[2], caddyVersion(t))
					continue
				}
				stages = append(stages, image[3])
				last = image[2]
			case "RUN":
				built = built || strings.HasPrefix(parts[2], "xcaddy build --with github.com/caddy-meta-webhook/caddy-meta-webhook") && last == "-builder"
			case "COPY":
				if stage, ok := strings.CutPrefix(strings.Fields(parts[2])[0], "--from="); ok && !slices.Contains(stages, stage) {
					t.Errorf("%s: got a copy from stage %q, want one of %q", b.page, stage, stages)
				}
			}
		}
		if len(stages) != 2 || last != "" || !built {
			t.Errorf("%s: got %d stages, want one that builds the plugin and one without the tools for it:\n%s", b.page, len(stages), b.text)
		}
	}
}

// A compose is what the Compose files in the guides use of the format.
type compose struct {
	Services map[string]struct {
		Build       string
		Image       string
		Restart     string
		Stop        string `yaml:"stop_grace_period"`
		Ports       []string
		Environment map[string]string
		Secrets     []string
		Volumes     []string
	}
	Secrets map[string]struct{ File string }
	Volumes map[string]any
}

// TestComposeFilesInTheGuides looks at what Compose files say: nothing is
// started here. What services use has to be there.
func TestComposeFilesInTheGuides(t *testing.T) {
	found := 0
	for _, b := range pageBlocks(t, theGuides, "yaml") {
		if !strings.HasPrefix(strings.TrimSpace(b.text), "# compose.yaml\n") {
			continue
		}
		found++
		var c compose
		decoder := yaml.NewDecoder(strings.NewReader(b.text))
		decoder.KnownFields(true)
		if err := decoder.Decode(&c); err != nil {
			t.Errorf("%s: got error %v, want none for\n%s", b.page, err, b.text)
		}
		for name, service := range c.Services {
			if (service.Build == "") == (service.Image == "") {
				t.Errorf("%s: got service %s with build %q and image %q, want one of them", b.page, name, service.Build, service.Image)
			}
			for _, secret := range service.Secrets {
				if c.Secrets[secret].File == "" {
					t.Errorf("%s: got no secret %s, which %s has", b.page, secret, name)
				}
			}
			for _, volume := range service.Volumes {
				if source, _, _ := strings.Cut(volume, ":"); !hasKey(c.Volumes, source) {
					t.Errorf("%s: got no volume %s, which %s has", b.page, source, name)
				}
			}
		}
	}
	if found == 0 {
		t.Error("got no compose.yaml in the guides, want one")
	}
}

func hasKey(m map[string]any, key string) bool {
	_, ok := m[key]
	return ok
}
