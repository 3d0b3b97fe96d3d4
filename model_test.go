// Random traffic against a model of what was promised.

package metawebhook

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/delivery"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/pgtest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// TestModel sends random notifications with repeats to a gateway whose app
// fails and is slow, which is reloaded, and which crashes. It holds what
// happens against what is promised:
//
//   - every event of a notification that was answered 200 was delivered;
//   - no event was delivered again once its success had been recorded.
//
// META_WEBHOOK_SEED repeats a run, as far as goroutines can be repeated.
func TestModel(t *testing.T) {
	for _, deliver := range modes {
		for _, store := range []string{"memory", "file"} {
			t.Run(store+" "+deliver, func(t *testing.T) {
				options := map[string]string{
					"memory": `{"module":"memory"}`,
					"file":   fmt.Sprintf(`{"module":"file","path":%q}`, filepath.Join(t.TempDir(), "stored")),
				}[store]
				synctest.Test(t, func(t *testing.T) {
					newModel(t, deliver, options, delivery.DefaultLease).run()
				})
			})
		}
	}
}

// TestModelOnPostgres runs in real time, which is the database's.
func TestModelOnPostgres(t *testing.T) {
	server := pgtest.Start(t)
	for _, deliver := range modes {
		t.Run(deliver, func(t *testing.T) {
			options := fmt.Sprintf(`{"module":"postgres","dsn":%q,"table":%q}`, server.DSN(), "model_"+deliver)
			newModel(t, deliver, options, 500*time.Millisecond).run()
		})
	}
}

// A model is Meta, a gateway in an unsteady world, and the app behind it.
type model struct {
	t     *testing.T
	lease time.Duration
	start func() *instance

	gateway atomic.Pointer[instance] // the one that requests come to
	sending sync.WaitGroup

	mu       sync.Mutex
	random   *rand.Rand
	began    map[string]int  // how often each event has reached the app
	success  map[string]bool // events that the app has taken
	recorded map[string]bool // events whose success is recorded
	posts    map[store.Key]string
	cases    map[string]int // how often what has happened
	ended    map[*Handler]bool
}

const (
	modelEvents  = 300
	modelSenders = 8
	modelSends   = 100 // of each sender
)

func newModel(t *testing.T, deliver, storeJSON string, lease time.Duration) *model {
	seed := rand.Uint64()
	if given, err := strconv.ParseUint(os.Getenv("META_WEBHOOK_SEED"), 10, 64); err == nil {
		seed = given
	}
	t.Logf("META_WEBHOOK_SEED=%d", seed)
	m := &model{
		t: t, lease: lease,
		random: rand.New(rand.NewPCG(seed, 0)),
		began:  make(map[string]int), success: make(map[string]bool), recorded: make(map[string]bool),
		posts: make(map[store.Key]string), cases: make(map[string]int), ended: make(map[*Handler]bool),
	}
	for i := range modelEvents {
		post := fmt.Sprintf("post-%d.", i)
		parsed, err := event.Parse([]byte(modelBody(i)))
		if err != nil || len(parsed) != 1 {
			t.Fatalf("got %d events and error %v, want one", len(parsed), err)
		}
		m.posts[store.Key(parsed[0].ID())] = post
	}
	m.start = func() *instance {
		h := &Handler{
			VerifyToken: []string{testToken}, AppSecret: []string{testSecret},
			StoreRaw: []byte(storeJSON), Dedup: &delivery.Dedup{OnError: delivery.OnErrorReject},
		}
		h.Deliver = deliver
		err := h.Provision(newContext(t))
		t.Cleanup(func() { m.end(h) })
		if err != nil {
			t.Fatal(err)
		}
		h.observer.SetLogger(zap.NewNop())
		h.inline.Lease = lease
		i := &instance{model: m, Handler: h}
		wrapLedger(t, h, func(l store.Ledger) store.Ledger { return &modelStore{l, i} })
		return i
	}
	return m
}

// run runs the model, and checks in the end that nothing is missing.
func (m *model) run() {
	m.gateway.Store(m.start())
	done := make(chan struct{})
	var world sync.WaitGroup
	world.Go(func() { m.trouble(done) })
	for range modelSenders {
		m.sending.Go(func() {
			for range modelSends {
				m.send(m.pick())
				m.sleep(m.lease / 10)
			}
		})
	}
	m.sending.Wait()
	close(done)
	world.Wait()

	everything := make([]int, modelEvents)
	for i := range everything {
		everything[i] = i
	}
	m.send(everything)
	began := maps.Clone(m.began)
	m.send(everything)
	if !maps.Equal(began, m.began) {
		m.t.Errorf("got deliveries for a repeat of everything, want none")
	}
	m.t.Logf("%v", m.cases)
	for _, what := range []string{"200", "502", "503", "crash", "reload", "repeat"} {
		if m.cases[what] == 0 {
			m.t.Errorf("got no %s in the whole run, want some: %v", what, m.cases)
		}
	}
}

// trouble reloads the gateway and lets it crash until the senders are done.
func (m *model) trouble(done chan struct{}) {
	for crash := true; ; crash = !crash {
		m.sleep(m.lease)
		select {
		case <-done:
			return
		default:
		}
		before := m.gateway.Load()
		if crash {
			m.note("crash")
			before.dead.Store(true)
			m.gateway.Store(m.start())
		} else {
			m.note("reload")
			m.gateway.Store(m.start())
			m.end(before.Handler)
		}
	}
}

// end ends a configuration.
func (m *model) end(h *Handler) {
	m.mu.Lock()
	ended := m.ended[h]
	m.ended[h] = true
	m.mu.Unlock()
	if ended {
		return
	}
	if err := h.Cleanup(); err != nil {
		m.t.Errorf("Cleanup: got error %v, want none", err)
	}
}

// send sends a notification, as Meta does, until it is answered 200.
func (m *model) send(events []int) {
	for range 200 {
		i := m.gateway.Load()
		w := httptest.NewRecorder()
		err := i.ServeHTTP(w, newNotification(modelBody(events...)), &app{answer: i.app})
		if i.dead.Load() { // the answer is lost
			m.sleep(m.lease / 5)
			continue
		}
		status := w.Code
		if handlerErr, ok := errors.AsType[caddyhttp.HandlerError](err); ok {
			status = handlerErr.StatusCode
		}
		m.note(strconv.Itoa(status))
		if status == http.StatusOK {
			m.acknowledged(events)
			return
		}
		m.sleep(m.lease / 5)
	}
	m.t.Errorf("got no 200 for %v after many tries", events)
}

// acknowledged checks that what was answered 200 was delivered.
func (m *model) acknowledged(events []int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, i := range events {
		post := fmt.Sprintf("post-%d.", i)
		if !m.success[post] {
			m.t.Errorf("got 200 for %s, want it delivered", post)
		}
	}
}

// pick returns a few events, most of them among those that come often.
func (m *model) pick() []int {
	m.mu.Lock()
	defer m.mu.Unlock()
	first := m.random.IntN(modelEvents)
	events := m.random.Perm(8)[:1+m.random.IntN(6)]
	for i := range events {
		events[i] = (first + events[i]) % modelEvents
	}
	return events
}

// modelBody returns a notification of events, each in the entry that it is
// always in.
func modelBody(events ...int) string {
	entries := make([]string, len(events))
	for i, e := range events {
		entries[i] = fmt.Sprintf(`{"id":"%d","time":1700000000,"changes":[{"field":"feed","value":{"post_id":"post-%d."}}]}`, 1+e%5, e)
	}
	return `{"object":"page","entry":[` + strings.Join(entries, ",") + `]}`
}

// An instance is a gateway and its way to the app, until it crashes.
type instance struct {
	*model
	*Handler
	dead atomic.Bool
}

var errCrashed = errors.New("crashed")

var postOf = regexp.MustCompile(`post-\d+\.`)

// app is the app.
func (i *instance) app(w http.ResponseWriter, _ *http.Request, body string) error {
	m := i.model
	posts := postOf.FindAllString(body, -1)
	slices.Sort(posts)
	posts = slices.Compact(posts)
	if i.dead.Load() {
		return errCrashed
	}
	m.mu.Lock()
	again := 0
	for _, post := range posts {
		m.began[post]++
		if m.recorded[post] {
			again++
		}
	}
	if i.Deliver != delivery.Original && again > 0 || again == len(posts) {
		m.t.Errorf("got %s at the app, %d of them after their success was recorded", posts, again)
	}
	m.mu.Unlock()

	if m.chance(0.1) {
		m.sleep(3 * m.lease / 2)
	} else {
		m.sleep(m.lease / 50)
	}
	if m.chance(0.2) {
		w.WriteHeader(http.StatusServiceUnavailable)
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, post := range posts {
		m.success[post] = true
	}
	return nil
}

// A modelStore is a store whose records the model knows of, until the process
// crashes.
type modelStore struct {
	store.Ledger
	of *instance
}

func (s *modelStore) Claim(ctx context.Context, token store.Token, events []store.Key, lease time.Duration) ([]store.State, error) {
	if s.of.dead.Load() {
		return nil, errCrashed
	}
	if s.of.chance(0.02) {
		return nil, errors.New("out of order")
	}
	states, err := s.Ledger.Claim(ctx, token, events, lease)
	if slices.Contains(states, store.Delivered) {
		s.of.note("repeat")
	}
	return states, err
}

func (s *modelStore) Commit(ctx context.Context, token store.Token, events []store.Key, window time.Duration) error {
	if s.of.dead.Load() {
		return errCrashed
	}
	if err := s.Ledger.Commit(ctx, token, events, window); err != nil {
		return err
	}
	m := s.of.model
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, event := range events {
		if !m.success[m.posts[event]] {
			m.t.Errorf("got %s recorded, want it delivered first", m.posts[event])
		}
		m.recorded[m.posts[event]] = true
	}
	return nil
}

func (s *modelStore) Release(ctx context.Context, token store.Token, events []store.Key) error {
	if s.of.dead.Load() {
		return errCrashed
	}
	return s.Ledger.Release(ctx, token, events)
}

func (m *model) note(what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cases[what]++
}

func (m *model) chance(p float64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.random.Float64() < p
}

// sleep sleeps for up to a time.
func (m *model) sleep(most time.Duration) {
	m.mu.Lock()
	d := time.Duration(m.random.Int64N(int64(most)))
	m.mu.Unlock()
	time.Sleep(d)
}
