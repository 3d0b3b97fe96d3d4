package integration_test

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"
)

// TestReloadLosesNothing loads changed configurations while several senders
// are posting.
func TestReloadLosesNothing(t *testing.T) {
	const reloads, senders = 10, 6
	u := newUpstream(t, func(http.ResponseWriter, received) { time.Sleep(2 * time.Millisecond) })
	site := func(i int) string {
		return lines(hook("parallel "+strconv.Itoa(1+i%4)), "header X-Config "+strconv.Itoa(i), "reverse_proxy "+u.addr)
	}
	g := startQuiet(t, site(0))

	var (
		running sync.WaitGroup
		done    = make(chan struct{})
		mu      sync.Mutex
		sent    = map[string]bool{}
		configs = map[string]bool{}
	)
	for s := range senders {
		client := g.newClient()
		running.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				ids := posts(fmt.Sprintf("%d-%d", s, i), 3)
				body := page(ids[:2], ids[2:])
				a, err := send(client, g.notification(body))
				// Caddy closes idle connections on a reload, and resets those
				// that wait at the old listener; Meta tries again then
				for tries := 1; err != nil && tries < 5; tries++ {
					a, err = send(client, g.notification(body))
				}
				if err != nil || a.status != http.StatusOK {
					t.Errorf("got answer %d and error %v, want 200", a.status, err)
					continue
				}
				mu.Lock()
				configs[a.header.Get("X-Config")] = true
				for _, id := range ids {
					sent[id] = true
				}
				mu.Unlock()
			}
		})
	}
	for i := range reloads {
		before := len(u.requests())
		eventually(t, "traffic", func() bool { return len(u.requests()) > before+20 })
		g.mustLoad(site(i + 1))
	}
	close(done)
	running.Wait()

	for _, id := range postsOf(t, u.requests()) {
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
	u, gate := newGatedUpstream(t)
	g := proxied(t, u)
	answers := make(chan answer, 1)
	go func() {
		a, err := g.try(g.notification(page([]string{"a", "b"}, []string{"c"})))
		if err != nil {
			t.Errorf("got error %v, want an answer", err)
		}
		answers <- a
	}()
	eventually(t, "two entries upstream", func() bool {
		waiting, _ := gate.counts()
		return waiting == 2
	})
	g.reload(lines(hook("deliver batch"), "reverse_proxy "+u.addr))
	gate.release()
	wantStatus(t, <-answers, 200)
	u.wantPosts("a", "b", "c")
	u.forget()
	wantStatus(t, g.post(page([]string{"d"})), 200)
	if got := u.only().body; got[0] != '[' {
		t.Errorf("got body %q after the reload, want a batch", got)
	}
}

func TestFailedReloadLeavesTheHandlerRunning(t *testing.T) {
	u := newUpstream(t, nil)
	g := proxied(t, u)
	if err := g.load(lines(hook("parallel 2"), "route {", hook("parallel 3"), "}", "reverse_proxy "+u.addr)); err == nil {
		t.Error("got no error for two handlers of one name, want one")
	}
	wantStatus(t, g.post(page([]string{"a"})), 200)
	g.reload(lines(hook("parallel 3"), "reverse_proxy "+u.addr))
	wantStatus(t, g.post(page([]string{"b"})), 200)
	u.wantPosts("a", "b")
}

func TestChangedSecretsCountAfterTheReload(t *testing.T) {
	u := newUpstream(t, nil)
	g := proxied(t, u)
	g.reload("meta_webhook {\nverify_token new-token\napp_secret new-secret\n}\nreverse_proxy " + u.addr)
	wantStatus(t, g.verify(token, "1"), 403)
	wantStatus(t, g.verify("new-token", "1"), 200)
	body := page([]string{"a"})
	wantStatus(t, g.post(body), 401)
	u.wantNone()
	r := g.notification(body)
	r.Header.Set(signatureHeader, sign("new-secret", body))
	wantStatus(t, g.do(r), 200)
	u.wantPosts("a")
}
