package examples

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/freeport"
)

// An example is an app to start from, in a folder of its own.
type example struct {
	file  string     // the app, within its folder
	build []string   // what is run in the folder once
	needs [][]string // what has to be there: each runs without an error

	// command returns what runs the app on a port.
	command func(port string) []string
}

// python is a Python with Flask: that of the system, whose packages are
// Debian's, before any other.
func python(args ...string) []string {
	const system = "/usr/bin/python3"
	if _, err := os.Stat(system); err == nil {
		return append([]string{system}, args...)
	}
	return append([]string{"python3"}, args...)
}

var examples = map[string]example{
	"express": {
		file:    "app.js",
		needs:   [][]string{{"node", "--version"}, {"npm", "--version"}},
		build:   []string{"npm", "ci", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel", "error"},
		command: func(string) []string { return []string{"node", "app.js"} },
	},
	"python": {
		file:    "app.py",
		needs:   [][]string{python("--version")},
		command: func(string) []string { return python("app.py") },
	},
	"flask": {
		file:    "app.py",
		needs:   [][]string{python("-c", "import flask")},
		command: func(port string) []string { return python("-m", "flask", "run", "--port", port) },
	},
	"php": {
		file:    "index.php",
		needs:   [][]string{{"php-cgi", "--version"}},
		command: func(port string) []string { return []string{"php-cgi", "-b", "127.0.0.1:" + port} },
	},
	"go": {
		file:    "main.go",
		needs:   [][]string{{"go", "version"}},
		build:   []string{"go", "build", "-o", "app", "."},
		command: func(string) []string { return []string{"./app"} },
	},
}

// find skips the test where something is missing that the example needs, or,
// if META_WEBHOOK_TEST_ALL is set, ends it.
func (e example) find(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: the examples are run on Unix")
	}
	for _, args := range e.needs {
		if output, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			if os.Getenv("META_WEBHOOK_TEST_ALL") != "" {
				t.Fatalf("NOT RUN: this test needs %q: %v\n%s", args, err, output)
			}
			t.Skipf("SKIPPED: this test needs %q: %v", args, err)
		}
	}
}

// An app is an example that runs, in a copy of its folder.
type app struct {
	t    *testing.T
	e    example
	dir  string
	port string

	said harness.Output // in all of its runs
	cmd  *exec.Cmd
}

// newApp copies and builds an example.
func newApp(t *testing.T, folder string, e example) *app {
	t.Helper()
	a := &app{t: t, e: e, dir: t.TempDir(), port: strconv.Itoa(freeport.Of(t))}
	if err := os.CopyFS(a.dir, os.DirFS(filepath.Join(harness.Repository, "examples", folder))); err != nil {
		t.Fatal(err)
	}
	if e.build != nil {
		build := exec.Command(e.build[0], e.build[1:]...)
		build.Dir = a.dir
		if output, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%q: got error %v, want none\n%s", e.build, err, output)
		}
	}
	t.Cleanup(func() {
		a.kill()
		if t.Failed() {
			t.Logf("the app has printed:\n%s", a.said.String())
		}
	})
	return a
}

// start runs the app, and returns when it takes connections.
func (a *app) start() {
	a.t.Helper()
	args := a.e.command(a.port)
	a.cmd = exec.Command(args[0], args[1:]...)
	a.cmd.Dir = a.dir
	a.cmd.Env = append(os.Environ(), "WEBHOOK_SECRET="+harness.NewSecret, "PORT="+a.port)
	a.cmd.Stdout, a.cmd.Stderr = &a.said, &a.said
	if err := a.cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	harness.Eventually(a.t, "the app listening", func() bool {
		conn, err := net.DialTimeout("tcp", "127.0.0.1:"+a.port, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

// wantTheREADMEsApp runs the app of the README in place of this one.
func (a *app) wantTheREADMEsApp() {
	a.t.Helper()
	a.kill()
	block := regexp.MustCompile("(?s)```js\n(.*?)```").FindStringSubmatch(harness.ReadFile(a.t, filepath.Join(harness.Repository, "README.md")))
	if block == nil || !strings.Contains(block[1], "app.listen(8080)") {
		a.t.Fatalf("got %q in the README, want an app that listens on port 8080", block)
	}
	harness.WriteFile(a.t, a.dir, "app.js", []byte(strings.Replace(block[1], "8080", a.port, 1)))
	a.start()
	for range 2 {
		wantAnswer(a.t, "http://127.0.0.1:"+a.port, "the README's app", signed(theID, time.Now(), theEvent), true)
	}
	if got := harness.ReadFile(a.t, filepath.Join(a.dir, "event-"+theID+".json")); got != theEvent {
		a.t.Errorf("got %s kept, want %s", got, theEvent)
	}
}

// kill ends the app by SIGKILL.
func (a *app) kill() {
	if a.cmd != nil {
		_ = a.cmd.Process.Kill()
		_ = a.cmd.Wait()
		a.cmd = nil
	}
}

var eventID = regexp.MustCompile(`\b[0-9a-f]{32}\b`)

// kept returns the ids of the events that the app has told that it kept.
func (a *app) kept() []string { return eventID.FindAllString(a.said.String(), -1) }

// wantKept waits until the app has kept so many events, each once.
func (a *app) wantKept(want int) {
	a.t.Helper()
	harness.Eventually(a.t, strconv.Itoa(want)+" events at the app", func() bool { return len(a.kept()) >= want })
	ids := a.kept()
	slices.Sort(ids)
	if once := slices.Compact(slices.Clone(ids)); len(ids) != want || len(once) != want {
		a.t.Errorf("got the events %q kept, want %d, each once", ids, want)
	}
}
