package delivery

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/inuse"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file"
)

// An awayApp answers 503 until it is back. It keeps the number of the last event
// of each conversation, and how it was tried while it was away.
type awayApp struct {
	back time.Time

	mu       sync.Mutex
	taken    map[string]int // by conversation, how many
	wrong    int            // events out of order
	attempts int
	running  int
	most     int // attempts at once, after the first minute
}

func (a *awayApp) ServeHTTP(w http.ResponseWriter, r *http.Request) error {
	subject := eventsOf(bodyOf(r))[0].Subject
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Now().Before(a.back) {
		a.attempts++
		a.running++
		if time.Until(a.back) < 59*time.Minute {
			a.most = max(a.most, a.running)
		}
		a.mu.Unlock()
		time.Sleep(time.Millisecond)
		a.mu.Lock()
		a.running--
		w.WriteHeader(http.StatusServiceUnavailable)
		return nil
	}
	conversation := conversationOf(subject)
	if subject[len(conversation)+1:] != strconv.Itoa(a.taken[conversation]) {
		a.wrong++
	}
	a.taken[conversation]++
	w.WriteHeader(http.StatusOK)
	return nil
}

func (a *awayApp) count() (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, taken := range a.taken {
		n += taken
	}
	return n
}

// TestBacklogOfAnHour has events wait on the disk, five in each conversation,
// while the app is away for an hour. META_WEBHOOK_TEST_BACKLOG says how many,
// 100000 for the figures in the documentation.
func TestBacklogOfAnHour(t *testing.T) {
	events, err := strconv.Atoi(os.Getenv("META_WEBHOOK_TEST_BACKLOG"))
	if err != nil {
		events = 5000
	}
	const each, together = 5, 20
	conversations := events / each
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
		defer cancel()
		f := &file.Store{Path: filepath.Join(dir, "stored")}
		if err := f.Provision(ctx); err != nil {
			t.Fatal(err)
		}
		app := &awayApp{back: time.Now().Add(time.Hour), taken: make(map[string]int)}
		g := newGateway(t, to(app))
		g.Queue = &Shared[store.Queue]{Open: func() (store.Queue, error) { return f.OpenQueue("default") }}
		began := inuse.Heap()
		g.run(func() {
			for n := range each {
				for c := 0; c < conversations; c += together {
					ids := make([][2]int, 0, together)
					for i := range together {
						ids = append(ids, [2]int{c + i, n})
					}
					if err := g.accept(message(ids...)); err != nil {
						t.Fatal(err)
					}
				}
			}
			time.Sleep(time.Until(app.back) - time.Second)
			goroutines, held := runtime.NumGoroutine(), inuse.Heap()-began
			app.mu.Lock()
			attempts, most := app.attempts, app.most
			app.mu.Unlock()
			t.Logf("%d events in %d conversations wait: %d goroutines, %.1f MB, %d attempts in an hour, up to %d at once", events, conversations, goroutines, float64(held)/1e6, attempts, most)
			if goroutines > 100 {
				t.Errorf("got %d goroutines, want 100 at most", goroutines)
			}
			if most := 5_000_000 + 500*int64(events); held > most {
				t.Errorf("got %d bytes of memory, want %d at most", held, most)
			}
			if attempts > 16+5+3600/20 || most > 1 {
				t.Errorf("got %d attempts in an hour, up to %d at once; want a probe in 30s", attempts, most)
			}
			for deadline := time.Now().Add(time.Hour); app.count() < conversations*each && time.Now().Before(deadline); {
				time.Sleep(time.Second)
			}
			t.Logf("all were delivered %v after the app was back", time.Since(app.back))
		})
		if err := g.Queue.End(); err != nil {
			t.Error(err)
		}
		if n := app.count(); n != conversations*each || app.wrong > 0 {
			t.Errorf("got %d events delivered, %d out of order; want %d and none", n, app.wrong, conversations*each)
		}
	})
}
