package stored

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/caddyproc"
)

// TestEverythingThatWasAnswered200ReachesEachDestination has six senders, two
// destinations that fail in every way, and a gateway that is killed, stopped,
// reloaded with other options, and operated, again and again.
func TestEverythingThatWasAnswered200ReachesEachDestination(t *testing.T) {
	t.Parallel()
	first := harness.NewSeed(t)
	for s := first; s < first+harness.Seeds(1); s++ {
		t.Run(fmt.Sprintf("META_WEBHOOK_SEED=%d", s), func(t *testing.T) {
			t.Parallel()
			newTroubled(t, s).run()
		})
	}
}

// A troubled gateway has two destinations, and is never left in peace.
type troubled struct {
	*testing.T
	seed     harness.Seed
	random   *rand.Rand
	book     *book
	apps     []*destinationApp
	gateway  *caddyproc.Process
	paused   map[string]bool
	troubles map[string]int
}

func newTroubled(t *testing.T, s harness.Seed) *troubled {
	b := newBook(t)
	return &troubled{
		T: t, seed: s, random: s.Random("troubles"), book: b, gateway: caddyproc.New(t),
		apps:   []*destinationApp{newApp(b, "one", uint64(s), 10), newApp(b, "two", uint64(s), 10)},
		paused: make(map[string]bool), troubles: make(map[string]int),
	}
}

// site returns the directives with options that change.
func (g *troubled) site() string {
	return harness.Hook(
		"store file {\npath "+g.gateway.Path("stored")+"\n}",
		"parallel "+strconv.Itoa(1+g.random.IntN(16)),
		"destination one {", "retry 20ms 200ms", "deliver "+[]string{"each", "batch 10"}[g.random.IntN(2)], "reverse_proxy "+g.apps[0].addr(), "}",
		"destination two {", "retry 20ms 200ms", "deliver batch "+strconv.Itoa(1+g.random.IntN(20))+" 5ms", "reverse_proxy "+g.apps[1].addr(), "}",
	)
}

func (g *troubled) run() {
	const senders, conversations, events = 6, 3, 60
	g.gateway.Start(g.site())
	var sending sync.WaitGroup
	var under atomic.Int32
	for i := range senders {
		sender := g.seed.Random(fmt.Sprintf("sender %d", i))
		under.Add(1)
		sending.Go(func() {
			defer under.Add(-1)
			for k := range conversations {
				g.book.send([]*caddyproc.Process{g.gateway}, sender, fmt.Sprintf("9%d%d", i, k), events, g.Failed)
			}
		})
	}
	for under.Load() > 0 && !g.Failed() {
		time.Sleep(time.Duration(50+g.random.IntN(250)) * time.Millisecond)
		g.trouble()
	}
	sending.Wait()
	for name, paused := range g.paused {
		if paused {
			admin(g.T, g.gateway, http.MethodPost, "/meta_webhook/destinations/resume?destination="+name, nil)
		}
	}
	want := g.book.wantAllDelivered(g.gateway, g.apps...)
	g.Logf("%d events, %v; %d and %d deliveries again", want, g.troubles, g.apps[0].repeats, g.apps[1].repeats)
	if want != senders*conversations*events {
		g.Errorf("got 200 for %d events, want %d", want, senders*conversations*events)
	}
}

// trouble disturbs the gateway or an app, or operates what is stored.
func (g *troubled) trouble() {
	app := g.apps[g.random.IntN(len(g.apps))]
	names := []string{"kill", "kill", "torn tail", "stop", "reload", "app down", "pause", "replay"}
	what := names[g.random.IntN(len(names))]
	g.troubles[what]++
	switch what {
	case "kill":
		g.gateway.Kill()
		g.gateway.Start(g.site())
	case "torn tail":
		g.gateway.Kill()
		editLog(g.T, g.gateway.Path("stored"), func(content []byte) []byte {
			torn := make([]byte, 1+g.random.IntN(300)) // of a batch that was being written
			for i := range torn {
				torn[i] = byte(1 + g.random.IntN(255))
			}
			return append(content, torn...)
		})
		g.gateway.Start(g.site())
	case "stop":
		g.gateway.Terminate()
		g.gateway.Start(g.site())
	case "reload":
		if err := g.gateway.Load(g.site()); err != nil {
			g.Errorf("reload: got error %v, want none", err)
		}
	case "app down":
		app.set(func() { app.down = !app.down })
	case "pause":
		g.paused[app.name] = !g.paused[app.name]
		how := "resume"
		if g.paused[app.name] {
			how = "pause"
		}
		admin(g.T, g.gateway, http.MethodPost, "/meta_webhook/destinations/"+how+"?destination="+app.name, nil)
	case "replay":
		admin(g.T, g.gateway, http.MethodPost, "/meta_webhook/events/replay?limit=20&state=done&destination="+app.name+"&to="+app.name, nil)
	}
}
