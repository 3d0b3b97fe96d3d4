package harness

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

// An Upstream is the app: an HTTP server that keeps what it gets.
type Upstream struct {
	t       *testing.T
	Addr    string
	respond func(http.ResponseWriter, Received)

	mu    sync.Mutex
	got   []Received
	conns map[net.Conn]struct{} // that are open
}

// Received is a request that an upstream has got.
type Received struct {
	Ctx     context.Context
	Method  string
	URI     string
	Host    string
	proto   string
	Length  int64
	Header  http.Header
	Trailer http.Header
	Body    string
}

// NewUpstream starts an upstream that answers with respond, or 200.
func NewUpstream(t *testing.T, respond func(http.ResponseWriter, Received)) *Upstream {
	t.Helper()
	u := &Upstream{t: t, respond: respond, conns: make(map[net.Conn]struct{})}
	server := httptest.NewUnstartedServer(u)
	server.Config.ConnState = u.connected
	server.Start()
	u.Addr = server.Listener.Addr().String()
	t.Cleanup(server.Close)
	return u
}

// Answering returns the respond of an upstream that answers with a status.
func Answering(status int) func(http.ResponseWriter, Received) {
	return func(w http.ResponseWriter, _ Received) { w.WriteHeader(status) }
}

// ServeHTTP keeps a request that has arrived whole, and answers it.
func (u *Upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	got := Received{r.Context(), r.Method, r.RequestURI, r.Host, r.Proto, r.ContentLength, r.Header, r.Trailer, string(body)}
	u.mu.Lock()
	u.got = append(u.got, got)
	u.mu.Unlock()
	if u.respond != nil {
		u.respond(w, got)
	}
}

// connected keeps who is connected.
func (u *Upstream) connected(conn net.Conn, state http.ConnState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if state == http.StateClosed || state == http.StateHijacked {
		delete(u.conns, conn)
	} else {
		u.conns[conn] = struct{}{}
	}
}

// Idle reports whether no client is connected, so that nothing more can come from
// a gateway that has ended.
func (u *Upstream) Idle() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.conns) == 0
}

// Requests returns what has arrived so far.
func (u *Upstream) Requests() []Received {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.got)
}

// Forget makes the upstream one that nothing has reached.
func (u *Upstream) Forget() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.got = nil
}

// Only returns the one request that has arrived, and ends the test if there
// is none or more.
func (u *Upstream) Only() Received {
	u.t.Helper()
	got := u.Requests()
	if len(got) != 1 {
		u.t.Fatalf("got %d requests upstream, want 1", len(got))
	}
	return got[0]
}

// WantNone fails the test if anything has reached the upstream.
func (u *Upstream) WantNone() {
	u.t.Helper()
	for _, got := range u.Requests() {
		u.t.Errorf("got %s %s with %q upstream, want nothing to reach it", got.Method, got.URI, got.Body)
	}
}

// WantReached fails the test unless anything has reached the upstream, or
// nothing, as wanted.
func WantReached(t *testing.T, u *Upstream, want bool) {
	t.Helper()
	if got := len(u.Requests()) > 0; got != want {
		t.Errorf("reached the upstream: got %v, want %v", got, want)
	}
}

// WantPosts fails the test unless the upstream has got the events of these
// posts, one a request and each once, in any order.
func (u *Upstream) WantPosts(want ...string) {
	u.t.Helper()
	got := PostsOf(u.t, u.Requests())
	slices.Sort(got)
	want = slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		u.t.Errorf("got the events %s upstream, want %s", Brief(got), Brief(want))
	}
}

// WantHeaders fails the test unless a request has these headers.
func WantHeaders(t *testing.T, got Received, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if s := got.Header.Get(name); s != value {
			t.Errorf("got %s: %q upstream, want %q", name, s, value)
		}
	}
}

// Brief is a list that fits on a screen.
func Brief(list []string) string {
	if len(list) > 20 {
		return strings.Join(list[:20], " ") + " and more"
	}
	return strings.Join(list, " ")
}

// A CloudEvent is what the tests look at in an event.
type CloudEvent struct {
	SpecVersion  string `json:"specversion"`
	ID           string `json:"id"`
	Source       string `json:"source"`
	Type         string `json:"type"`
	Entry        string `json:"metaentry"`
	Field        string `json:"metafield"`
	Subject      string `json:"subject"`
	PartitionKey string `json:"partitionkey"`
	Data         struct {
		PostID string `json:"post_id"`
	} `json:"data"`
}

// Decode reads JSON into a T, and ends the test if it cannot.
func Decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("got %.200q, want JSON: %v", text, err)
	}
	return v
}

// PostsOf returns the post ids of requests of one event each, in their order.
func PostsOf(t *testing.T, requests []Received) []string {
	t.Helper()
	ids := make([]string, len(requests))
	for i, r := range requests {
		ids[i] = Decode[CloudEvent](t, r.Body).Data.PostID
	}
	return ids
}

// A Gate holds back the answers of an upstream.
type Gate struct {
	open    chan struct{}
	Release func() // answers everyone from now on

	mu      sync.Mutex
	waiting int
	most    int // that have ever waited at once
}

// NewGatedUpstream starts an upstream whose gate is closed.
func NewGatedUpstream(t *testing.T) (*Upstream, *Gate) {
	t.Helper()
	g := &Gate{open: make(chan struct{})}
	g.Release = sync.OnceFunc(func() { close(g.open) })
	u := NewUpstream(t, func(http.ResponseWriter, Received) { g.wait() })
	t.Cleanup(g.Release)
	return u, g
}

func (g *Gate) wait() {
	g.count(1)
	<-g.open
	g.count(-1)
}

func (g *Gate) count(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting += n
	g.most = max(g.most, g.waiting)
}

// Counts returns how many wait, and how many have ever waited at once.
func (g *Gate) Counts() (waiting, most int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waiting, g.most
}
