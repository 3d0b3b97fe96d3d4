package harness

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/caddyproc"
)

// A Run is what has come of a command.
type Run struct {
	Code           int
	Stdout, Stderr string
}

// Command runs caddy meta-webhook in a process of its own, with the token and
// the secret of the gateways in its environment.
func Command(t *testing.T, stdin string, args ...string) Run {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), caddyproc.Build(t), append([]string{"meta-webhook"}, args...)...)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, "META_") }),
		"META_VERIFY_TOKEN="+Token, "META_APP_SECRET="+AppSecret, "META_APP_ID=188559381496048")
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	for _, secret := range []string{Token, AppSecret} {
		if strings.Contains(stdout.String()+stderr.String(), secret) {
			t.Errorf("%s: got %s%s, want no secret in it", args, &stdout, &stderr)
		}
	}
	return Run{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// An Output keeps what commands print, and can be read while they do.
type Output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// String returns what was printed so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Want fails the test unless the command has ended with this code, and has
// printed these texts. Where a text is empty it must have printed none.
func (r Run) Want(t *testing.T, code int, stdout, stderr string) {
	t.Helper()
	if r.Code != code || !strings.Contains(r.Stdout, stdout) || !strings.Contains(r.Stderr, stderr) ||
		(stdout == "") != (r.Stdout == "") || (stderr == "") != (r.Stderr == "") {
		t.Errorf("got exit code %d, %q and on stderr %q, want %d, %q and %q", r.Code, r.Stdout, r.Stderr, code, stdout, stderr)
	}
}
