package stored

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/caddyproc"
)

// buildEarlier builds the program as it was at a commit, by default the one before
// this one. Where there is no history, as in a shallow clone, the test is skipped.
func buildEarlier(t *testing.T) (program string) {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED: this test builds the program once more")
	}
	from := cmp.Or(os.Getenv("META_WEBHOOK_UPGRADE_FROM"), "HEAD~1")
	dir := t.TempDir()
	archive := exec.Command("git", "-C", harness.Repository, "archive", "--format=tar", from, "--", ":/")
	var source, errs bytes.Buffer
	archive.Stdout, archive.Stderr = &source, &errs
	if err := archive.Run(); err != nil {
		t.Skipf("SKIPPED: this test needs the source of an earlier commit, %s, which is not there: %v\n%s", from, err, &errs)
	}
	unpack := exec.Command("tar", "-x", "-C", dir)
	unpack.Stdin = &source
	if output, err := unpack.CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: this test needs tar: %v\n%s", err, output)
	}
	program = filepath.Join(dir, "caddy-earlier")
	build := exec.Command("go", "build", "-o", program, "./cmd/caddy")
	build.Dir = dir
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", from, err, output)
	}
	return program
}

// TestUpgrade has an earlier program store events, and this one go on: what waits
// is delivered in order, what is dead can be replayed, what is done is known, and
// nothing that was accepted before is accepted again. META_WEBHOOK_UPGRADE_FROM is
// the commit or tag of the earlier one, by default the commit before this one.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	earlier := buildEarlier(t)
	for _, how := range []string{"SIGTERM", "SIGKILL"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			b := newBook(t)
			app := newApp(b, "app", 1, 0)
			app.refuse("92.0", time.Now())
			c := caddyproc.New(t)
			site := harness.Hook("store file {\npath "+c.Path("stored")+"\n}", "destination app {", "retry 10ms 10ms", "give_up 1ms", "reverse_proxy "+app.addr(), "}")
			c.Program = earlier
			c.Start(site)
			send := func(conversation string, events int) {
				t.Helper()
				if status := post(c, b.notification(conversation, 0, events)); status != http.StatusOK {
					t.Fatalf("%s: got %d, want 200", conversation, status)
				}
				b.mu.Lock()
				defer b.mu.Unlock()
				b.accepted[conversation] = events
			}
			wantStored := func(state string, waiting, dead int) {
				t.Helper()
				var all []destinationStatus
				harness.Eventually(t, fmt.Sprintf("a destination that is %s with %d waiting and %d dead", state, waiting, dead), func() bool {
					all = destinations(t, c)
					return len(all) == 1 && all[0].State == state && all[0].Waiting+all[0].UnderWay == waiting && all[0].Dead == dead
				})
			}
			send("91", 5)
			send("92", 1)
			harness.Eventually(t, "what the app takes", func() bool { return app.count() == 5 })
			wantStored("open", 0, 1)
			admin(t, c, http.MethodPost, "/meta_webhook/destinations/pause?destination=app", nil)
			send("93", 10)
			wantStored("paused", 10, 1)

			if how == "SIGKILL" {
				c.Kill()
			} else {
				c.Terminate()
				if err := c.Ended(); err != nil {
					t.Errorf("got %v after SIGTERM, want exit status 0", err)
				}
			}
			c.Program = ""
			c.Start(site)
			for conversation, events := range map[string]int{"91": 5, "92": 1, "93": 10} {
				send(conversation, events)
			}
			wantStored("paused", 10, 1)
			if done := listed(t, c, app, "done"); len(done) != 5 || done["91.4"] != 1 {
				t.Errorf("got %v done, want the five of before", done)
			}
			admin(t, c, http.MethodPost, "/meta_webhook/destinations/resume?destination=app", nil)
			harness.Eventually(t, "what waited", func() bool { return app.count() == 15 })
			app.set(func() { clear(app.refused) })
			admin(t, c, http.MethodPost, "/meta_webhook/events/replay?"+url.Values{"state": {"dead"}, "destination": {"app"}, "to": {"app"}}.Encode(), nil)
			harness.Eventually(t, "the replay of what was dead", func() bool { return app.count() == 16 })
			wantStored("open", 0, 1)
			if app.again > 0 {
				t.Errorf("got %d events again that the app had taken, want none", app.again)
			}
			if log := c.Log(); strings.Contains(log, "damaged") {
				t.Errorf("got a log that tells of damage, want none:\n%s", log)
			}
		})
	}
}
