package stored

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/caddyproc"
)

// operate runs caddy meta-webhook against the running program, and returns what
// it prints.
func operate(t *testing.T, c *caddyproc.Process, args ...string) string {
	t.Helper()
	cmd := c.Command(append(append([]string{"meta-webhook"}, args...), "--address", strings.TrimPrefix(c.AdminURL(""), "http://"))...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%q: got error %v, want none\n%s", args, err, &errs)
	}
	return out.String()
}

// wantSame has everything that tells of the only destination tell the same: its
// state, and how many events wait since when.
func wantSame(t *testing.T, c *caddyproc.Process, state string, waiting int) {
	t.Helper()
	type destination struct {
		Destination, State, Oldest string
		Waiting                    int
	}
	decode := func(from string) (d destination) {
		t.Helper()
		if err := json.Unmarshal([]byte(from), &d); err != nil {
			t.Fatalf("got %s, want a destination", from)
		}
		return d
	}
	var fromAPI []destination
	admin(t, c, http.MethodGet, "/meta_webhook/destinations", &fromAPI)
	var status []struct{ Destinations []destination }
	if err := json.Unmarshal([]byte(operate(t, c, "status", "--json")), &status); err != nil || len(status) != 1 || len(status[0].Destinations) != 1 {
		t.Fatalf("got the status %+v, want one destination", status)
	}
	for from, got := range map[string]destination{
		"the admin API": fromAPI[0], "the command": decode(operate(t, c, "destinations", "list", "--json")), "the status": status[0].Destinations[0],
	} {
		if want := (destination{"app", state, fromAPI[0].Oldest, waiting}); got != want || got.Oldest == "" {
			t.Errorf("%s: got %+v, want %+v", from, got, want)
		}
	}
	for _, table := range []string{operate(t, c, "destinations", "list"), operate(t, c, "status")} {
		if row := regexp.MustCompile(`(?m)^default +app +` + state + ` +` + strconv.Itoa(waiting) + ` +0 +\d+`); !row.MatchString(table) {
			t.Errorf("got\n%swant a row of app with %d that wait", table, waiting)
		}
	}
	listed := strings.Count(operate(t, c, "events", "list", "--state", "waiting", "--limit", "10000", "--json"), "\n")
	if listed != waiting {
		t.Errorf("got %d events in the list, want %d", listed, waiting)
	}
	metrics := harness.AdminGet(t, c, "/metrics")
	want := `caddy_meta_webhook_stored_events{destination="app",name="default",state="waiting"} ` + strconv.Itoa(waiting) + "\n"
	if !strings.Contains(metrics, want) || !strings.Contains(metrics, `destination_closed{destination="app",name="default"}`) {
		t.Errorf("got metrics without %swant it", want)
	}
}

// listed returns how many deliveries to an app are in a state, by the mids of
// their events.
func listed(t *testing.T, c *caddyproc.Process, app *destinationApp, state string) map[string]int {
	t.Helper()
	deliveries := make(map[string]int)
	query := url.Values{"destination": {app.name}, "state": {state}, "limit": {"1000"}}
	for {
		var page struct {
			Events []struct{ Subject string }
			Next   string
		}
		admin(t, c, http.MethodGet, "/meta_webhook/events?"+query.Encode(), &page)
		for _, e := range page.Events {
			deliveries[e.Subject]++
		}
		if page.Next == "" {
			return deliveries
		}
		query.Set("cursor", page.Next)
	}
}

// discardSome discards some of what waits for an app.
func discardSome(t *testing.T, c *caddyproc.Process, app *destinationApp) {
	t.Helper()
	var page struct {
		Events []struct{ ID, Subject string }
	}
	admin(t, c, http.MethodGet, "/meta_webhook/events?limit=3&state=waiting&destination="+app.name, &page)
	if len(page.Events) == 0 {
		return
	}
	selection := url.Values{"destination": {app.name}}
	app.set(func() {
		for _, e := range page.Events {
			selection.Add("id", e.ID)
			app.excused[e.Subject] = true
		}
	})
	admin(t, c, http.MethodPost, "/meta_webhook/events/discard?"+selection.Encode(), nil)
}

// wantMissingNamed fails the test if anything is missing at an app that was
// neither discarded nor damaged.
func wantMissingNamed(t *testing.T, c *caddyproc.Process, damaged map[string]bool, apps ...*destinationApp) {
	t.Helper()
	for _, app := range apps {
		discarded := listed(t, c, app, "discarded")
		for _, mid := range app.missing(true) {
			if discarded[mid] == 0 && !damaged[mid] {
				t.Errorf("%s: got no event %s, which was answered 200, and neither discarded nor damaged", app.name, mid)
			}
		}
	}
}

// TestAlertScript runs the script of the guide, while an event is dead and
// after it was discarded.
func TestAlertScript(t *testing.T) {
	t.Parallel()
	for _, needed := range []string{"sh", "curl"} {
		if _, err := exec.LookPath(needed); err != nil || runtime.GOOS == "windows" {
			t.Skipf("SKIPPED: this test needs %s", needed)
		}
	}
	var mu sync.Mutex
	var sent []string
	chat := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		sent = append(sent, string(text))
		if len(sent) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable) // and nothing was sent
		}
	}))
	t.Cleanup(chat.Close)
	c := caddyproc.New(t)
	c.Start(harness.Hook("store file {\npath "+c.Path("stored")+"\n}", "destination app {", "retry 10ms 10ms", "give_up 1ms", "respond 422", "}"))

	guide := harness.ReadFile(t, filepath.Join(harness.Repository, "docs", "guides", "alerts-without-prometheus.md"))
	_, script, _ := strings.Cut(guide, "```bash\n")
	script, _, _ = strings.Cut(script, "```")
	if err := os.Symlink(caddyproc.Build(t), c.Path("caddy")); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{
		"/usr/local/bin": c.Path(""), "/var/lib/caddy/": c.Path("") + "/", "--check": "--check --address " + strings.TrimPrefix(c.AdminURL(""), "http://"),
	} {
		if !strings.Contains(script, from) {
			t.Fatalf("got the script\n%swant %s in it", script, from)
		}
		script = strings.ReplaceAll(script, from, to)
	}
	run := func(want ...string) {
		t.Helper()
		cmd := exec.Command("sh", "-s", chat.URL)
		cmd.Stdin = strings.NewReader(script)
		output, _ := cmd.CombinedOutput()
		mu.Lock()
		defer mu.Unlock()
		if len(sent) != len(want) || len(want) > 0 && sent[len(sent)-1] != want[len(want)-1] {
			t.Errorf("got the messages %q, want %q\n%s", sent, want, output)
		}
	}
	run()
	b := newBook(t)
	if status := post(c, b.notification("91", 0, 1)); status != http.StatusOK {
		t.Fatalf("got %d, want 200", status)
	}
	harness.Eventually(t, "a dead event", func() bool { all := destinations(t, c); return len(all) == 1 && all[0].Dead == 1 })
	dead := "default: dead events for destination app: 1\nError: problems found: 1"
	run(dead)
	run(dead, dead) // the first was not taken
	run(dead, dead)
	operate(t, c, "events", "discard", "--state", "dead")
	run(dead, dead, "all is well")
	run(dead, dead, "all is well")
	c.Kill()
	run(dead, dead, "all is well", sentOfNobody(t, c))
}

// sentOfNobody returns what the script says when nothing runs.
func sentOfNobody(t *testing.T, c *caddyproc.Process) string {
	t.Helper()
	output, err := c.Command("meta-webhook", "status", "--check", "--address", strings.TrimPrefix(c.AdminURL(""), "http://")).CombinedOutput()
	if err == nil || !strings.Contains(string(output), "the admin API at ") {
		t.Errorf("got %s, want an error about the admin API", output)
	}
	return strings.TrimSpace(string(output))
}
