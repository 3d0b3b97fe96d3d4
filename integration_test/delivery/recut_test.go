package delivery

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/recut"
)

// TestEachUpdateIsDeliveredOnceHoweverItIsCut has Meta send updates, and send
// them again: cut into other notifications, merged with others, stamped anew, in
// another order, and several at a time.
func TestEachUpdateIsDeliveredOnceHoweverItIsCut(t *testing.T) {
	const notifications = 300
	for _, mode := range []string{"each", "batch"} {
		t.Run(mode, func(t *testing.T) {
			u := harness.NewUpstream(t, nil)
			g := harness.NewGateway(t, harness.PlainHTTP1)
			g.LogLevel = "ERROR"
			g.MustLoad(harness.Lines(harness.Hook("deliver "+mode), "reverse_proxy "+u.Addr))
			var want map[string][]string
			for seed := range uint64(notifications) {
				r := rand.New(rand.NewPCG(seed, 3))
				updates := make([]recut.Update, 2+r.IntN(20))
				for i := range updates {
					updates[i] = recut.Random(r, int(seed)*100+i)
				}
				bodies := recut.Cutter{Rand: r, Time: 1790000000}.Bodies(updates)
				for _, body := range bodies {
					harness.WantStatus(t, g.Post([]byte(body)), 200)
				}
				want = conversations(t, want, bodies)
				var again sync.WaitGroup
				for n := range 3 {
					later := recut.Cutter{Rand: r, Time: 1790000060 + n}
					r.Shuffle(len(updates), func(i, j int) { updates[i], updates[j] = updates[j], updates[i] })
					for _, body := range later.Bodies(updates) {
						again.Go(func() {
							if a, err := g.Try(g.Notification([]byte(body))); err != nil || a.Status != 200 {
								t.Errorf("seed %d: got status %d, error %v for a repeat, want 200", seed, a.Status, err)
							}
						})
					}
				}
				again.Wait()
			}
			got := map[string][]string{}
			for _, request := range u.Requests() {
				for _, e := range received(t, mode, request.Body) {
					got[e.PartitionKey] = append(got[e.PartitionKey], e.ID)
				}
			}
			for conversation, ids := range want {
				if !slices.Equal(got[conversation], ids) {
					t.Errorf("conversation %s: got the events %s, want %s", conversation, harness.Brief(got[conversation]), harness.Brief(ids))
				}
			}
			if len(got) != len(want) {
				t.Errorf("got %d conversations, want %d", len(got), len(want))
			}
		})
	}
}

// received returns the events of a request to the app.
func received(t *testing.T, mode, body string) []harness.CloudEvent {
	if mode == "batch" {
		return harness.Decode[[]harness.CloudEvent](t, body)
	}
	return []harness.CloudEvent{harness.Decode[harness.CloudEvent](t, body)}
}

// conversations adds the ids of the events of some notifications to those of
// their conversations.
func conversations(t *testing.T, all map[string][]string, bodies []string) map[string][]string {
	if all == nil {
		all = map[string][]string{}
	}
	for _, body := range bodies {
		events, err := event.Parse([]byte(body))
		if err != nil {
			t.Fatalf("Parse(%s): got error %v, want none", body, err)
		}
		for i := range events {
			conversation := events[i].Conversation()
			all[conversation] = append(all[conversation], events[i].ID().String())
		}
	}
	return all
}
