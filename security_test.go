// SECURITY.md against the tests that it names.

package metawebhook

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPromisesNameTestsThatExist looks for every test that SECURITY.md names.
func TestPromisesNameTestsThatExist(t *testing.T) {
	page, err := os.ReadFile("SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	var sources strings.Builder
	for _, pattern := range []string{"*_test.go", "*/*_test.go", "*/*/*_test.go", "*/*/*/*_test.go", "*/*/*/*/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("got %d files and error %v, want some", len(files), err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			sources.Write(text)
		}
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z0-9]*)`").FindAllStringSubmatch(string(page), -1)
	if len(named) < 30 {
		t.Errorf("got %d tests named in SECURITY.md, want many", len(named))
	}
	for _, match := range named {
		if !strings.Contains(sources.String(), "\nfunc "+match[1]+"(") {
			t.Errorf("got the test %s in SECURITY.md, want one that exists", match[1])
		}
	}
}

// TestEveryPromiseNamesATest looks for promises that none holds.
func TestEveryPromiseNamesATest(t *testing.T) {
	page, err := os.ReadFile("SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for table := range strings.SplitSeq(string(page), "| promise | held by |\n|---|---|\n") {
		rows++
		if rows == 1 {
			continue
		}
		for line := range strings.SplitSeq(table, "\n") {
			if !strings.HasPrefix(line, "|") {
				break
			}
			if !strings.Contains(line, "`Test") && !strings.Contains(line, "`Fuzz") {
				t.Errorf("got the promise %q, want it to name a test", line)
			}
		}
	}
	if rows < 5 {
		t.Errorf("got %d tables of promises, want one for each who attacks", rows-1)
	}
}
