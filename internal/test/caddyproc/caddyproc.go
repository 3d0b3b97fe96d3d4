// Package caddyproc runs cmd/caddy, as a process of its own, for a test.
package caddyproc

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/caddyfile"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/freeport"
)

// patience is how long to wait for what must happen.
const patience = time.Minute

// A Process is Caddy with the plugin. It may run several times, one after the
// other, always on the same ports and with the same folder, and has ended when
// the test ends. Its log is shown if the test fails.
type Process struct {
	// Global is further global options, for the configurations loaded next.
	Global string

	// Env is further environment variables, for the next start.
	Env []string

	// Dir is the folder in which the program runs, for the next start. If it
	// is empty, that is the process's own.
	Dir string

	// Program is the path of the program to run, for the next start. If it is
	// empty, it is built of this source.
	Program string

	t           testing.TB
	dir         string
	port, admin int
	client      http.Client // of the admin endpoint

	mu  sync.Mutex
	run *run // the last
}

// A run is one run of the program.
type run struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // once ended
}

// New returns a Process that does not run yet.
func New(t testing.TB) *Process {
	t.Helper()
	p := &Process{t: t, dir: t.TempDir(), port: freeport.Of(t), admin: freeport.Of(t)}
	p.client = http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("the log of the process on port %d:\n%s", p.port, p.Log())
		}
	})
	return p
}

// URL returns the URL of a path and query of the site.
func (p *Process) URL(target string) string {
	return fmt.Sprintf("http://127.0.0.1:%d%s", p.port, target)
}

// AdminURL returns the URL of a path and query of the admin endpoint.
func (p *Process) AdminURL(target string) string { return "http://" + address(p.admin) + target }

// Address returns where the site listens.
func (p *Process) Address() string { return address(p.port) }

// Path returns the path of a file in the process's folder.
func (p *Process) Path(name string) string { return filepath.Join(p.dir, name) }

// Start runs the program with a site of these directives, and returns when it
// serves. A run that was asked to end has ended by then.
func (p *Process) Start(site string) {
	p.t.Helper()
	p.start(p.WriteConfig(site))
}

// StartCaddyfile is like Start for a whole Caddyfile, which begins with a block
// of global options. The admin endpoint and the storage are moved to the
// process's own; the site must listen at its [Process.Address].
func (p *Process) StartCaddyfile(text string) {
	p.t.Helper()
	before, after, ok := strings.Cut("\n"+text, "\n{\n")
	if !ok {
		p.t.Fatalf("got a Caddyfile without global options, want some:\n%s", text)
	}
	options := caddyfile.Lines("admin "+address(p.admin), "storage file_system "+p.Path("storage"), "storage_check off", "storage_clean_interval off", "skip_install_trust", p.Global)
	p.start(p.write(caddyfile.Lines(before, "{", options, after)))
}

func (p *Process) start(config string) {
	p.t.Helper()
	log, err := os.OpenFile(p.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer log.Close()
	r := &run{cmd: p.Command("run", "--config", config), ended: make(chan struct{})}
	r.cmd.Stdout, r.cmd.Stderr = log, log
	if err := r.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	before := p.run
	p.run = r
	p.mu.Unlock()
	go func() {
		r.err = r.cmd.Wait()
		close(r.ended)
	}()
	if before != nil {
		_ = before.end() // so that what listens is the new one
	}
	p.wait(r)
}

// WriteConfig writes the configuration of a site with these directives into
// the process's folder, and returns its path.
func (p *Process) WriteConfig(site string) string {
	p.t.Helper()
	return p.write(p.caddyfile(site))
}

// write writes a Caddyfile into the process's folder, and returns its path.
func (p *Process) write(text string) string {
	p.t.Helper()
	config := p.Path("Caddyfile")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return config
}

// Command returns a command of the program, with the folder and the
// environment of the process.
func (p *Process) Command(args ...string) *exec.Cmd {
	p.t.Helper()
	program := p.Program
	if program == "" {
		program = Build(p.t)
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = cmp.Or(p.Dir, p.dir)
	cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+p.Path("data"), "XDG_CONFIG_HOME="+p.Path("config"))
	cmd.Env = append(cmd.Env, p.Env...)
	return cmd
}

// wait returns when a run serves its site and its admin endpoint, and everything
// in its configuration has started.
func (p *Process) wait(r *run) {
	p.t.Helper()
	deadline := time.Now().Add(patience)
	for _, port := range []int{p.admin, p.port} {
		for !listening(port) {
			select {
			case <-r.ended:
				p.t.Fatalf("got an end of Caddy before it served: %v", r.err)
			case <-time.After(2 * time.Millisecond):
			}
			if time.Now().After(deadline) {
				p.t.Fatalf("got no listener on port %d after %v", port, patience)
			}
		}
	}
	// Apps start in any order, so that the site may be served before the stores
	// are open. Caddy does not show a configuration before all have started.
	res, err := p.client.Get(p.AdminURL("/config/"))
	if err != nil {
		p.t.Fatalf("got no configuration: %v", err)
	}
	_ = res.Body.Close()
}

// Listening reports whether anybody takes connections to the site.
func (p *Process) Listening() bool { return listening(p.port) }

func listening(port int) bool {
	conn, err := net.DialTimeout("tcp", address(port), patience)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// Load has the running program change to a site of these directives, as
// caddy reload does. A change replaces the admin endpoint, too, and breaks
// connections that wait at the old one; then it is tried again.
func (p *Process) Load(site string) error {
	const tries = 5
	var err error
	for range tries {
		var status int
		var text []byte
		if status, text, err = p.load(site); err != nil {
			continue
		}
		if status != http.StatusOK {
			return fmt.Errorf("answered %d: %s", status, text)
		}
		return nil
	}
	return err
}

func (p *Process) load(site string) (status int, text []byte, err error) {
	res, err := p.client.Post(fmt.Sprintf("http://%s/load", address(p.admin)), "text/caddyfile", strings.NewReader(p.caddyfile(site)))
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	text, err = io.ReadAll(res.Body)
	return res.StatusCode, text, err
}

// Kill ends the program by SIGKILL, at once, unless it has ended already.
func (p *Process) Kill() {
	if r := p.last(); r != nil {
		_ = r.cmd.Process.Kill()
		<-r.ended
	}
}

// Terminate asks the program to end, by SIGTERM, and does not wait for that.
// Where there is no SIGTERM the test is skipped.
func (p *Process) Terminate() {
	p.t.Helper()
	if runtime.GOOS == "windows" {
		p.t.Skip("SKIPPED: there is no SIGTERM on Windows")
	}
	if err := p.last().cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatalf("SIGTERM: got error %v, want none", err)
	}
}

// Ended waits for the program to end, and returns an error unless it exited
// with 0.
func (p *Process) Ended() error { return p.last().end() }

// end waits for the run to end, and returns an error unless it exited with 0.
func (r *run) end() error {
	select {
	case <-r.ended:
		return r.err
	case <-time.After(patience):
		return fmt.Errorf("still running after %v", patience)
	}
}

// PID returns the id of the running program.
func (p *Process) PID() int { return p.last().cmd.Process.Pid }

func (p *Process) last() *run {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.run
}

// logTail is how much of a log is worth showing.
const logTail = 16 << 10

// Log returns the end of what the program has logged, in all its runs.
func (p *Process) Log() string {
	text, err := os.ReadFile(p.logFile())
	if err != nil {
		return err.Error()
	}
	if len(text) > logTail {
		text = text[len(text)-logTail:]
		text = text[bytes.IndexByte(text, '\n')+1:]
	}
	return string(text)
}

func (p *Process) logFile() string { return p.Path("log") }

// caddyfile returns the configuration: nothing in it leaves this machine or
// the process's folder.
func (p *Process) caddyfile(site string) string {
	return caddyfile.Global(address(p.admin), p.Path("storage"), p.Global) + caddyfile.Site("http://:"+strconv.Itoa(p.port), site)
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// built is the program, and the folder that it is in.
var built struct {
	sync.Once
	dir, path string
	err       error
}

// Build builds the program, the first time that it is called, and returns its
// path. If META_WEBHOOK_TEST_CADDY is set, it is the path of a program that was
// built before.
func Build(t testing.TB) string {
	t.Helper()
	built.Do(func() {
		if built.path = os.Getenv("META_WEBHOOK_TEST_CADDY"); built.path != "" {
			return
		}
		if built.dir, built.err = os.MkdirTemp("", "caddyproc"); built.err != nil {
			return
		}
		built.path = filepath.Join(built.dir, "caddy")
		if runtime.GOOS == "windows" {
			built.path += ".exe"
		}
		output, err := exec.Command("go", "build", "-o", built.path, "github.com/caddy-meta-webhook/caddy-meta-webhook/cmd/caddy").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("go build: %w\n%s", err, output)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.path
}

// Main runs the tests of a package that uses this one, for its TestMain, and
// removes what was built.
func Main(m *testing.M) int {
	defer func() {
		if built.dir != "" {
			_ = os.RemoveAll(built.dir)
		}
	}()
	return m.Run()
}
