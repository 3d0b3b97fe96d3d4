package stored

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/caddyproc"
)

// TestEverythingThatWasAnswered200ReachesEachDestination has six senders, two
// destinations that fail in every way, one that comes and goes, and a gateway
// that is killed, stopped, reloaded with other options, and operated, again and
// again, while its disk is full or loses what it holds.
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

// A troubled gateway has two destinations, and now and then a third, and is
// never left in peace.
type troubled struct {
	*testing.T
	seed     harness.Seed
	random   *rand.Rand
	book     *book
	apps     []*destinationApp
	gateway  *caddyproc.Process
	disk     *harness.Disk
	full     bool
	paused   map[string]bool
	damaged  map[string]bool // the mids of what was damaged
	troubles map[string]int

	mu      sync.Mutex
	third   bool // the third destination is configured
	changes int  // of that
}

func newTroubled(t *testing.T, s harness.Seed) *troubled {
	b, disk := newBook(t), harness.NewDisk(t, "160m") // which the gateway has to leave first
	g := &troubled{
		T: t, seed: s, random: s.Random("troubles"), book: b, gateway: caddyproc.New(t), disk: disk,
		apps:   []*destinationApp{newApp(b, "one", uint64(s), 10), newApp(b, "two", uint64(s), 10), newApp(b, "three", uint64(s), 10)},
		paused: make(map[string]bool), damaged: make(map[string]bool), troubles: make(map[string]int),
	}
	g.apps[2].required = make(map[string]bool)
	b.watch = g.watch
	return g
}

// watch notes whether the third destination is configured when a notification is
// sent. If it was all the time until the 200, the events have to reach it.
func (g *troubled) watch() func(mids []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	before, third := g.changes, g.third
	return func(mids []string) {
		g.mu.Lock()
		defer g.mu.Unlock()
		if !third || g.changes != before {
			return
		}
		g.apps[2].set(func() {
			for _, mid := range mids {
				g.apps[2].required[mid] = true
			}
		})
	}
}

// configure has the gateway change to other options, with the third destination
// or without.
func (g *troubled) configure(third bool, load func(site string)) {
	change := func(third bool) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.third = third
		g.changes++
	}
	if third == g.third {
		load(g.site(third))
		return
	}
	change(false)
	load(g.site(third))
	change(third)
}

func (g *troubled) start() { g.configure(g.thirdOrNot(), g.gateway.Start) }

func (g *troubled) load(third bool) {
	g.configure(third, func(site string) {
		if err := g.gateway.Load(site); err != nil {
			g.Errorf("reload: got error %v, want none", err)
		}
	})
}

// thirdOrNot changes, now and then, whether there is a third destination.
func (g *troubled) thirdOrNot() bool { return g.third != (g.random.IntN(3) == 0) }

// site returns the directives with options that change.
func (g *troubled) site(third bool) string {
	options := []string{
		"store file {\npath " + g.disk.Path("stored") + "\n}",
		"parallel " + strconv.Itoa(1+g.random.IntN(16)),
		"destination one {", "retry 20ms 200ms", "deliver " + []string{"each", "batch 10"}[g.random.IntN(2)], "reverse_proxy " + g.apps[0].addr(), "}",
		"destination two {", "retry 20ms 200ms", "deliver batch " + strconv.Itoa(1+g.random.IntN(20)) + " 5ms", "reverse_proxy " + g.apps[1].addr(), "}",
	}
	if third {
		options = append(options, "destination three {", "retry 20ms 200ms", "rate 200/s", "reverse_proxy "+g.apps[2].addr(), "}")
	}
	return harness.Hook(options...)
}

func (g *troubled) run() {
	const senders, conversations, events = 6, 3, 60
	g.start()
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
	g.disk.Free()
	g.load(true)
	g.wantTrueFigures()
	for _, app := range g.apps {
		g.operate("destinations/resume", url.Values{"destination": {app.name}})
	}
	for _, app := range g.apps {
		app.set(func() { app.trouble, app.down = 0, false })
	}
	harness.Eventually(g.T, "an end of what waits", func() bool {
		return !slices.ContainsFunc(destinations(g.T, g.gateway), func(d destinationStatus) bool { return d.Waiting+d.UnderWay > 0 })
	})
	g.wantDamagedAmongTheDead()
	want := g.book.wantAllDelivered(g.gateway, g.apps...)
	wantMissingNamed(g.T, g.gateway, g.damaged, g.apps...)
	g.Logf("%d events, %v; %d, %d and %d deliveries again; %d, %d and %d missing",
		want, g.troubles, g.apps[0].repeats, g.apps[1].repeats, g.apps[2].repeats,
		len(g.apps[0].missing(true)), len(g.apps[1].missing(true)), len(g.apps[2].missing(true)))
	if want != senders*conversations*events+lastEvents {
		g.Errorf("got 200 for %d events, want %d", want, senders*conversations*events+lastEvents)
	}
}

// lastEvents is how many events come at the end, and wait.
const lastEvents = 20

// wantTrueFigures has some events wait while nothing moves, and everything that
// counts them tell the truth.
func (g *troubled) wantTrueFigures() {
	g.Helper()
	for _, app := range g.apps {
		app.set(func() { app.down = true })
	}
	g.book.send([]*caddyproc.Process{g.gateway}, g.random, "8", lastEvents, g.Failed)
	for _, app := range g.apps {
		g.operate("destinations/pause", url.Values{"destination": {app.name}})
	}
	harness.Eventually(g.T, "the end of the last attempt", func() bool {
		return !slices.ContainsFunc(destinations(g.T, g.gateway), func(d destinationStatus) bool { return d.UnderWay > 0 })
	})
	all := destinations(g.T, g.gateway)
	metrics := harness.AdminGet(g.T, g.gateway, "/metrics")
	if len(all) != len(g.apps) {
		g.Fatalf("got %+v, want %d destinations", all, len(g.apps))
	}
	for _, d := range all {
		app := g.apps[slices.IndexFunc(g.apps, func(a *destinationApp) bool { return a.name == d.Destination })]
		waiting := listed(g.T, g.gateway, app, "waiting")
		inList := 0
		for _, n := range waiting {
			inList += n
		}
		counted, _ := harness.MetricOf(metrics, "caddy_meta_webhook_stored_events", fmt.Sprintf(`destination="%s",name="default",state="waiting"`, app.name))
		// What is damaged counts until it is tried, and cannot be listed.
		if beside := d.Waiting - inList; int(counted) != d.Waiting || beside < 0 || beside > len(g.damaged) || inList < lastEvents {
			g.Errorf("%s: got %d waiting from the admin API, %v from the metrics, and %d in the list, want the same, and %d at least", app.name, d.Waiting, counted, inList, lastEvents)
		}
		for _, mid := range app.missing(false) {
			if waiting[mid] == 0 {
				g.Errorf("%s: got no event %s, which was answered 200, among those that wait", app.name, mid)
			}
		}
	}
}

// wantDamagedAmongTheDead discards what is dead, which only what was damaged is.
func (g *troubled) wantDamagedAmongTheDead() {
	g.Helper()
	for _, app := range g.apps {
		var page struct{ Events []struct{ ID, Cause string } }
		admin(g.T, g.gateway, http.MethodGet, "/meta_webhook/events?state=dead&limit=1000&destination="+app.name, &page)
		for _, e := range page.Events {
			if e.Cause != "damaged" {
				g.Errorf("%s: got the event %s dead of %s, want only what was damaged dead", app.name, e.ID, e.Cause)
			}
		}
		g.operate("events/discard", url.Values{"destination": {app.name}, "state": {"dead"}, "limit": {"1000"}})
	}
}

// operate has the admin API change something.
func (g *troubled) operate(what string, selection url.Values) {
	g.Helper()
	admin(g.T, g.gateway, http.MethodPost, "/meta_webhook/"+what+"?"+selection.Encode(), nil)
}

// trouble disturbs the gateway or an app, or operates what is stored.
func (g *troubled) trouble() {
	app := g.apps[g.random.IntN(len(g.apps))]
	names := []string{"kill", "kill", "torn tail", "damage", "stop", "reload", "reload", "app down", "full disk", "pause", "replay", "discard"}
	what := names[g.random.IntN(len(names))]
	if g.full && slices.Contains([]string{"torn tail", "damage", "pause", "replay", "discard"}, what) || g.full && g.random.IntN(2) == 0 {
		what = "full disk" // which has an end
	}
	if what == "full disk" && !g.disk.Small {
		return
	}
	g.troubles[what]++
	switch what {
	case "kill":
		g.gateway.Kill()
		g.start()
	case "torn tail":
		g.gateway.Kill()
		editLog(g.T, g.disk.Path("stored"), func(content []byte) []byte {
			torn := make([]byte, 1+g.random.IntN(300)) // of a batch that was being written
			for i := range torn {
				torn[i] = byte(1 + g.random.IntN(255))
			}
			return append(content, torn...)
		})
		g.start()
	case "damage":
		g.gateway.Kill()
		editLog(g.T, g.disk.Path("stored"), g.damage)
		g.start()
	case "stop":
		g.gateway.Terminate()
		if err := g.gateway.Ended(); err != nil {
			g.Errorf("got %v after SIGTERM, want exit status 0", err)
		}
		g.start()
	case "reload":
		g.load(g.thirdOrNot())
	case "app down":
		app.set(func() { app.down = !app.down })
	case "full disk":
		if g.full = !g.full; g.full {
			g.disk.Fill()
		} else {
			g.disk.Free()
		}
	case "pause":
		g.paused[app.name] = !g.paused[app.name]
		how := "resume"
		if g.paused[app.name] {
			how = "pause"
		}
		g.operate("destinations/"+how, url.Values{"destination": {app.name}})
	case "replay":
		g.operate("events/replay", url.Values{"limit": {"20"}, "state": {"done"}, "destination": {app.name}, "to": {app.name}})
	case "discard":
		discardSome(g.T, g.gateway, app)
	}
}

var (
	texts   = regexp.MustCompile(`"text": ?"x"`)
	batches = []byte("\xffwb\xfe") // what a batch of the log begins with
)

// damage flips a bit of an event in the log, and notes what is in the same batch.
// It leaves the end of the log alone: what is damaged there cannot be told from a
// batch that was never written.
func (g *troubled) damage(content []byte) []byte {
	found := texts.FindAllIndex(content, -1)
	if len(found) < 10 {
		return content
	}
	at := found[g.random.IntN(len(found)/2)][1] - 2
	from := max(0, bytes.LastIndex(content[:at], batches))
	to := len(content)
	if n := bytes.Index(content[at:], batches); n >= 0 {
		to = at + n
	}
	for _, mid := range mids.FindAllSubmatch(content[from:to], -1) {
		g.damaged[string(mid[1])] = true
		for _, app := range g.apps {
			app.set(func() { app.excused[string(mid[1])] = true })
		}
	}
	content[at] ^= 1
	return content
}
