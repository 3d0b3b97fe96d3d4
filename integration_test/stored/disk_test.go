package stored

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/caddyproc"
)

// TestFullDisk has the disk full while the app is down. Meta is answered 503,
// what is stored survives a SIGKILL and is delivered, and when there is room,
// events are accepted again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk := harness.NewDisk(t, "160m")
	if !disk.Small {
		t.Skip("SKIPPED: there is no small disk to fill")
	}
	b := newBook(t)
	app := newApp(b, "app", 1, 0)
	app.set(func() { app.down = true })
	c := caddyproc.New(t)
	site := harness.Hook("store file {\npath "+disk.Path("stored")+"\n}", "destination app {", "retry 20ms 200ms", "reverse_proxy "+app.addr(), "}")
	c.Start(site)
	large := strings.Repeat("x", 200<<10)
	next, refused := 0, 0
	// send sends large events, each of a conversation of its own, until one is
	// answered otherwise.
	send := func() (status int) {
		for range 1000 {
			conversation := fmt.Sprintf("8%d", next)
			status = post(c, b.notificationOf(large, conversation, 0, 1))
			if status != http.StatusOK {
				refused++
				return status
			}
			b.mu.Lock()
			b.accepted[conversation] = 1
			b.mu.Unlock()
			next++
		}
		return status
	}
	if status := post(c, b.notification("95", 0, 3)); status != http.StatusOK {
		t.Fatalf("got %d, want 200", status)
	}
	b.accepted["95"] = 3
	disk.Fill()
	if status := send(); status != http.StatusServiceUnavailable {
		t.Errorf("got %d on a full disk, want 503", status)
	}
	c.Kill()
	c.Start(site)
	if status := send(); status != http.StatusServiceUnavailable {
		t.Errorf("got %d on a full disk after a restart, want 503", status)
	}
	b.wantAllDelivered(c, app)
	disk.Free()
	harness.Eventually(t, "a notification accepted when there is room", func() bool {
		return post(c, b.notification("96", 0, 1)) == http.StatusOK
	})
	b.accepted["96"] = 1
	harness.Eventually(t, "its delivery", func() bool { return app.count() == b.total() })
	t.Logf("%d events accepted, %d refused, %d deliveries again", b.total(), refused, app.repeats)
}
