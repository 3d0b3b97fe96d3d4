package secret_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/secret"
)

func TestSecretsThatCannotBeMeant(t *testing.T) {
	const (
		empty   = "is empty"
		blank   = "begins or ends with white space"
		mark    = "begins or ends with a byte order mark"
		control = "has a control character, such as a NUL or a line break"
	)
	for value, want := range map[string]string{
		"":                            empty,
		" \t\n":                       empty,
		" hunter2":                    blank,
		"hunter2 ":                    blank,
		"hunter2\n":                   blank,
		"hunter2\r\n":                 blank,
		"\u00a0hunter2":               blank,
		"hunter2\u2003":               blank,
		"\ufeffhunter2":               mark,
		"hunter2\ufeff":               mark,
		strings.Repeat("\x00", 32):    control,
		"hunter2\x00":                 control,
		"hun\x00ter2":                 control,
		"hun\tter2":                   control,
		"hunter2\nhunter3":            control,
		"hunter2\x7f":                 control,
		"hunter2\u0080":               control,
		"hunter2":                     "",
		"correct horse":               "",
		"ünïcode":                     "",
		`\back{slash}`:                "",
		"\xff\xfe in no encoding":     "",
		"0123456789abcdef0123456789a": "",
	} {
		got := ""
		if err := secret.Check(value); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: got error %q, want %q", value, got, want)
		}
	}
}

func TestErrorsNameTheSecretAndDoNotShowIt(t *testing.T) {
	t.Setenv("SECRET_TEST_BLANK", "hunter2 ")
	t.Setenv("SECRET_TEST_EMPTY", "")
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("hunter2\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const brace = `has a placeholder that is empty or unknown; write a literal brace as \{`
	for _, tc := range []struct{ raw, one, second string }{
		{"", "is empty", "value 2 is empty"},
		{"hunter2 ", "begins or ends with white space", "value 2 begins or ends with white space"},
		{"{env.SECRET_TEST_EMPTY}", "{env.SECRET_TEST_EMPTY} is empty or unknown", "{env.SECRET_TEST_EMPTY} is empty or unknown"},
		{"{env.SECRET_TEST_BLANK}", "{env.SECRET_TEST_BLANK} begins or ends with white space", "{env.SECRET_TEST_BLANK} begins or ends with white space"},
		{"{file." + file + "}", "{file." + file + "} begins or ends with white space", "{file." + file + "} begins or ends with white space"},
		{"x{env.SECRET_TEST_BLANK}", "begins or ends with white space", "value 2 begins or ends with white space"},
		{"hun{ter2}", brace, "value 2 " + brace},
		{"{hunter2}", brace, "value 2 " + brace},
		{"hunter2{env.SECRET_TEST_EMPTY}", brace, "value 2 " + brace},
	} {
		_, one := secret.Resolve(tc.raw)
		if one == nil || one.Error() != tc.one {
			t.Errorf("%q: got error %v, want %s", tc.raw, one, tc.one)
		}
		_, all := secret.ResolveAll([]string{"right", tc.raw})
		if all == nil || all.Error() != tc.second {
			t.Errorf("%q as the second: got error %v, want %s", tc.raw, all, tc.second)
		}
	}
	if _, err := secret.ResolveAll(nil); err == nil || err.Error() != "at least one is required" {
		t.Errorf("none: got error %v, want that one is required", err)
	}
}

func TestSecretsAreResolved(t *testing.T) {
	t.Setenv("SECRET_TEST_VALUE", "s3cr{et}x")
	got, err := secret.ResolveAll([]string{"{env.SECRET_TEST_VALUE}", `a\{b\}c`, "x{env.SECRET_TEST_VALUE}"})
	if err != nil {
		t.Fatal(err)
	}
	if want := "s3cr{et}x|a{b}c|xs3cr{et}x"; strings.Join(got, "|") != want {
		t.Errorf("got %q, want %s", got, want)
	}
}
