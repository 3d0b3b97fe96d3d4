package command

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestSecrets(t *testing.T) {
	const development = "development-secret"
	missing := filepath.Join(t.TempDir(), "missing")
	for name, test := range map[string]struct {
		path, variable string
		local          bool
		want           string // empty for an error
		source         string // or part of the error
	}{
		"a file":                        {textFile(t, testSecret), "", false, testSecret, "file"},
		"a line":                        {textFile(t, testSecret+"\n"), "", false, testSecret, "file"},
		"a Windows line":                {textFile(t, testSecret+"\r\n"), "", false, testSecret, "file"},
		"spaces, which may be intended": {textFile(t, " "+testSecret+" \n\n"), "", false, " " + testSecret + " \n", "file"},
		"a file, and the variable":      {textFile(t, testSecret), "other", false, testSecret, "file"},
		"a file, and this machine":      {textFile(t, testSecret), "", true, testSecret, "file"},
		"an empty file":                 {textFile(t, "\n"), "other", true, "", "is empty"},
		"no such file":                  {missing, "other", true, "", "--secret-file: open " + missing},
		"the variable":                  {"", testSecret, false, testSecret, "META_APP_SECRET"},
		"the variable, here":            {"", testSecret, true, testSecret, "META_APP_SECRET"},
		"nothing":                       {"", "", false, "", "missing app secret: set META_APP_SECRET or use --secret-file"},
		"a blank variable":              {"", " ", true, "", "missing app secret"},
		"nothing, here":                 {"", "", true, development, "example.Caddyfile"},
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

// TestDevelopmentSecretsStayHere checks that the secrets for development are not
// sent to another machine.
func TestDevelopmentSecretsStayHere(t *testing.T) {
	cleanEnvironment(t)
	for _, url := range []string{"http://192.0.2.1/", "https://webhooks.example.com/", "http://localhost.example.com/"} {
		command(t, "", "send", "--sample", "page-feed", "--url", url).want(t, 1, "", "missing app secret: set META_APP_SECRET")
		command(t, "", "verify", "--url", url).want(t, 1, "", "missing verify token: set META_VERIFY_TOKEN")
	}
}
