package delivery

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
)

// TestHangUpDoesNotEndADelivery has a sender that loses its patience while
// the app is at work.
func TestHangUpDoesNotEndADelivery(t *testing.T) {
	for _, via := range []harness.Transport{harness.PlainHTTP1, harness.TLSHTTP2} {
		t.Run(string(via), func(t *testing.T) {
			u, gate := harness.NewGatedUpstream(t)
			g := harness.StartVia(t, via, harness.Lines(harness.Hook(), "reverse_proxy "+u.Addr))
			ctx, hangUp := context.WithCancel(t.Context())
			hungUp := make(chan error)
			go func() {
				_, err := g.Try(g.Notification(harness.Page([]string{"a", "b"}, []string{"c"})).WithContext(ctx))
				hungUp <- err
			}()
			harness.Eventually(t, "three conversations upstream", func() bool {
				waiting, _ := gate.Counts()
				return waiting == 3
			})
			hangUp()
			if err := <-hungUp; err == nil {
				t.Error("got an answer, want the sender to have hung up")
			}
			time.Sleep(100 * time.Millisecond) // for the server to notice
			for _, r := range u.Requests() {
				if err := r.Ctx.Err(); err != nil {
					t.Errorf("got %v for the request upstream, want it to go on", err)
				}
			}
			gate.Release()
			harness.Eventually(t, "the rest of the events upstream", func() bool { return len(u.Requests()) == 3 })
			u.WantPosts("a", "b", "c")
		})
	}
}

// TestManyLargeNotificationsAtOnce posts ten notifications of a thousand
// updates, as many as Meta puts in one.
func TestManyLargeNotificationsAtOnce(t *testing.T) {
	const notifications, entries, updates = 10, 10, 100
	u := harness.NewUpstream(t, nil)
	g := harness.StartQuiet(t, harness.Lines(harness.Hook(), "reverse_proxy "+u.Addr))
	var (
		senders sync.WaitGroup
		want    []string
	)
	for n := range notifications {
		list := make([][]string, entries)
		for e := range list {
			list[e] = harness.Posts(fmt.Sprintf("%d-%d", n, e), updates)
			want = append(want, list[e]...)
		}
		r := g.Notification(harness.Page(list...))
		senders.Go(func() {
			a, err := g.Try(r)
			if err != nil || a.Status != http.StatusOK {
				t.Errorf("notification %d: got answer %d and error %v, want 200", n, a.Status, err)
			}
		})
	}
	senders.Wait()
	u.WantPosts(want...)
}

// TestEventsOfManySendersDoNotMix has the app check each event against where
// it was sent.
func TestEventsOfManySendersDoNotMix(t *testing.T) {
	for _, mode := range []string{"each", "batch", "original"} {
		t.Run(mode, func(t *testing.T) {
			u := harness.NewUpstream(t, nil)
			g := harness.Start(t, harness.Lines(harness.Hook("deliver "+mode), "reverse_proxy "+u.Addr+" {", "header_up X-Query {query.sender}", "}"))
			var senders sync.WaitGroup
			for n := range 8 {
				senders.Go(func() {
					for i := range 10 {
						name := strconv.Itoa(n) + "." + strconv.Itoa(i)
						r := g.Notification(harness.Page([]string{name}))
						r.URL.RawQuery = "sender=" + name
						if a, err := g.Try(r); err != nil || a.Status != http.StatusOK {
							t.Errorf("got answer %d and error %v, want 200", a.Status, err)
						}
					}
				})
			}
			senders.Wait()
			for _, r := range u.Requests() {
				name := r.Header.Get("X-Query")
				if id := fmt.Sprintf(`"post_id":%q`, name); !strings.Contains(r.Body, id) || r.URI != harness.Callback+"?sender="+name {
					t.Errorf("got %s with %q upstream, want the event %s", r.URI, r.Body, name)
				}
			}
			if got := len(u.Requests()); got != 80 {
				t.Errorf("got %d requests upstream, want 80", got)
			}
		})
	}
}
