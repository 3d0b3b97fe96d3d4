package stored

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/caddyproc"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/pgtest"
)

const (
	soakSenders  = 5
	soakInterval = 200 * time.Millisecond // between a sender's notifications, of 4 events on average
	soakKeep     = 30 * time.Second
	soakWindow   = time.Minute
	soakEvents   = 50  // of a conversation
	soakPoison   = 500 // notifications of which one has an event that is refused
)

// A soakWorld is a gateway with two destinations for a long run.
type soakWorld struct {
	*testing.T
	lasts    time.Duration
	random   *rand.Rand
	book     *book
	one, two *destinationApp
	gateway  *caddyproc.Process
	server   *pgtest.Server // with postgres

	mu       sync.Mutex
	answers  map[int]int
	poisoned int
	replayed int
	logs     map[string]bool // of the log's files, those that were seen
}

// TestStoredSoak runs one process for a long time: a steady rate of events,
// with repeats, for two apps that fail now and then and are down by turns, so
// that a backlog comes and goes; events that an app refuses until they are dead,
// and that a person has replayed; reloads with other options; and a short `keep`,
// so that all that is stored is replaced many times. META_WEBHOOK_SOAK is for how
// long, and META_WEBHOOK_SOAK_STORE may be postgres:
//
//	META_WEBHOOK_SOAK=60m go test ./integration_test/stored -run '^TestStoredSoak$' -timeout 2h -v
func TestStoredSoak(t *testing.T) {
	const size = "size of what is stored"
	const settles = 5 * time.Minute // for a few files of the log to be filled and removed
	soak := harness.NewSoak(t, settles,
		harness.Measure{Name: "waiting", Metric: "caddy_meta_webhook_stored_events", Label: `state="waiting"`, Slack: 1000},
		harness.Measure{Name: "dead", Metric: "caddy_meta_webhook_stored_events", Label: `state="dead"`, Slack: 20, Settles: true},
		harness.Measure{Name: "stored (MB)", Metric: size, Unit: 1e6, Slack: 50, Settles: true},
	)
	s := harness.NewSeed(t)
	b := newBook(t)
	w := &soakWorld{
		T: t, lasts: soak.Lasts, random: s.Random("soak"), book: b, gateway: caddyproc.New(t),
		one: newApp(b, "one", uint64(s), 5), two: newApp(b, "two", uint64(s), 5),
		answers: make(map[int]int), logs: make(map[string]bool),
	}
	if os.Getenv("META_WEBHOOK_SOAK_STORE") == "postgres" {
		w.server = pgtest.Start(t)
	}
	w.gateway.Global = "metrics"
	w.gateway.Start(w.site())
	soak.Begin()

	done := make(chan struct{})
	var sending sync.WaitGroup
	for i := range soakSenders {
		sender := s.Random(fmt.Sprint("sender ", i))
		sending.Go(func() { w.keepSending(i, sender, done) })
	}
	stop := sync.OnceFunc(func() {
		close(done)
		sending.Wait()
	})
	defer stop()
	for n := range harness.SoakSamples {
		w.one.set(func() { w.one.down = n%10 == 2 || n%10 == 3 })
		w.two.set(func() { w.two.down = n%10 == 6 || n%10 == 7 })
		if err := w.gateway.Load(w.site()); err != nil {
			t.Errorf("reload: got error %v, want none", err)
		}
		soak.Wait()
		w.operate(n)
		for _, a := range []*destinationApp{w.one, w.two} {
			a.set(func() { a.requests = nil })
		}
		soak.Sample(w.gateway, b.total(), map[string]float64{size: w.size()})
	}
	stop()
	metrics := harness.AdminGet(t, w.gateway, "/metrics")
	cpu, _ := harness.MetricOf(metrics, "process_cpu_seconds_total", "")
	w.finish(soak.Lasts)
	t.Logf("%d events, %d poisoned, %d replayed, %d reloads, %d segments removed; %d and %d attempts again; answers %v; %.2f of a core",
		b.total(), w.poisoned, w.replayed, harness.SoakSamples, w.removed(), w.one.repeats, w.two.repeats, w.answers, cpu/soak.Lasts.Seconds())
	soak.WantLevel()
}

// site returns the directives with options that change. What is refused is dead
// after a twelfth of the run, and what waits for an app that is down is not.
func (w *soakWorld) site() string {
	store := "store file {\npath " + w.gateway.Path("stored") + "\ncapacity 256MiB"
	if w.server != nil {
		store = "store postgres {\ndsn " + w.server.DSN()
	}
	retry := harness.Lines(fmt.Sprintf("retry %dms 2s", 50+w.random.IntN(200)), "give_up "+w.giveUp().String())
	return harness.Hook(
		store+"\nkeep "+soakKeep.String()+"\n}",
		"dedup {\nwindow "+soakWindow.String()+"\n}",
		fmt.Sprintf("parallel %d", 4+w.random.IntN(28)),
		"destination one {", retry, w.proxy(w.one), "}",
		"destination two {", retry, fmt.Sprintf("deliver batch %d 50ms", 1+w.random.IntN(50)), w.proxy(w.two), "}",
	)
}

// proxy returns the directive for an app. Caddy closes the idle connections of
// an earlier configuration at once if that has a transport, and after two minutes
// otherwise.
func (w *soakWorld) proxy(to *destinationApp) string {
	return "reverse_proxy " + to.addr() + " {\ntransport http {\nkeepalive 1m\n}\n}"
}

func (w *soakWorld) giveUp() time.Duration { return max(w.lasts/12, 90*time.Second) }

// keepSending sends notifications at a steady pace, each until it is answered
// 200, and some of what was sent before.
func (w *soakWorld) keepSending(sender int, random *rand.Rand, done <-chan struct{}) {
	ticks := time.NewTicker(soakInterval)
	defer ticks.Stop()
	const open = 10 // conversations
	var chapters, next [open]int
	for {
		select {
		case <-done:
			return
		case <-ticks.C:
		}
		i := random.IntN(open)
		if next[i] >= soakEvents {
			chapters[i]++
			next[i] = 0
		}
		conversation := fmt.Sprintf("9%d%d%05d", sender, i, chapters[i])
		from, to := next[i], next[i]+1+random.IntN(7)
		text := strings.Repeat("x", 500+random.IntN(4000))
		poison := random.IntN(soakPoison) == 0
		if poison { // the last one, as those behind it would have few attempts left
			w.poison(midOf(conversation, to-1))
		}
		w.send(w.book.notificationOf(text, conversation, from, to))
		w.book.mu.Lock()
		w.book.accepted[conversation] = to
		w.book.mu.Unlock()
		if next[i] = to; poison {
			next[i] = soakEvents
		}
		if random.IntN(10) == 0 {
			w.send(w.book.notificationOf(text, conversation, max(0, from-3), to))
		}
	}
}

// poison has an app refuse an event that Meta is about to send.
func (w *soakWorld) poison(mid string) {
	w.one.refuse(mid, time.Now().Add(w.giveUp()))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.poisoned++
}

// send sends a notification until it is answered 200.
func (w *soakWorld) send(body string) {
	for status := 0; status != http.StatusOK; {
		status = post(w.gateway, body)
		w.mu.Lock()
		w.answers[status]++
		w.mu.Unlock()
		if status != http.StatusOK {
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// operate replays something that was delivered, now and then, and what is dead.
func (w *soakWorld) operate(n int) {
	if n%5 != 4 {
		return
	}
	for _, a := range []*destinationApp{w.one, w.two} {
		w.replay(url.Values{"limit": {"20"}, "state": {"done"}, "destination": {a.name}, "to": {a.name}})
	}
	if n%10 == 9 {
		w.operateDead()
	}
}

// operateDead has the app take events that are dead, and replays them. Those
// that the app has by now are discarded.
func (w *soakWorld) operateDead() {
	var page struct {
		Events []struct{ ID, Subject string }
	}
	admin(w.T, w.gateway, http.MethodGet, "/meta_webhook/events?state=dead&destination=one&limit=1000", &page)
	delivered, others := make(url.Values), make(url.Values)
	w.one.set(func() {
		for _, e := range page.Events {
			if delete(w.one.refused, e.Subject); w.one.has[e.Subject] {
				delivered.Add("id", e.ID)
			} else {
				others.Add("id", e.ID)
			}
		}
	})
	if len(delivered) > 0 {
		delivered.Set("state", "dead")
		delivered.Set("destination", "one")
		delivered.Set("limit", "1000")
		admin(w.T, w.gateway, http.MethodPost, "/meta_webhook/events/discard?"+delivered.Encode(), nil)
	}
	if len(others) > 0 {
		others.Set("destination", "one")
		others.Set("to", "one")
		others.Set("limit", "1000")
		w.replay(others)
	}
}

func (w *soakWorld) replay(selection url.Values) {
	var changed struct{ Events int }
	admin(w.T, w.gateway, http.MethodPost, "/meta_webhook/events/replay?"+selection.Encode(), &changed)
	w.replayed += changed.Events
}

// size returns how much is stored, in bytes.
func (w *soakWorld) size() (size float64) {
	if w.server == nil {
		w.seeLogs()
		return harness.SizeOf(w.T, w.gateway.Path("stored/queue-default/*"))
	}
	ctx := context.Background()
	db, err := pgx.Connect(ctx, w.server.DSN())
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = db.Close(ctx) }()
	if err := db.QueryRow(ctx, "SELECT pg_database_size(current_database())").Scan(&size); err != nil {
		w.Fatal(err)
	}
	return size
}

// seeLogs notes the files of the log, and returns which are there.
func (w *soakWorld) seeLogs() (there []string) {
	there, _ = filepath.Glob(w.gateway.Path("stored/queue-default/*.log"))
	for _, name := range there {
		w.logs[name] = true
	}
	return there
}

// removed returns how many files of the log are gone.
func (w *soakWorld) removed() int {
	there := w.seeLogs()
	return len(w.logs) - len(there)
}

// finish repairs the apps, and waits until everything of a 200 was delivered.
func (w *soakWorld) finish(lasts time.Duration) {
	w.one.set(func() { clear(w.one.refused) })
	harness.Eventually(w.T, "an end of what was dead", func() bool {
		time.Sleep(time.Second)
		w.operateDead()
		return destinations(w.T, w.gateway)[0].Dead == 0
	})
	w.book.wantAllDelivered(w.gateway, w.one, w.two)
	if w.one.again > 0 {
		w.Errorf("got %d events again that the app had taken, want none but replays", w.one.again)
	}
	for status := range w.answers {
		if status != http.StatusOK && status != 0 { // a connection that a reload has broken
			w.Errorf("got the answers %v, want 200 alone", w.answers)
		}
	}
	if w.server == nil && lasts >= 10*time.Minute && w.removed() < 3 {
		w.Errorf("got %d segments removed, want several", w.removed())
	}
}
