package stored

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/caddyproc"
)

// A stopwatch is an app that notes when it was handed each event.
type stopwatch struct {
	*httptest.Server
	mu      sync.Mutex
	came    map[string]time.Time // by mid
	count   int
	replays int
}

func newStopwatch(t *testing.T) *stopwatch {
	w := &stopwatch{came: make(map[string]time.Time)}
	w.Server = httptest.NewServer(w)
	t.Cleanup(w.Close)
	return w
}

func (s *stopwatch) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	mid := mids.FindStringSubmatch(string(body))[1]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	if r.Header.Get("Webhook-Replay") != "" {
		s.replays++
		return
	}
	s.came[mid] = time.Now()
}

func (s *stopwatch) counts() (all, replays int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count, s.replays
}

// live sends an event every few milliseconds until done is closed, and returns
// how long Meta waited for its 200, and how long the app for the event.
func (s *stopwatch) live(t *testing.T, c *caddyproc.Process, b *book, name string, done <-chan struct{}) (answered, delivered []time.Duration) {
	sent := make(map[string]time.Time)
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for i := 0; ; i++ {
		select {
		case <-done:
		case <-ticker.C:
			conversation := fmt.Sprintf("%s%d", name, i)
			body := b.notification(conversation, 0, 1)
			start := time.Now()
			if status := post(c, body); status != http.StatusOK {
				t.Errorf("got %d, want 200", status)
			}
			answered = append(answered, time.Since(start))
			sent[conversation+".0"] = start
			continue
		}
		break
	}
	harness.Eventually(t, "every live event", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for mid := range sent {
			if s.came[mid].IsZero() {
				return false
			}
		}
		return true
	})
	for mid, start := range sent {
		delivered = append(delivered, s.came[mid].Sub(start))
	}
	return answered, delivered
}

func p99(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)*99/100]
}

// A replaying is one of the ways to replay everything that a query selects. It
// returns when the gateway has it in the queue.
type replaying func(t *testing.T, c *caddyproc.Process, query url.Values)

// byCommand replays as a person does at a terminal.
func byCommand(t *testing.T, c *caddyproc.Process, query url.Values) {
	args := []string{"events", "replay", "--yes"}
	for name, values := range query {
		args = append(args, "--"+name, values[0])
	}
	t.Log(strings.TrimSpace(operate(t, c, args...)))
}

// byAPI replays as a script does.
func byAPI(t *testing.T, c *caddyproc.Process, query url.Values) {
	pageByPage(t, query, 1000, func(query url.Values, into any) {
		admin(t, c, http.MethodPost, "/meta_webhook/events/replay?"+query.Encode(), into)
	})
}

// byPage replays as the page does in a browser.
func byPage(t *testing.T, c *caddyproc.Process, query url.Values) {
	res, err := meta.Get(c.URL("/inspector/"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	page, _ := io.ReadAll(res.Body)
	_, token, _ := strings.Cut(string(page), `<meta name="operate" content="`)
	token, _, _ = strings.Cut(token, `"`)
	pageByPage(t, query, 500, func(query url.Values, into any) {
		operation, _ := json.Marshal(map[string]string{"token": token, "do": "replay", "query": query.Encode()})
		res, err := meta.Post(c.URL("/inspector/operate"), "application/json", bytes.NewReader(operation))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		if res.StatusCode != http.StatusOK || json.Unmarshal(body, into) != nil {
			t.Fatalf("got %d %s, want 200", res.StatusCode, body)
		}
	})
}

func pageByPage(t *testing.T, query url.Values, limit int, post func(query url.Values, into any)) {
	query.Set("limit", strconv.Itoa(limit))
	for {
		var changed struct{ Next string }
		start := time.Now()
		post(query, &changed)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("got the answer to a replay after %v, want it in about a second", took)
		}
		if changed.Next == "" {
			return
		}
		query.Set("cursor", changed.Next)
	}
}

// TestBulkReplayBesideLiveTraffic replays as many events as
// META_WEBHOOK_TEST_REPLAY says, 50000 for the figures in the documentation,
// by each of the ways there are, while live events come.
func TestBulkReplayBesideLiveTraffic(t *testing.T) {
	events, err := strconv.Atoi(os.Getenv("META_WEBHOOK_TEST_REPLAY"))
	if err != nil {
		t.Skip("SKIPPED: set META_WEBHOOK_TEST_REPLAY to a number of events; this takes minutes")
	}
	b, app := newBook(t), newStopwatch(t)
	c := caddyproc.New(t)
	c.Start(harness.Lines(
		harness.Hook("store file {\npath "+c.Path("stored")+"\n}", "destination app {", "reverse_proxy "+strings.TrimPrefix(app.URL, "http://"), "}"),
		"meta_webhook_inspector {\noperate\n}",
	))
	const each = 50
	for k := range events / each {
		if status := post(c, b.notification(fmt.Sprintf("5%d", k), 0, each)); status != http.StatusOK {
			t.Fatalf("got %d, want 200", status)
		}
	}
	events -= events % each
	longest := time.Duration(events)*time.Second/100 + time.Minute // of all that is waited for
	awaitWithin(t, longest, "the events", func() bool { n, _ := app.counts(); return n == events })
	until := time.Now().UTC().Add(time.Second).Format(time.RFC3339) // live events come after it
	time.Sleep(2 * time.Second)

	measure := func(t *testing.T, name string, during func()) (answered, delivered time.Duration) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			during()
		}()
		a, d := app.live(t, c, b, name, done)
		answered, delivered = p99(a), p99(d)
		t.Logf("%d live events; p99 until Meta's 200 %v, until the app has it %v", len(a), answered, delivered)
		return answered, delivered
	}
	for i, way := range []struct {
		name   string
		replay replaying
	}{{"command", byCommand}, {"admin API", byAPI}, {"page", byPage}} {
		t.Run(way.name, func(t *testing.T) {
			_, before := app.counts()
			answeredAlone, deliveredAlone := measure(t, "1"+strconv.Itoa(i), func() { time.Sleep(15 * time.Second) })
			answered, delivered := measure(t, "2"+strconv.Itoa(i), func() {
				start := time.Now()
				way.replay(t, c, url.Values{"to": {"app"}, "state": {"done"}, "object": {"page"}, "until": {until}})
				t.Logf("replaying took %v", time.Since(start))
				awaitWithin(t, longest, "the replays", func() bool { _, n := app.counts(); return n-before >= events })
				t.Logf("%d events were delivered again after %v", events, time.Since(start))
			})
			if _, n := app.counts(); n-before != events {
				t.Errorf("got %d replays, want %d", n-before, events)
			}
			if answered > answeredAlone*3/2 {
				t.Errorf("got a p99 of %v until Meta's 200, want 1.5 times %v at most", answered, answeredAlone)
			}
			if delivered > deliveredAlone*3/2 {
				t.Errorf("got a p99 of %v until the app has an event, want 1.5 times %v at most", delivered, deliveredAlone)
			}
		})
	}
}

// awaitWithin waits until something is so, and fails the test when the time is
// over.
func awaitWithin(t *testing.T, longest time.Duration, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(longest); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Errorf("got no end of %s within %v, want it", what, longest)
			return
		}
	}
}
