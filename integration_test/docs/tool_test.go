package docs

import (
	"os"
	"os/exec"
	"testing"
)

// A tool is a program that a test needs, which may not be installed.
type tool string

// find returns the path of the tool. Where it is not installed the test is
// skipped, or, if META_WEBHOOK_TEST_ALL is set, fails.
func (name tool) find(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath(string(name))
	if err != nil { // it may be where only root looks
		path, err = exec.LookPath("/usr/sbin/" + string(name))
	}
	if err != nil {
		if os.Getenv("META_WEBHOOK_TEST_ALL") != "" {
			t.Fatalf("NOT RUN: this test needs %s", name)
		}
		t.Skipf("SKIPPED: this test needs %s", name)
	}
	return path
}

// wantSuccess runs the tool in a folder, and wants it to find nothing wrong. It
// returns what the tool says.
func (name tool) wantSuccess(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name.find(t), args...)
	cmd.Dir = dir
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s %v: got error %v, want none\n%s", name, args, err, output)
	}
	return string(output)
}
