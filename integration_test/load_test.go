package integration_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestHangUpDoesNotEndADelivery has a sender that loses its patience while
// the app is at work.
func TestHangUpDoesNotEndADelivery(t *testing.T) {
	for _, via := range []transport{plainHTTP1, tlsHTTP2} {
		t.Run(string(via), func(t *testing.T) {
			u, gate := newGatedUpstream(t)
			g := startVia(t, via, lines(hook(), "reverse_proxy "+u.addr))
			ctx, hangUp := context.WithCancel(t.Context())
			hungUp := make(chan error)
			go func() {
				_, err := g.try(g.notification(page([]string{"a", "b"}, []string{"c"})).WithContext(ctx))
				hungUp <- err
			}()
			eventually(t, "two entries upstream", func() bool {
				waiting, _ := gate.counts()
				return waiting == 2
			})
			hangUp()
			if err := <-hungUp; err == nil {
				t.Error("got an answer, want the sender to have hung up")
			}
			time.Sleep(100 * time.Millisecond) // for the server to notice
			for _, r := range u.requests() {
				if err := r.ctx.Err(); err != nil {
					t.Errorf("got %v for the request upstream, want it to go on", err)
				}
			}
			gate.release()
			eventually(t, "the rest of the events upstream", func() bool { return len(u.requests()) == 3 })
			u.wantPosts("a", "b", "c")
		})
	}
}

// TestManyLargeNotificationsAtOnce posts ten notifications of a thousand
// updates, as many as Meta puts in one.
func TestManyLargeNotificationsAtOnce(t *testing.T) {
	const notifications, entries, updates = 10, 10, 100
	u := newUpstream(t, nil)
	g := startQuiet(t, lines(hook(), "reverse_proxy "+u.addr))
	var (
		senders sync.WaitGroup
		want    []string
	)
	for n := range notifications {
		list := make([][]string, entries)
		for e := range list {
			list[e] = posts(fmt.Sprintf("%d-%d", n, e), updates)
			want = append(want, list[e]...)
		}
		r := g.notification(page(list...))
		senders.Go(func() {
			a, err := g.try(r)
			if err != nil || a.status != http.StatusOK {
				t.Errorf("notification %d: got answer %d and error %v, want 200", n, a.status, err)
			}
		})
	}
	senders.Wait()
	u.wantPosts(want...)
}

// TestEventsOfManySendersDoNotMix has the app check each event against where
// it was sent.
func TestEventsOfManySendersDoNotMix(t *testing.T) {
	for _, mode := range []string{"each", "batch", "original"} {
		t.Run(mode, func(t *testing.T) {
			u := newUpstream(t, nil)
			g := start(t, lines(hook("deliver "+mode), "reverse_proxy "+u.addr+" {", "header_up X-Query {query.sender}", "}"))
			var senders sync.WaitGroup
			for n := range 8 {
				senders.Go(func() {
					for i := range 10 {
						name := strconv.Itoa(n) + "." + strconv.Itoa(i)
						r := g.notification(page([]string{name}))
						r.URL.RawQuery = "sender=" + name
						if a, err := g.try(r); err != nil || a.status != http.StatusOK {
							t.Errorf("got answer %d and error %v, want 200", a.status, err)
						}
					}
				})
			}
			senders.Wait()
			for _, r := range u.requests() {
				name := r.header.Get("X-Query")
				if id := fmt.Sprintf(`"post_id":%q`, name); !strings.Contains(r.body, id) || r.uri != callback+"?sender="+name {
					t.Errorf("got %s with %q upstream, want the event %s", r.uri, r.body, name)
				}
			}
			if got := len(u.requests()); got != 80 {
				t.Errorf("got %d requests upstream, want 80", got)
			}
		})
	}
}
