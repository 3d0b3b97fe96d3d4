package faults

import (
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/caddyproc"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/pgtest"
)

// TestCrowdOfReplays has somebody who has captured a notification send it by
// 1500 connections at once, to a gateway whose database is 20 ms away. The
// store is busy then, and no reason to deliver anything again.
func TestCrowdOfReplays(t *testing.T) {
	t.Parallel()
	const crowd = 1500
	s := harness.NewSeed(t)
	server := pgtest.Start(t)
	l := harness.NewLedger(t)
	app := harness.NewApp(t, l, s.Random("app"), 10*time.Millisecond, 0)
	c := caddyproc.New(t)
	remember := harness.Lines("store postgres {", "dsn "+server.Proxy(20*time.Millisecond).DSN(), "}")
	c.Start(harness.Lines(harness.Hook(remember), "reverse_proxy "+app.Addr))

	for _, delivered := range []bool{true, false} {
		posts := harness.Posts("delivered before: "+strconv.FormatBool(delivered), 3)
		m := harness.NewMeta(t, l, s.Random("meta"))
		if delivered {
			m.Send(c, posts...)
		}
		l.Send(posts)
		answers := make(map[int]int)
		var mu sync.Mutex
		var sending sync.WaitGroup
		for range crowd {
			sending.Go(func() {
				captured := &harness.Meta{T: t, Client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}}
				status := captured.Try(c, harness.PageOf(posts))
				mu.Lock()
				defer mu.Unlock()
				answers[status]++
			})
		}
		sending.Wait()
		t.Logf("delivered before: %t; answers: %v", delivered, answers)
		if answers[http.StatusOK]+answers[http.StatusServiceUnavailable] != crowd || answers[http.StatusOK] == 0 {
			t.Errorf("got the answers %v, want some 200, and 503 else", answers)
		}
		for _, post := range posts {
			if began, _ := l.Times(post); began != 1 {
				t.Errorf("got the event %s %d times at the app, want it once", post, began)
			}
		}
	}
}
