package harness

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/caddyproc"
)

// A Meta is Meta, which sends a notification until it is answered 200.
type Meta struct {
	T      *testing.T
	Ledger *Ledger
	Random *rand.Rand
	Client *http.Client

	Answers map[int]int // how often each status was answered; 0: the connection broke
}

// NewMeta returns a sender that keeps its ledger, and whose pauses are random.
func NewMeta(t *testing.T, l *Ledger, random *rand.Rand) *Meta {
	tr := &http.Transport{MaxIdleConnsPerHost: 4}
	t.Cleanup(tr.CloseIdleConnections)
	return &Meta{T: t, Ledger: l, Random: random, Client: &http.Client{Transport: tr, Timeout: Patience}, Answers: make(map[int]int)}
}

// Send sends a notification of the events of these posts.
func (m *Meta) Send(to *caddyproc.Process, posts ...string) {
	const longest = 50 * time.Millisecond
	pause := time.Millisecond
	for deadline := time.Now().Add(2 * Patience); time.Now().Before(deadline); pause = min(2*pause, longest) {
		if m.Once(to, posts) == http.StatusOK {
			return
		}
		time.Sleep(pause + time.Duration(m.Random.Int64N(int64(pause))))
	}
	m.T.Errorf("got no 200 for the events %s in %v", Brief(posts), 2*Patience)
}

// Once sends a notification of the events of these posts, and returns the
// status of the answer, or 0 if the connection breaks.
func (m *Meta) Once(to *caddyproc.Process, posts []string) int {
	changes := m.Ledger.Send(posts)
	status := m.Try(to, PageOf(posts))
	m.Answers[status]++
	if status == http.StatusOK {
		m.Ledger.answered200(posts, changes)
	}
	return status
}

// Try sends a signed body.
func (m *Meta) Try(to *caddyproc.Process, body []byte) int {
	return m.TrySigned(to, body, Sign(AppSecret, body))
}

// TrySigned sends a body with a signature, or without one if that is empty.
func (m *Meta) TrySigned(to *caddyproc.Process, body []byte, signature string) int {
	r, err := http.NewRequestWithContext(m.T.Context(), http.MethodPost, to.URL(Callback), bytes.NewReader(body))
	if err != nil {
		m.T.Error(err)
		return 0
	}
	r.Header.Set("Content-Type", "application/json")
	if signature != "" {
		r.Header.Set(SignatureHeader, signature)
	}
	a, err := Send(m.Client, r)
	if err != nil {
		return 0
	}
	return a.Status
}

// PageOf returns a notification of posts, each in the entry that it is always
// in.
func PageOf(posts []string) []byte {
	entries := make([][]string, 3)
	for _, post := range posts {
		h := fnv.New32a()
		h.Write([]byte(post))
		e := int(h.Sum32() % uint32(len(entries)))
		entries[e] = append(entries[e], post)
	}
	return Page(entries...)
}

// A Traffic is several senders at work at the same time.
type Traffic struct {
	senders []*Meta
	running sync.WaitGroup
	done    chan struct{}
}

// NewTraffic has so many senders send random events, with repeats, to any of
// the processes, until it is stopped. Two of them always send the same events.
// After a while each goes on to others, lest an event that cannot be delivered
// for now holds it up for good.
func NewTraffic(t *testing.T, s Seed, l *Ledger, senders int, to ...*caddyproc.Process) *Traffic {
	const chapter = 10
	return TrafficOf(t, s, l, senders, func(i int, m *Meta, done <-chan struct{}) {
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			default:
				sequence := fmt.Sprintf("%d.%d", i/2, n/chapter)
				m.Send(to[m.Random.IntN(len(to))], Some(m.Random, sequence, n%chapter)...)
			}
		}
	})
}

// TrafficOf has so many senders at work, each in a goroutine of its own, until
// they are told that they are done.
func TrafficOf(t *testing.T, s Seed, l *Ledger, senders int, work func(i int, m *Meta, done <-chan struct{})) *Traffic {
	r := &Traffic{done: make(chan struct{})}
	for i := range senders {
		m := NewMeta(t, l, s.Random("sender "+strconv.Itoa(i)))
		r.senders = append(r.senders, m)
		r.running.Go(func() { work(i, m, r.done) })
	}
	t.Cleanup(r.Stop)
	return r
}

// Stop ends the traffic, once everything sent was answered 200.
func (r *Traffic) Stop() {
	select {
	case <-r.done:
	default:
		close(r.done)
	}
	r.running.Wait()
}

// Answers returns how often each status was answered; 0 is a connection that
// broke. The traffic must have been stopped.
func (r *Traffic) Answers() map[int]int {
	sum := make(map[int]int)
	for _, m := range r.senders {
		for status, times := range m.Answers {
			sum[status] += times
		}
	}
	return sum
}

// Everything sends every event that was answered 200 once more.
func (l *Ledger) Everything(s Seed, to *caddyproc.Process) {
	l.t.Helper()
	const most = 100 // in a notification
	m := NewMeta(l.t, l, s.Random("everything"))
	for posts := range slices.Chunk(l.Events(), most) {
		m.Send(to, posts...)
	}
}

// WantNothingNew sends every event once more, and fails the test if any of
// them reaches the app.
func (l *Ledger) WantNothingNew(s Seed, to *caddyproc.Process) {
	l.t.Helper()
	before := l.Deliveries()
	l.Everything(s, to)
	if got := l.Deliveries() - before; got != 0 {
		l.t.Errorf("got %d events at the app for a repeat of everything, want none", got)
	}
}

// Some returns a few posts of a sequence, about its i-th: repeats of what came
// just before, and what comes next.
func Some(random *rand.Rand, sequence string, i int) []string {
	posts := make([]string, 0, 6)
	for _, offset := range random.Perm(10)[:1+random.IntN(6)] {
		posts = append(posts, sequence+"-"+strconv.Itoa(max(0, i+offset-6)))
	}
	return slices.Compact(slices.Sorted(slices.Values(posts)))
}
