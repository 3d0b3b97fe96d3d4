package integration_test

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

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/caddyproc"
)

// A meta is Meta, which sends a notification until it is answered 200.
type meta struct {
	t      *testing.T
	ledger *ledger
	random *rand.Rand
	client *http.Client

	answers map[int]int // how often each status was answered; 0: the connection broke
}

func newMeta(t *testing.T, l *ledger, random *rand.Rand) *meta {
	tr := &http.Transport{MaxIdleConnsPerHost: 4}
	t.Cleanup(tr.CloseIdleConnections)
	return &meta{t: t, ledger: l, random: random, client: &http.Client{Transport: tr, Timeout: patience}, answers: make(map[int]int)}
}

// send sends a notification of the events of these posts.
func (m *meta) send(to *caddyproc.Process, posts ...string) {
	const longest = 50 * time.Millisecond
	pause := time.Millisecond
	for deadline := time.Now().Add(2 * patience); time.Now().Before(deadline); pause = min(2*pause, longest) {
		if m.once(to, posts) == http.StatusOK {
			return
		}
		time.Sleep(pause + time.Duration(m.random.Int64N(int64(pause))))
	}
	m.t.Errorf("got no 200 for the events %s in %v", brief(posts), 2*patience)
}

// once sends a notification of the events of these posts, and returns the
// status of the answer, or 0 if the connection breaks.
func (m *meta) once(to *caddyproc.Process, posts []string) int {
	changes := m.ledger.send(posts)
	status := m.try(to, pageOf(posts))
	m.answers[status]++
	if status == http.StatusOK {
		m.ledger.answered200(posts, changes)
	}
	return status
}

// try sends a signed body.
func (m *meta) try(to *caddyproc.Process, body []byte) int {
	return m.trySigned(to, body, sign(appSecret, body))
}

// trySigned sends a body with a signature, or without one if that is empty.
func (m *meta) trySigned(to *caddyproc.Process, body []byte, signature string) int {
	r, err := http.NewRequestWithContext(m.t.Context(), http.MethodPost, to.URL(callback), bytes.NewReader(body))
	if err != nil {
		m.t.Error(err)
		return 0
	}
	r.Header.Set("Content-Type", "application/json")
	if signature != "" {
		r.Header.Set(signatureHeader, signature)
	}
	a, err := send(m.client, r)
	if err != nil {
		return 0
	}
	return a.status
}

// pageOf returns a notification of posts, each in the entry that it is always
// in.
func pageOf(posts []string) []byte {
	entries := make([][]string, 3)
	for _, post := range posts {
		h := fnv.New32a()
		h.Write([]byte(post))
		e := int(h.Sum32() % uint32(len(entries)))
		entries[e] = append(entries[e], post)
	}
	return page(entries...)
}

// A traffic is several senders at work at the same time.
type traffic struct {
	senders []*meta
	running sync.WaitGroup
	done    chan struct{}
}

// newTraffic has so many senders send random events, with repeats, to any of
// the processes, until it is stopped. Two of them always send the same events.
// After a while each goes on to others, lest an event that cannot be delivered
// for now holds it up for good.
func newTraffic(t *testing.T, s seed, l *ledger, senders int, to ...*caddyproc.Process) *traffic {
	const chapter = 10
	r := &traffic{done: make(chan struct{})}
	for i := range senders {
		m := newMeta(t, l, s.random("sender "+strconv.Itoa(i)))
		r.senders = append(r.senders, m)
		r.running.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-r.done:
					return
				default:
					sequence := fmt.Sprintf("%d.%d", i/2, n/chapter)
					m.send(to[m.random.IntN(len(to))], some(m.random, sequence, n%chapter)...)
				}
			}
		})
	}
	t.Cleanup(r.stop)
	return r
}

// stop ends the traffic, once everything sent was answered 200.
func (r *traffic) stop() {
	select {
	case <-r.done:
	default:
		close(r.done)
	}
	r.running.Wait()
}

// answers returns how often each status was answered; 0 is a connection that
// broke. The traffic must have been stopped.
func (r *traffic) answers() map[int]int {
	sum := make(map[int]int)
	for _, m := range r.senders {
		for status, times := range m.answers {
			sum[status] += times
		}
	}
	return sum
}

// everything sends every event that was answered 200 once more.
func (l *ledger) everything(s seed, to *caddyproc.Process) {
	l.t.Helper()
	const most = 100 // in a notification
	m := newMeta(l.t, l, s.random("everything"))
	for posts := range slices.Chunk(l.events(), most) {
		m.send(to, posts...)
	}
}

// wantNothingNew sends every event once more, and fails the test if any of
// them reaches the app.
func (l *ledger) wantNothingNew(s seed, to *caddyproc.Process) {
	l.t.Helper()
	before := l.deliveries()
	l.everything(s, to)
	if got := l.deliveries() - before; got != 0 {
		l.t.Errorf("got %d events at the app for a repeat of everything, want none", got)
	}
}

// some returns a few posts of a sequence, about its i-th: repeats of what came
// just before, and what comes next.
func some(random *rand.Rand, sequence string, i int) []string {
	posts := make([]string, 0, 6)
	for _, offset := range random.Perm(10)[:1+random.IntN(6)] {
		posts = append(posts, sequence+"-"+strconv.Itoa(max(0, i+offset-6)))
	}
	return slices.Compact(slices.Sorted(slices.Values(posts)))
}
