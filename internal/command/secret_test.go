package command

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestWhereSecretsComeFrom(t *testing.T) {
	const development = "development-secret"
	missing := filepath.Join(t.TempDir(), "missing")
	for name, test := range map[string]struct {
		path, variable string
		local          bool
		want           string // empty: an error
		source         string // or what is in the error
	}{
		"a file":                     {textFile(t, testSecret), "", false, testSecret, "file"},
		"a line":                     {textFile(t, testSecret+"\n"), "", false, testSecret, "file"},
		"a line of Windows":          {textFile(t, testSecret+"\r\n"), "", false, testSecret, "file"},
		"spaces, which may be meant": {textFile(t, " "+testSecret+" \n\n"), "", false, " " + testSecret + " \n", "file"},
		"a file, and the variable":   {textFile(t, testSecret), "other", false, testSecret, "file"},
		"a file, and this machine":   {textFile(t, testSecret), "", true, testSecret, "file"},
		"an empty file":              {textFile(t, "\n"), "other", true, "", "is empty"},
		"no such file":               {missing, "other", true, "", "--secret-file: open " + missing},
		"the variable":               {"", testSecret, false, testSecret, "META_APP_SECRET"},
		"the variable, here":         {"", testSecret, true, testSecret, "META_APP_SECRET"},
		"nothing":                    {"", "", false, "", "the app secret is missing: set META_APP_SECRET, or name a file by --secret-file"},
		"a blank variable":           {"", " ", true, "", "is missing"},
		"nothing, here":              {"", "", true, development, "example.Caddyfile"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("META_APP_SECRET", test.variable)
			s := appSecretFlag()
			s.path = test.path
			got, source, err := s.readFor(test.local)
			if test.want == "" {
				if err == nil || !strings.Contains(err.Error(), test.source) {
					t.Errorf("got error %v, want one with %q", err, test.source)
				}
				return
			}
			if err != nil || got != test.want || !strings.Contains(source, test.source) {
				t.Errorf("got %q from %s and error %v, want %q from %s", got, source, err, test.want, test.source)
			}
		})
	}
}

// TestDevelopmentSecretsStayHere speaks to another machine without a secret
// of its own. Were it not refused, it would take a minute, or reach somebody.
func TestDevelopmentSecretsStayHere(t *testing.T) {
	cleanEnvironment(t)
	for _, url := range []string{"http://192.0.2.1/", "https://webhooks.example.com/", "http://localhost.example.com/"} {
		command(t, "", "send", "--sample", "page-feed", "--url", url).want(t, 1, "", "the app secret is missing: set META_APP_SECRET")
		command(t, "", "verify", "--url", url).want(t, 1, "", "the verify token is missing: set META_VERIFY_TOKEN")
	}
}
