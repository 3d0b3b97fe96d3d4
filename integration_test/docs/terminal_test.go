package docs

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/graph"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/graph/graphtest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/caddyproc"
)

// TestMain is also the Graph API of a machine.
func TestMain(m *testing.M) {
	if os.Getenv(graphVariable) != "" {
		serveGraph()
		return
	}
	os.Exit(caddyproc.Main(m))
}

// What the Graph API of a machine is told, and where it says that it is.
const (
	graphVariable = "META_WEBHOOK_TEST_GRAPH" // a file for its URL
	graphAppID    = "188559381496048"
)

// outOfTest is the test of a server that runs in a process of its own.
type outOfTest struct{ testing.TB }

func (outOfTest) Helper()                           {}
func (outOfTest) Cleanup(func())                    {}
func (outOfTest) Errorf(format string, args ...any) { panic(format) }

// serveGraph runs a Graph API until its input ends.
func serveGraph() {
	s := graphtest.Start(outOfTest{}, graph.DefaultVersion, graphAppID, harness.AppSecret)
	if err := os.WriteFile(os.Getenv(graphVariable), []byte(s.URL), 0o600); err != nil {
		panic(err)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// A machine has a network of its own, in which the hosts of the pages are, and
// every port is free.
type machine struct {
	t   *testing.T
	dir string // home, and where commands run
	pid string // whose network it is
	env []string
}

// caddyScript is the caddy of a machine, whose Graph API is on the machine.
const caddyScript = `#!/bin/sh
case $2 in
subscriptions) exec "$CADDY" "$@" --graph-url "$(cat "$HOME/graph")" ;;
esac
exec "$CADDY" "$@"
`

// goScript runs the one program of this repository that the pages run, as it
// was built for the tests.
const goScript = `#!/bin/sh
if [ "$1 $2" = "run ./cmd/caddy" ]; then
	shift 2
	exec caddy "$@"
fi
echo "not run here: go $*"
`

// absent are the programs that change a machine, or need one of another sort.
// Commands of theirs are only read by the shell.
var absent = []string{"xcaddy", "docker", "systemctl", "journalctl", "useradd", "install", "flask", "npm", "dpkg-divert"}

// newMachine returns a machine, or skips the test where there can be none.
func newMachine(t *testing.T) *machine {
	t.Helper()
	for _, name := range []tool{"unshare", "nsenter", "ip", "mount", "curl", "openssl"} {
		name.find(t)
	}
	m := &machine{t: t, dir: t.TempDir()}
	m.write(".bashrc", "")
	m.write(".zshrc", "")
	m.write("hosts", "127.0.0.1 localhost webhooks.example.com\n")
	if err := os.Mkdir(m.path("bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	m.write("bin/caddy", caddyScript)
	m.write("bin/go", goScript)
	for _, name := range absent {
		m.write("bin/"+name, "#!/bin/sh\necho \"not run here: "+name+" $*\"\n")
	}
	for variable := range strings.FieldsSeq("LANG TERM TMPDIR LD_LIBRARY_PATH") {
		if value, ok := os.LookupEnv(variable); ok {
			m.env = append(m.env, variable+"="+value)
		}
	}
	m.env = append(m.env, "HOME="+m.dir, "PATH="+m.path("bin")+":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "CADDY="+caddyproc.Build(t))
	m.boot()
	return m
}

func (m *machine) path(name string) string { return filepath.Join(m.dir, name) }

// write writes a file that may be run.
func (m *machine) write(name, text string) {
	m.t.Helper()
	if err := os.WriteFile(m.path(name), []byte(text), 0o700); err != nil {
		m.t.Fatal(err)
	}
}

// boot starts the process whose network the machine is.
func (m *machine) boot() {
	m.t.Helper()
	args := []string{"--net", "--mount"}
	if os.Geteuid() != 0 {
		args = append(args, "--map-root-user")
	}
	script := "ip link set lo up && mount --bind '" + m.path("hosts") + "' /etc/hosts && echo $$ >'" + m.path("pid") + "' && exec cat"
	p := m.start(exec.Command("unshare", append(args, "sh", "-c", script)...), nil)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if pid, err := os.ReadFile(m.path("pid")); err == nil && len(pid) > 0 {
			m.pid = strings.TrimSpace(string(pid))
			return
		}
		if time.Now().After(deadline) {
			if os.Getenv("META_WEBHOOK_TEST_ALL") != "" {
				m.t.Fatalf("NOT RUN: this test needs a network of its own: %s", p.said.String())
			}
			m.t.Skipf("SKIPPED: this test needs a network of its own: %s", p.said.String())
		}
	}
}

// A process is one that runs on a machine until the test ends.
type process struct {
	io.WriteCloser // what it reads
	name           string
	ended          chan struct{}
	said           harness.Output
}

// start starts a command, which reads nothing before it is told to.
func (m *machine) start(cmd *exec.Cmd, env []string) *process {
	m.t.Helper()
	p := &process{name: strings.Join(cmd.Args, " "), ended: make(chan struct{})}
	cmd.Dir, cmd.Env = m.dir, append(m.env, env...)
	cmd.Stdout, cmd.Stderr = &p.said, &p.said
	cmd.WaitDelay = time.Second // for what it may have left running
	var err error
	if p.WriteCloser, err = cmd.StdinPipe(); err != nil {
		m.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait()
		close(p.ended)
	}()
	m.t.Cleanup(func() {
		_ = p.Close()
		_ = cmd.Process.Kill()
		<-p.ended
		if m.t.Failed() {
			const most = 4000
			said := p.said.String()
			m.t.Logf("%s has printed:\n%s", p.name, said[max(0, len(said)-most):])
		}
	})
	return p
}

// run starts a program on the machine.
func (m *machine) run(env []string, program ...string) *process {
	m.t.Helper()
	args := []string{"--target", m.pid, "--net", "--mount", "--wd=" + m.dir}
	if os.Geteuid() != 0 {
		args = append(args, "--user", "--preserve-credentials")
	}
	return m.start(exec.Command("nsenter", append(args, program...)...), env)
}

// wait waits until a process has printed a text.
func (p *process) wait(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(harness.Patience); !strings.Contains(p.said.String(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: got nothing for %v, want %q", p.name, harness.Patience, text)
		}
	}
}

// failed is what a terminal shows of a command that fails.
const failed = "@@ FAILED"

// A terminal is an interactive shell, into which a person pastes.
type terminal struct {
	*process
	t      *testing.T
	pasted int
}

func (m *machine) terminal(shell string, env []string) *terminal {
	m.t.Helper()
	v := &terminal{m.run(env, shell, "-i"), m.t, 0}
	v.send("trap 'printf \"%s FAILED %s\\n\" @@ $?' ERR\nPS1= PS2=\n") // it is echoed, and must not look like a failure
	return v
}

func (v *terminal) send(text string) {
	v.t.Helper()
	if _, err := io.WriteString(v, text); err != nil {
		v.t.Fatalf("%s: got error %v, want it to read %q", v.name, err, text)
	}
}

// paste pastes a block, and waits for the end of its last command. The shell must
// understand it, and no command may fail, unless it asks for what is not there.
func (v *terminal) paste(b block, mayFail bool) {
	v.t.Helper()
	before := len(v.said.String())
	v.pasted++
	end := "@@ END " + strconv.Itoa(v.pasted)
	v.send(strings.TrimSpace(b.text) + "\nprintf '\\n%s\\n' '" + end + "'\n")
	v.wait(v.t, "\n"+end+"\n")
	said := v.said.String()[before:]
	if mayFail {
		said = strings.ReplaceAll(said, failed, "")
	}
	for _, sign := range []string{failed, "command not found", "no matches found", "bad pattern", "event not found", "parse error", "syntax error"} {
		if strings.Contains(said, sign) {
			v.t.Errorf("%s: %s: got %q, want no command to fail in\n%s\nwhich has printed\n%s", v.name, b.page, sign, b.text, said)
		}
	}
}
