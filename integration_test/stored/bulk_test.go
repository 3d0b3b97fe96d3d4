package stored

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
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

// TestBulkReplayBesideLiveTraffic replays as many events as
// META_WEBHOOK_TEST_REPLAY says, 50000 for the figures in the documentation,
// while live events come.
func TestBulkReplayBesideLiveTraffic(t *testing.T) {
	events, err := strconv.Atoi(os.Getenv("META_WEBHOOK_TEST_REPLAY"))
	if err != nil {
		t.Skip("SKIPPED: set META_WEBHOOK_TEST_REPLAY to a number of events; this takes minutes")
	}
	b, app := newBook(t), newStopwatch(t)
	c := caddyproc.New(t)
	c.Start(harness.Hook("store file {\npath "+c.Path("stored")+"\n}", "destination app {", "reverse_proxy "+strings.TrimPrefix(app.URL, "http://"), "}"))
	const each = 50
	for k := range events / each {
		if status := post(c, b.notification(fmt.Sprintf("5%d", k), 0, each)); status != http.StatusOK {
			t.Fatalf("got %d, want 200", status)
		}
	}
	for n, before := 0, -1; n != before || n < events; time.Sleep(200 * time.Millisecond) {
		before = n
		n, _ = app.counts()
	}
	measure := func(name string, during func()) (answered, delivered time.Duration) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			during()
		}()
		a, d := app.live(t, c, b, name, done)
		answered, delivered = p99(a), p99(d)
		t.Logf("%s: %d live events; p99 until Meta's 200 %v, until the app has it %v", name, len(a), answered, delivered)
		return answered, delivered
	}
	answeredAlone, deliveredAlone := measure("1", func() { time.Sleep(15 * time.Second) })
	answered, delivered := measure("2", func() {
		start := time.Now()
		t.Log(strings.TrimSpace(operate(t, c, "events", "replay", "--state", "done", "--object", "page", "--until", time.Now().UTC().Format(time.RFC3339), "--yes")))
		t.Logf("replaying took %v", time.Since(start))
		for replays := 0; replays < events; time.Sleep(50 * time.Millisecond) {
			_, replays = app.counts()
		}
		t.Logf("%d events were delivered again after %v", events, time.Since(start))
	})
	if answered > answeredAlone*3/2 {
		t.Errorf("got a p99 of %v until Meta's 200, want 1.5 times %v at most", answered, answeredAlone)
	}
	if delivered > deliveredAlone*3/2 {
		t.Errorf("got a p99 of %v until the app has an event, want 1.5 times %v at most", delivered, deliveredAlone)
	}
}
