package faults

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/caddyproc"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/pgtest"
)

// TestFaults runs the program in a world where everything fails, now and then
// and several things at once, and holds what happens against the promises. The
// schedule of the faults comes from a seed; META_WEBHOOK_FAULT_SEEDS is how
// many to run, and META_WEBHOOK_SEED the first of them.
func TestFaults(t *testing.T) {
	t.Parallel() // as all tests here: what they start are processes
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: there is no SIGTERM on Windows")
	}
	first := harness.NewSeed(t)
	for s := first; s < first+harness.Seeds(len(faultyStores)); s++ {
		t.Run(fmt.Sprintf("META_WEBHOOK_SEED=%d", s), func(t *testing.T) {
			t.Parallel() // most of it is waiting
			newWorld(t, s).run()
		})
	}
}

// faultyStores are the stores that seeds choose by turns.
var faultyStores = []string{"memory", "file", "postgres"}

// A world is one or two processes, the apps behind them, where they remember,
// and what becomes of all that.
type world struct {
	t       *testing.T
	seed    harness.Seed
	random  *rand.Rand // of the faults
	ledger  *harness.Ledger
	members []*member
	cases   map[string]int // how often what has happened

	mode, remember string // options of the handler

	server *pgtest.Server // with postgres
	disk   *harness.Disk  // with file
	mend   func()         // ends the fault of the store, if there is one
	lasts  bool           // the store survives its process
}

// A member is a process and its app.
type member struct {
	*caddyproc.Process
	app *faultyApp
}

const (
	faultSenders = 6
	faultSteps   = 16
)

// newWorld starts the world of a seed.
func newWorld(t *testing.T, s harness.Seed) *world {
	w := &world{t: t, seed: s, random: s.Random("faults"), ledger: harness.NewLedger(t), cases: make(map[string]int)}
	store := faultyStores[int(s%harness.Seed(len(faultyStores)))]
	onError := []string{"reject", "deliver"}[w.random.IntN(2)]
	w.mode = []string{"each", "batch", "original"}[w.random.IntN(3)]
	w.ledger.Whole = w.mode == "original"
	w.lasts = store != "memory"
	t.Logf("deliver %s, store %s, on_error %s", w.mode, store, onError)

	var options string
	size := 1
	switch store {
	case "file":
		w.disk = harness.NewDisk(t, "8m")
		options = "path " + w.disk.Path("stored")
	case "postgres":
		w.server = pgtest.Start(t)
		options = "dsn " + w.server.DSN()
		size = 2
		if onError == "deliver" {
			// while the store fails, even what was recorded comes again
			w.ledger.Disturb()
		}
	}
	w.remember = harness.Lines("store "+store+" {", options, "}", "dedup {", "on_error "+onError)
	for i := range size {
		m := &member{caddyproc.New(t), newFaultyApp(t, w.ledger, s.Random("app "+strconv.Itoa(i)))}
		w.members = append(w.members, m)
		m.Start(w.site(m))
	}
	return w
}

// site returns the directives of a member, with some options that a reload may
// change.
func (w *world) site(m *member) string {
	mode := w.mode
	if mode != "original" {
		mode = []string{"each", "batch"}[w.random.IntN(2)]
	}
	window := fmt.Sprintf("window %dh\n}", 1+w.random.IntN(36))
	// an app that never answers, or never finishes, must not hold events forever
	return harness.Lines(harness.Hook("deliver "+mode, w.remember, window), "reverse_proxy "+m.app.Addr+" {\ntransport http {",
		"response_header_timeout 500ms", "read_timeout 500ms", "}\n}")
}

// run runs the world, and checks in the end that it has got all it was
// promised.
func (w *world) run() {
	var processes []*caddyproc.Process
	for _, m := range w.members {
		processes = append(processes, m.Process)
	}
	done := make(chan struct{})
	var senders []*harness.Meta
	var running sync.WaitGroup
	for i := range faultSenders {
		m := harness.NewMeta(w.t, w.ledger, w.seed.Random("sender "+strconv.Itoa(i)))
		m.Client.Timeout = time.Second + time.Duration(m.Random.Int64N(int64(time.Second)))
		senders = append(senders, m)
		running.Go(func() { keepSending(m, processes, strconv.Itoa(i/2), done) })
	}
	stop := sync.OnceFunc(func() {
		close(done)
		running.Wait()
	})
	defer stop()

	for range faultSteps {
		if w.mend != nil && w.random.IntN(3) == 0 {
			w.mend()
		}
		w.fault(w.members[w.random.IntN(len(w.members))])
		time.Sleep(20*time.Millisecond + time.Duration(w.random.Int64N(int64(200*time.Millisecond))))
	}
	if w.mend != nil {
		w.mend()
	}
	for _, m := range w.members {
		m.app.mood.Store(appHealthy)
	}
	stop()

	for _, m := range senders {
		for status, times := range m.Answers {
			w.cases["answer "+strconv.Itoa(status)] += times
		}
	}
	// what goes on although its sender has hung up comes to its end
	for _, m := range w.members {
		w.restart(m, w.terminate)
	}
	if w.ledger.IsDisturbed() {
		w.ledger.Settle()
	}
	events := w.ledger.Events()
	w.t.Logf("%d events, %d of them delivered twice or more; %v", len(events), w.ledger.Repeated(), w.cases)
	if len(events) == 0 {
		w.t.Error("got no events in the whole run, want some")
	}
	w.ledger.Everything(w.seed, processes[0])
	for _, p := range processes {
		w.ledger.WantNothingNew(w.seed, p)
	}
	if got, want := w.ledger.Events(), events; len(got) != len(want) {
		w.t.Errorf("got %d events in the end, want the %d of before", len(got), len(want))
	}
}

// fault lets something happen, or end, that should not.
func (w *world) fault(m *member) {
	switch n := w.random.IntN(16); {
	case n < 3:
		w.cases["SIGKILL"]++
		w.restart(m, func(m *member) { m.Kill() })
	case n < 5:
		w.cases["SIGTERM"]++
		w.restart(m, w.terminate)
	case n < 8:
		w.cases["reload storm"]++
		for range 2 + w.random.IntN(6) {
			if err := m.Load(w.site(m)); err != nil {
				w.t.Errorf("reload: got error %v, want none", err)
			}
		}
	case n < 12:
		mood := moods[w.random.IntN(len(moods))]
		w.cases["app "+moodNames[mood]]++
		m.app.mood.Store(mood)
	case w.mend != nil:
		w.mend()
	default:
		w.breakStore()
	}
}

// terminate ends a process by SIGTERM.
func (w *world) terminate(m *member) {
	m.Terminate()
	if err := m.Ended(); err != nil {
		w.t.Errorf("got %v after SIGTERM, want exit status 0", err)
	}
}

// restart ends a process and starts it again.
func (w *world) restart(m *member, end func(*member)) {
	end(m)
	harness.Eventually(w.t, "an end of what was on its way to the app", m.app.Idle)
	if !w.lasts {
		w.ledger.Forget()
	}
	m.Start(w.site(m))
}

// breakStore has the store fail or stall, until it is mended.
func (w *world) breakStore() {
	var what string
	var mend func()
	switch {
	case w.server != nil && w.random.IntN(2) == 0:
		what, mend = "database down", w.server.Start
		w.ledger.Disturb()
		w.server.Stop()
	case w.server != nil:
		what, mend = "database stalled", w.server.Resume
		w.ledger.Disturb()
		w.server.Pause()
	case w.disk != nil && w.disk.Small:
		what, mend = "disk full", w.disk.Free
		w.ledger.Disturb()
		w.disk.Fill()
	default:
		return
	}
	w.cases[what]++
	w.mend = func() {
		mend()
		w.ledger.Settle()
		w.mend = nil
	}
}
