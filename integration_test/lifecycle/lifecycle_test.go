package lifecycle

import (
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/caddyproc"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// TestReloadForgetsNothing reloads under load, and changes the options. What
// is remembered is kept.
func TestReloadForgetsNothing(t *testing.T) {
	t.Parallel()
	const reloads = 20
	s := harness.NewSeed(t)
	for _, store := range []string{"memory", "file"} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			l := harness.NewLedger(t)
			u := harness.NewApp(t, l, s.Random("app"), 10*time.Millisecond, 10)
			c := caddyproc.New(t)
			site := func(i int) string {
				options := []string{
					"deliver " + []string{"each", "batch"}[i%2],
					fmt.Sprintf("dedup {\nwindow %dh\n}", 1+i%7),
					"store " + store + " {",
				}
				if store == "memory" {
					options = append(options, "max_events "+strconv.Itoa(100_000*(1+i%3)))
				}
				return harness.Lines(harness.Hook(append(options, "}")...), "reverse_proxy "+u.Addr)
			}
			c.Start(site(0))
			traffic := harness.NewTraffic(t, s, l, 6, c)
			for i := range reloads {
				before := l.Deliveries()
				harness.Eventually(t, "traffic", func() bool { return l.Deliveries() > before+20 })
				if err := c.Load(site(i + 1)); err != nil {
					t.Fatal(err)
				}
			}
			traffic.Stop()
			t.Logf("%d events, %d of them delivered twice", len(l.Events()), l.Repeated())
			if got := l.Repeated(); got != 0 {
				t.Errorf("got %d events delivered twice, want none", got)
			}
			l.WantNothingNew(s, c)
		})
	}
}

// TestFileIsClosedWithItsLastUser takes the handler out of the configuration,
// while it is delivering.
func TestFileIsClosedWithItsLastUser(t *testing.T) {
	t.Parallel()
	u, gate := harness.NewGatedUpstream(t)
	c := caddyproc.New(t)
	path := c.Path("stored")
	site := harness.Lines(harness.Hook("store file {", "path "+path, "}"), "reverse_proxy "+u.Addr)
	c.Start(site)
	answers := sending(t, c, 1)
	harness.Eventually(t, "events upstream", func() bool { waiting, _ := gate.Counts(); return waiting > 0 })
	if err := c.Load("respond 404"); err != nil {
		t.Fatal(err)
	}
	if openable(filepath.Join(path, "delivered-default"), 100*time.Millisecond) {
		t.Error("got the folder free for another process during a delivery, want it locked")
	}
	gate.Release()
	if got := <-answers; got != 200 {
		t.Errorf("got answer %d to what was sent before the reload, want 200", got)
	}
	if !openable(filepath.Join(path, "delivered-default"), harness.Patience) {
		t.Errorf("got the folder locked for %v after its last user has gone, want it closed", harness.Patience)
	}
	if err := c.Load(site); err != nil {
		t.Fatal(err)
	}
	u.Forget()
	if got := <-sending(t, c, 1); got != 200 {
		t.Errorf("got answer %d to a repeat, want 200", got)
	}
	u.WantNone()
}

// openable reports whether this process can open a log.
func openable(path string, timeout time.Duration) bool {
	l, err := wal.Open(path, wal.Options{LockWait: timeout})
	if err != nil {
		return false
	}
	_ = l.Close()
	return true
}

// TestTerminatedWhileDelivering has Caddy asked to end when the app is at
// work. It finishes that first, and remembers it.
func TestTerminatedWhileDelivering(t *testing.T) {
	t.Parallel()
	const senders = 5
	for _, mode := range []string{"each", "batch", "original"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			u, gate := harness.NewGatedUpstream(t)
			c := caddyproc.New(t)
			site := harness.Lines(harness.Hook("deliver "+mode, "store file"), "reverse_proxy "+u.Addr)
			c.Start(site)
			answers := sending(t, c, senders)
			all := senders
			if mode == "each" {
				all *= 4 // events in a notification, each of another conversation
			}
			harness.Eventually(t, "every notification upstream", func() bool { waiting, _ := gate.Counts(); return waiting == all })
			c.Terminate()
			harness.Eventually(t, "a closed port", func() bool { return !c.Listening() })
			gate.Release()
			for range senders {
				if got := <-answers; got != 200 {
					t.Errorf("got answer %d for a delivery that SIGTERM has met, want 200", got)
				}
			}
			if err := c.Ended(); err != nil {
				t.Errorf("got %v after SIGTERM, want exit status 0", err)
			}
			c.Start(site)
			u.Forget()
			repeats := sending(t, c, senders)
			for range senders {
				if got := <-repeats; got != 200 {
					t.Errorf("got answer %d to a repeat, want 200", got)
				}
			}
			u.WantNone()
		})
	}
}

// sending sends so many notifications at the same time, always the same, and
// returns the statuses of the answers.
func sending(t *testing.T, to *caddyproc.Process, n int) <-chan int {
	answers := make(chan int, n)
	var running sync.WaitGroup
	for i := range n {
		m := harness.NewMeta(t, nil, nil)
		running.Go(func() {
			prefix := strconv.Itoa(i)
			answers <- m.Try(to, harness.Page(harness.Posts(prefix+"a", 2), harness.Posts(prefix+"b", 2)))
		})
	}
	t.Cleanup(running.Wait)
	return answers
}
