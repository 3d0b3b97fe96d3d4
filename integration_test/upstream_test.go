package integration_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// An upstream is the app: an HTTP server that keeps what it gets.
type upstream struct {
	t       *testing.T
	addr    string
	respond func(http.ResponseWriter, received)

	mu    sync.Mutex
	got   []received
	conns map[net.Conn]struct{} // that are open
}

// received is a request that an upstream has got.
type received struct {
	ctx     context.Context
	method  string
	uri     string
	host    string
	proto   string
	length  int64
	header  http.Header
	trailer http.Header
	body    string
}

// newUpstream starts an upstream that answers with respond, or 200.
func newUpstream(t *testing.T, respond func(http.ResponseWriter, received)) *upstream {
	t.Helper()
	u := &upstream{t: t, respond: respond, conns: make(map[net.Conn]struct{})}
	server := httptest.NewUnstartedServer(u)
	server.Config.ConnState = u.connected
	server.Start()
	u.addr = server.Listener.Addr().String()
	t.Cleanup(server.Close)
	return u
}

// answering returns the respond of an upstream that answers with a status.
func answering(status int) func(http.ResponseWriter, received) {
	return func(w http.ResponseWriter, _ received) { w.WriteHeader(status) }
}

// ServeHTTP keeps a request that has arrived whole, and answers it.
func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	got := received{r.Context(), r.Method, r.RequestURI, r.Host, r.Proto, r.ContentLength, r.Header, r.Trailer, string(body)}
	u.mu.Lock()
	u.got = append(u.got, got)
	u.mu.Unlock()
	if u.respond != nil {
		u.respond(w, got)
	}
}

// connected keeps who is connected.
func (u *upstream) connected(conn net.Conn, state http.ConnState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if state == http.StateClosed || state == http.StateHijacked {
		delete(u.conns, conn)
	} else {
		u.conns[conn] = struct{}{}
	}
}

// idle tells whether nobody is connected, so that nothing more can come from
// somebody who is gone.
func (u *upstream) idle() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.conns) == 0
}

// requests returns what has arrived so far.
func (u *upstream) requests() []received {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.got)
}

// forget makes the upstream one that nothing has reached.
func (u *upstream) forget() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.got = nil
}

// only returns the one request that has arrived, and ends the test if there
// is none or more.
func (u *upstream) only() received {
	u.t.Helper()
	got := u.requests()
	if len(got) != 1 {
		u.t.Fatalf("got %d requests upstream, want 1", len(got))
	}
	return got[0]
}

// wantNone fails the test if anything has reached the upstream.
func (u *upstream) wantNone() {
	u.t.Helper()
	for _, got := range u.requests() {
		u.t.Errorf("got %s %s with %q upstream, want nothing to reach it", got.method, got.uri, got.body)
	}
}

// wantPosts fails the test unless the upstream has got the events of these
// posts, one a request and each once, in any order.
func (u *upstream) wantPosts(want ...string) {
	u.t.Helper()
	got := postsOf(u.t, u.requests())
	slices.Sort(got)
	want = slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		u.t.Errorf("got the events %s upstream, want %s", brief(got), brief(want))
	}
}

// wantHeaders fails the test unless a request has these headers.
func wantHeaders(t *testing.T, got received, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if s := got.header.Get(name); s != value {
			t.Errorf("got %s: %q upstream, want %q", name, s, value)
		}
	}
}

// brief is a list that fits on a screen.
func brief(list []string) string {
	if len(list) > 20 {
		return strings.Join(list[:20], " ") + " and more"
	}
	return strings.Join(list, " ")
}

// A cloudEvent is what the tests look at in an event.
type cloudEvent struct {
	SpecVersion string `json:"specversion"`
	ID          string `json:"id"`
	Source      string `json:"source"`
	Type        string `json:"type"`
	Entry       string `json:"metaentry"`
	Field       string `json:"metafield"`
	Data        struct {
		PostID string `json:"post_id"`
	} `json:"data"`
}

// decode reads JSON into a T, and ends the test if it cannot.
func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("got %.200q, want JSON: %v", text, err)
	}
	return v
}

// postsOf returns the post ids of requests of one event each, in their order.
func postsOf(t *testing.T, requests []received) []string {
	t.Helper()
	ids := make([]string, len(requests))
	for i, r := range requests {
		ids[i] = decode[cloudEvent](t, r.body).Data.PostID
	}
	return ids
}

// A gate lets those who reach an upstream wait for their answer.
type gate struct {
	open    chan struct{}
	release func() // answers everyone from now on

	mu      sync.Mutex
	waiting int
	most    int // that have ever waited at once
}

// newGatedUpstream starts an upstream whose gate is closed.
func newGatedUpstream(t *testing.T) (*upstream, *gate) {
	t.Helper()
	g := &gate{open: make(chan struct{})}
	g.release = sync.OnceFunc(func() { close(g.open) })
	u := newUpstream(t, func(http.ResponseWriter, received) { g.wait() })
	t.Cleanup(g.release)
	return u, g
}

func (g *gate) wait() {
	g.count(1)
	<-g.open
	g.count(-1)
}

func (g *gate) count(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting += n
	g.most = max(g.most, g.waiting)
}

// counts returns how many wait, and how many have ever waited at once.
func (g *gate) counts() (waiting, most int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waiting, g.most
}
