package lifecycle

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
)

// TestReloadLosesNothing loads changed configurations while several senders
// are posting.
func TestReloadLosesNothing(t *testing.T) {
	const reloads, senders = 10, 6
	u := harness.NewUpstream(t, func(http.ResponseWriter, harness.Received) { time.Sleep(2 * time.Millisecond) })
	site := func(i int) string {
		return harness.Lines(harness.Hook("parallel "+strconv.Itoa(1+i%4)), "header X-Config "+strconv.Itoa(i), "reverse_proxy "+u.Addr)
	}
	g := harness.StartQuiet(t, site(0))

	var (
		running sync.WaitGroup
		done    = make(chan struct{})
		mu      sync.Mutex
		sent    = map[string]bool{}
		configs = map[string]bool{}
	)
	for s := range senders {
		client := g.NewClient()
		running.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				ids := harness.Posts(fmt.Sprintf("%d-%d", s, i), 3)
				body := harness.Page(ids[:2], ids[2:])
				a, err := harness.Send(client, g.Notification(body))
				// Caddy closes idle connections on a reload, and resets those
				// that wait at the old listener; Meta tries again then
				for tries := 1; err != nil && tries < 5; tries++ {
					a, err = harness.Send(client, g.Notification(body))
				}
				if err != nil || a.Status != http.StatusOK {
					t.Errorf("got answer %d and error %v, want 200", a.Status, err)
					continue
				}
				mu.Lock()
				configs[a.Header.Get("X-Config")] = true
				for _, id := range ids {
					sent[id] = true
				}
				mu.Unlock()
			}
		})
	}
	for i := range reloads {
		before := len(u.Requests())
		harness.Eventually(t, "traffic", func() bool { return len(u.Requests()) > before+20 })
		g.MustLoad(site(i + 1))
	}
	close(done)
	running.Wait()

	for _, id := range harness.PostsOf(t, u.Requests()) {
		delete(sent, id)
	}
	for id := range sent {
		t.Errorf("got 200 for the event %s, want it upstream as well", id)
	}
	if len(configs) < reloads/2 {
		t.Errorf("got answers of %d configurations, want the traffic to have met most of %d", len(configs), reloads+1)
	}
}

// TestReloadDoesNotEndADelivery reloads, and changes the options, while the
// app is at work for a sender that waits.
func TestReloadDoesNotEndADelivery(t *testing.T) {
	u, gate := harness.NewGatedUpstream(t)
	g := harness.Proxied(t, u)
	answers := make(chan harness.Answer, 1)
	go func() {
		a, err := g.Try(g.Notification(harness.Page([]string{"a", "b"}, []string{"c"})))
		if err != nil {
			t.Errorf("got error %v, want an answer", err)
		}
		answers <- a
	}()
	harness.Eventually(t, "three conversations upstream", func() bool {
		waiting, _ := gate.Counts()
		return waiting == 3
	})
	g.Reload(harness.Lines(harness.Hook("deliver batch"), "reverse_proxy "+u.Addr))
	gate.Release()
	harness.WantStatus(t, <-answers, 200)
	u.WantPosts("a", "b", "c")
	u.Forget()
	harness.WantStatus(t, g.Post(harness.Page([]string{"d"})), 200)
	if got := u.Only().Body; got[0] != '[' {
		t.Errorf("got body %q after the reload, want a batch", got)
	}
}

func TestFailedReloadLeavesTheHandlerRunning(t *testing.T) {
	u := harness.NewUpstream(t, nil)
	g := harness.Proxied(t, u)
	if err := g.Load(harness.Lines(harness.Hook("parallel 2"), "route {", harness.Hook("parallel 3"), "}", "reverse_proxy "+u.Addr)); err == nil {
		t.Error("got no error for two handlers of one name, want one")
	}
	harness.WantStatus(t, g.Post(harness.Page([]string{"a"})), 200)
	g.Reload(harness.Lines(harness.Hook("parallel 3"), "reverse_proxy "+u.Addr))
	harness.WantStatus(t, g.Post(harness.Page([]string{"b"})), 200)
	u.WantPosts("a", "b")
}

func TestChangedSecretsCountAfterTheReload(t *testing.T) {
	u := harness.NewUpstream(t, nil)
	g := harness.Proxied(t, u)
	g.Reload("meta_webhook {\nverify_token new-token\napp_secret new-secret\n}\nreverse_proxy " + u.Addr)
	harness.WantStatus(t, g.Verify(harness.Token, "1"), 403)
	harness.WantStatus(t, g.Verify("new-token", "1"), 200)
	body := harness.Page([]string{"a"})
	harness.WantStatus(t, g.Post(body), 401)
	u.WantNone()
	r := g.Notification(body)
	r.Header.Set(harness.SignatureHeader, harness.Sign("new-secret", body))
	harness.WantStatus(t, g.Do(r), 200)
	u.WantPosts("a")
}
