package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// The upstream finds an update in whatever form it comes.
func TestIDsInABody(t *testing.T) {
	for _, w := range workloads {
		if w.method != http.MethodPost {
			continue
		}
		s := newSource(w, "127.0.0.1:1", 3*idsEach)
		s.make()
		var want []uint64
		for i := range w.updates {
			want = append(want, uint64(3*idsEach+i))
		}
		if got := appendIDs(nil, s.body); !slices.Equal(got, want) {
			t.Errorf("%s: got the ids %v, want %v", w.name, got, want)
		}
		events, err := event.Parse(s.body)
		if err != nil {
			t.Fatal(err)
		}
		var got []uint64
		for i := range events {
			text, err := events[i].MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, appendIDs(nil, text)...)
		}
		if got = slices.Compact(got); !slices.Equal(got, want) {
			t.Errorf("%s, as CloudEvents: got the ids %v, want %v", w.name, got, want)
		}
	}
	for _, body := range []string{"", "wamid.", `"wamid."`, `"wamid.123"`, `"wamid.000000000000000g"`, "wamid"} {
		if got := appendIDs(nil, []byte(body)); got != nil {
			t.Errorf("%q: got the ids %v, want none", body, got)
		}
	}
}

func TestAnIDCountsOnce(t *testing.T) {
	s := seen{lanes: make(map[uint64][]uint64)}
	for _, id := range []uint64{0, 1, 63, 64, 1, idsEach, idsEach + 1000, 0, idsEach} {
		s.add(id)
	}
	if s.count != 6 {
		t.Errorf("got %d ids, want 6", s.count)
	}
}

func newUpstream(t *testing.T) *upstream {
	t.Helper()
	up, err := startUpstream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = up.conn.Close() })
	return up
}

// post sends the upstream a message, and calls then with the status of the
// answer.
func post(t *testing.T, up *upstream, ids ...uint64) (status func() int) {
	t.Helper()
	conn, err := net.Dial("tcp", up.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	var body strings.Builder
	for _, id := range ids {
		fmt.Fprintf(&body, `{"id":"wamid.%016x"}`, id)
	}
	if _, err := fmt.Fprintf(conn, "POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s", body.Len(), &body); err != nil {
		t.Fatal(err)
	}
	return func() int {
		_ = conn.SetDeadline(time.Now().Add(patience))
		h, err := readMessage(bufio.NewReader(conn), nil)
		if err != nil {
			t.Error(err)
		}
		return h.status
	}
}

func TestUpstreamCountsRequestsAndEvents(t *testing.T) {
	up := newUpstream(t)
	for _, ids := range [][]uint64{{1, 2, 3}, {2}, {}, {4, 4}} {
		if got := post(t, up, ids...)(); got != http.StatusOK {
			t.Errorf("got %d, want 200", got)
		}
	}
	if got, err := up.count(); err != nil || got != (counts{requests: 4, events: 4}) {
		t.Errorf("got %+v, %v; want 4 requests with 4 events", got, err)
	}
}

// While it pauses, the upstream has got an event and not answered. The end of
// the pause is the end of all that wait.
func TestUpstreamPauses(t *testing.T) {
	up := newUpstream(t)
	if err := up.pause(time.Hour); err != nil {
		t.Fatal(err)
	}
	status := post(t, up, 1)
	if err := up.await(1); err != nil {
		t.Fatal(err)
	}
	answered := make(chan int, 1)
	go func() { answered <- status() }()
	select {
	case got := <-answered:
		t.Fatalf("got %d during the pause, want no answer", got)
	case <-time.After(50 * time.Millisecond):
	}
	if err := up.pause(0); err != nil {
		t.Fatal(err)
	}
	if got := <-answered; got != http.StatusOK {
		t.Errorf("got %d after the pause, want 200", got)
	}
}

// A gateway answers every notification, and forwards only some: a run with it
// ends with an error that says so.
func TestEventsThatDoNotArriveFailTheRun(t *testing.T) {
	readSelf(t)
	idle, err := start(t.Context(), t.TempDir(), nil, "/bin/sleep", "600") // what is measured
	if err != nil {
		t.Fatal(err)
	}
	defer idle.stop()
	for _, tc := range []struct {
		name    string
		gathers bool
		forward func(n int, body []byte) [][]byte
		want    string // in the error
	}{
		{"all but one", true, func(n int, body []byte) [][]byte {
			if n == 5 {
				return nil
			}
			return [][]byte{body}
		}, "1 events that were answered have not reached the upstream"},
		{"one in place of another", true, func(n int, body []byte) [][]byte {
			if n == 5 {
				return nil
			}
			return [][]byte{body, body}
		}, "1 events that were answered have not reached the upstream"},
		{"one twice", false, func(n int, body []byte) [][]byte {
			if n == 5 {
				return [][]byte{body, body}
			}
			return [][]byte{body}
		}, "requests have reached the upstream, want"},
	} {
		up := newUpstream(t)
		up.patience = 200 * time.Millisecond
		addr := leaky(t, up, tc.forward)
		s := &server{process: idle, workload: workloads[0], addr: addr, contender: &contender{forwards: forwardsEach, gathers: tc.gathers}}
		_, err := measure(load{workload: workloads[0], connections: 1, duration: 50 * time.Millisecond}, s, up)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got error %v, want one with %q", tc.name, err, tc.want)
		}
	}
}

// At a rate, a connection waits for the time of its next request.
func TestLoadAtARate(t *testing.T) {
	readSelf(t)
	up := newUpstream(t)
	l := load{workload: workloads[0], connections: 1, rate: 20, duration: 500 * time.Millisecond, want: http.StatusOK}
	nothing := func(int) error { return nil }
	r, err := l.run(up.addr, nothing, nothing)
	if err != nil || len(r.latencies) == 0 || len(r.latencies) > 10 {
		t.Errorf("got %d requests in half a second, %v; want 10 or, on a busy machine, fewer", len(r.latencies), err)
	}
}

// leaky returns the address of a server that answers 200, and forwards what
// forward makes of each request.
func leaky(t *testing.T, up *upstream, forward func(n int, body []byte) [][]byte) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		app, err := net.Dial("tcp", up.addr)
		if err != nil {
			return
		}
		defer app.Close()
		r, answers := bufio.NewReader(conn), bufio.NewReader(app)
		for n := 0; ; n++ {
			var body []byte
			if _, err := readMessage(r, func(part []byte) { body = append(body, part...) }); err != nil {
				return
			}
			for _, message := range forward(n, body) {
				_, _ = fmt.Fprintf(app, "POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s", len(message), message)
				_, _ = readMessage(answers, nil)
			}
			_, _ = conn.Write(okResponse)
		}
	}()
	return l.Addr().String()
}
