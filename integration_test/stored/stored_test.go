package stored

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/caddyproc"
)

var meta = http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// post sends a notification once, and returns the status, 0 without an answer.
func post(c *caddyproc.Process, body string) int {
	r, err := http.NewRequest(http.MethodPost, c.URL(harness.Callback), strings.NewReader(body))
	if err != nil {
		return 0
	}
	r.Header.Set(harness.SignatureHeader, harness.Sign(harness.AppSecret, []byte(body)))
	res, err := meta.Do(r)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// admin asks the admin API. A reload replaces its listener, too, so that it may
// refuse connections for a moment.
func admin(t *testing.T, c *caddyproc.Process, method, target string, into any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, c.AdminURL(target), nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := meta.Do(r)
	for deadline := time.Now().Add(5 * time.Second); err != nil && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		res, err = meta.Do(r)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: got %d %s, want 200", method, target, res.StatusCode, body)
	}
	if into != nil {
		if err := json.Unmarshal(body, into); err != nil {
			t.Fatalf("%s %s: got %s", method, target, body)
		}
	}
}

// A destinationStatus is what the admin API shows of a destination.
type destinationStatus struct {
	Destination, State string
	Waiting            int
	UnderWay           int `json:"under_way"`
	Dead               int
}

func destinations(t *testing.T, c *caddyproc.Process) (all []destinationStatus) {
	t.Helper()
	admin(t, c, http.MethodGet, "/meta_webhook/destinations", &all)
	return all
}

// send has Meta send the events of a conversation, some at a time, each
// notification until there is a 200, and some of it again. Each try goes to any
// of the processes.
func (b *book) send(to []*caddyproc.Process, random *rand.Rand, conversation string, events int, done func() bool) {
	for from := 0; from < events && !done(); {
		upTo := min(from+1+random.IntN(4), events)
		again := max(0, from-random.IntN(3)) // Meta sends what it has sent before
		body := b.notification(conversation, again, upTo)
		told := func([]string) {}
		if b.watch != nil {
			told = b.watch()
		}
		for post(to[random.IntN(len(to))], body) != http.StatusOK {
			if done() {
				return
			}
			time.Sleep(time.Duration(5+random.IntN(20)) * time.Millisecond)
		}
		b.mu.Lock()
		b.accepted[conversation] = upTo
		b.mu.Unlock()
		var mids []string
		for ; from < upTo; from++ {
			mids = append(mids, midOf(conversation, from))
		}
		told(mids)
	}
}

// wantAllDelivered has the apps take everything, waits until each has all that
// Meta was answered 200 for, and the gateway nothing left, and returns how many
// events that are.
func (b *book) wantAllDelivered(c *caddyproc.Process, apps ...*destinationApp) (events int) {
	b.t.Helper()
	for _, a := range apps {
		a.set(func() { a.trouble, a.down = 0, false })
	}
	events = b.total()
	harness.Eventually(b.t, "everything delivered", func() bool {
		return !slices.ContainsFunc(apps, func(a *destinationApp) bool { return len(a.missing(false)) > 0 })
	})
	harness.Eventually(b.t, "nothing waiting", func() bool {
		all := destinations(b.t, c)
		return len(all) == len(apps) &&
			!slices.ContainsFunc(all, func(d destinationStatus) bool { return d.Waiting+d.UnderWay+d.Dead > 0 })
	})
	return events
}

// TestAppThatIsDown has events wait for an app, over a restart. Its state and
// its backlog are what the admin API and the metrics say.
func TestAppThatIsDown(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	app := newApp(b, "app", 1, 0)
	app.set(func() { app.down = true })
	c := caddyproc.New(t)
	c.Global = "metrics"
	site := harness.Hook("store file {\npath "+c.Path("stored")+"\n}", "destination app {", "retry 50ms 1s", "reverse_proxy "+app.addr(), "}")
	c.Start(site)
	const conversations, each = 50, 10
	for k := range conversations {
		name := fmt.Sprintf("9%d", k)
		if status := post(c, b.notification(name, 0, each)); status != http.StatusOK {
			t.Fatalf("got %d while the app is down, want 200", status)
		}
		b.accepted[name] = each
	}
	waiting := func(state string) func() bool {
		return func() bool {
			all := destinations(t, c)
			return len(all) == 1 && all[0].State == state && all[0].Waiting+all[0].UnderWay == conversations*each
		}
	}
	harness.Eventually(t, "a destination that is down with all events", waiting("probing"))
	admin(t, c, http.MethodPost, "/meta_webhook/destinations/pause?destination=app", nil) // so that the numbers stand still
	harness.Eventually(t, "the end of the last attempt", func() bool { return destinations(t, c)[0].UnderWay == 0 })
	wantSame(t, c, "paused", conversations*each)
	c.Kill()
	c.Start(site)
	wantSame(t, c, "paused", conversations*each)
	operate(t, c, "destinations", "resume", "app")
	harness.Eventually(t, "a destination that is down again", waiting("probing"))
	app.set(func() { app.down = false })
	harness.Eventually(t, "everything delivered", func() bool { return app.count() == conversations*each })
	harness.Eventually(t, "an open destination", func() bool {
		all := destinations(t, c)
		return all[0].State == "open" && all[0].Waiting+all[0].UnderWay == 0
	})
	if app.repeats > 0 {
		t.Errorf("got %d events twice, want none", app.repeats)
	}
}

// TestDeadEventIsReplayed has the app refuse one event until it is dead, and
// take it when a person has it delivered again.
func TestDeadEventIsReplayed(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	app := newApp(b, "app", 1, 0)
	app.refuse("95.2", time.Now().Add(500*time.Millisecond))
	c := caddyproc.New(t)
	c.Start(harness.Hook("store file {\npath "+c.Path("stored")+"\n}", "destination app {", "retry 20ms 50ms", "give_up 500ms", "reverse_proxy "+app.addr(), "}"))
	for k := range 10 {
		if status := post(c, b.notification(fmt.Sprintf("9%d", k), 0, 5)); status != http.StatusOK {
			t.Fatalf("got %d, want 200", status)
		}
	}
	harness.Eventually(t, "the events of the other conversations, and those before the one that fails", func() bool { return app.count() >= 9*5+2 })
	harness.Eventually(t, "a dead event", func() bool { return destinations(t, c)[0].Dead == 1 })
	harness.Eventually(t, "the events behind it", func() bool { return app.count() == 10*5-1 })

	var page struct {
		Events []struct {
			ID, State, Cause string
			Attempts, Status int
		}
	}
	admin(t, c, http.MethodGet, "/meta_webhook/events?state=dead", &page)
	if len(page.Events) != 1 || page.Events[0].Cause != "http_422" || page.Events[0].Attempts < 2 || page.Events[0].Status != 422 {
		t.Fatalf("got %+v, want one dead event with http_422", page.Events)
	}
	id := page.Events[0].ID
	c.Kill() // and nothing of the story is gone
	c.Start(harness.Hook("store file {\npath "+c.Path("stored")+"\n}", "destination app {", "reverse_proxy "+app.addr(), "}"))
	app.set(func() { clear(app.refused); app.requests = nil })
	if got := operate(t, c, "events", "list", "--state", "dead"); !strings.Contains(got, "\n"+id+"  dead") || !strings.Contains(got, "http_422") {
		t.Errorf("got the list\n%swant %s, dead of http_422", got, id)
	}
	if got := operate(t, c, "events", "replay", "--state", "dead", "--dry-run"); got != "Would have replayed 1 event at destination app of handler default\n" || destinations(t, c)[0].Dead != 1 {
		t.Errorf("got %q from a dry run, want 1 event and nothing changed", got)
	}
	if got := operate(t, c, "events", "replay", id); got != "Replayed 1 event at destination app of handler default\n" {
		t.Errorf("got %q, want the event replayed", got)
	}
	harness.Eventually(t, "the replay", func() bool {
		app.mu.Lock()
		defer app.mu.Unlock()
		return len(app.requests) == 1
	})
	if r := app.requests[0]; r.Header.Get("Webhook-Id") != id || r.Header.Get("Webhook-Replay") != "true" {
		t.Errorf("got Webhook-Id %q and Webhook-Replay %q, want %q and true", r.Header.Get("Webhook-Id"), r.Header.Get("Webhook-Replay"), id)
	}
	var stories []struct {
		Deliveries []struct {
			State    string
			Attempts []struct {
				Status int
				Answer string
			}
		}
	}
	harness.Eventually(t, "the end of the story", func() bool {
		admin(t, c, http.MethodGet, "/meta_webhook/events/"+id, &stories)
		last := stories[0].Deliveries[len(stories[0].Deliveries)-1]
		return last.State == "done"
	})
	first := stories[0].Deliveries[0].Attempts[0]
	if first.Status != 422 || first.Answer != "no such customer" {
		t.Errorf("got the first attempt %+v, want 422 and the start of the answer", first)
	}
	for _, want := range []string{"app: dead", "app (replay): done", "no such customer", `"mid": "95.2"`} {
		if got := operate(t, c, "events", "show", id); !strings.Contains(got, want) {
			t.Errorf("got the story\n%swant %q in it", got, want)
		}
	}
}

// TestStoreThatCannotQueueIsRefused has a destination with the memory store.
func TestStoreThatCannotQueueIsRefused(t *testing.T) {
	t.Parallel()
	c := caddyproc.New(t)
	config := c.WriteConfig(harness.Hook("store memory", "destination app {", "respond 200", "}"))
	output, err := c.Command("validate", "--config", config).CombinedOutput()
	if err == nil || !strings.Contains(string(output), "must be file or postgres") {
		t.Errorf("got error %v, want one that says which store it takes\n%s", err, output)
	}
}
