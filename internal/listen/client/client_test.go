package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/listen"
)

// A script is what a gateway answers to each request, in their order; the last
// one again and again.
type script []func(w http.ResponseWriter, r *http.Request)

// run has a client listen to a gateway, until as many messages have come as are
// wanted or it ends by itself. It returns their ids, and what was noticed.
func run(t *testing.T, messages int, retryFor time.Duration, s script) (got, notices []string, err error) {
	t.Helper()
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s[min(int(requests.Add(1)), len(s))-1](w, r)
	}))
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := Client{URL: u, Token: "t", HTTP: server.Client(), RetryFor: retryFor, Notice: func(n Notice) {
		switch {
		case n.Connected != nil:
			notices = append(notices, fmt.Sprintf("connected, again: %t", n.Again))
		case n.Lost != nil:
			notices = append(notices, "lost")
		case n.Gap != nil:
			notices = append(notices, "gap "+n.Gap.Reason)
		}
	}}
	err = c.Run(ctx, func(m *listen.Message) {
		if got = append(got, m.ID); len(got) == messages {
			cancel()
		}
	})
	return got, notices, err
}

// says answers with a stream of these lines, and ends it; or, with a | at the
// end, keeps it open.
func says(lines ...string) func(w http.ResponseWriter, r *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, line := range lines {
			if line == "|" {
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
				return
			}
			fmt.Fprint(w, line)
		}
	}
}

func hello(heartbeat string) string {
	return "id: at.0\nevent: hello\ndata: {\"name\":\"n\",\"heartbeat\":" + heartbeat + "}\n\n"
}

func message(n int) string {
	return fmt.Sprintf("id: at.%d\nevent: message\ndata: {\"key\":\"k%d\",\"id\":\"%d\"}\n\n", n, n, n)
}

// TestClientComesBackToWhereItWas has streams that end, break within an event,
// fall silent, and say again what was said before.
func TestClientComesBackToWhereItWas(t *testing.T) {
	var last []string
	note := func(f func(http.ResponseWriter, *http.Request)) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			last = append(last, r.Header.Get("Last-Event-ID"))
			f(w, r)
		}
	}
	got, notices, err := run(t, 6, time.Minute, script{
		note(says(hello("15"), message(1), message(2))),
		note(says(hello("15"), message(2), message(3), "event: gap\ndata: {\"reason\":\"dropped\",\"missed\":1}\n\n", "id: at.4\nevent: message\ndata: {\"key\":\"k4\"")),
		note(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }),
		note(says(hello("0.05"), message(4), ": comment\n\n", "id: at.5\n\n", "|")),
		note(says(hello("15"), message(6), message(7), "|")),
	})
	if want := []string{"1", "2", "3", "4", "6", "7"}; !slices.Equal(got, want) || err != nil {
		t.Errorf("got %s and error %v, want %s", got, err, want)
	}
	if want := []string{"", "at.2", "at.3", "at.3", "at.5"}; !slices.Equal(last, want) {
		t.Errorf("got the positions %q, want %q", last, want)
	}
	if want := strings.Split("connected, again: false/lost/connected, again: true/gap dropped/lost/connected, again: true/lost/connected, again: true", "/"); !slices.Equal(notices, want) {
		t.Errorf("got %q, want %q", notices, want)
	}
}

func TestClientEndsAtOnceIfItIsRefused(t *testing.T) {
	for _, status := range []int{301, 400, 401, 403, 404, 405} {
		refusal := func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "advice", status) }
		for name, s := range map[string]script{"at first": {refusal}, "later": {says(hello("15")), refusal}} {
			_, _, err := run(t, 1, time.Hour, s)
			if r, ok := errors.AsType[*RefusedError](err); !ok || r.Status != status || r.Text != "advice" {
				t.Errorf("%d %s: got error %v, want that refusal", status, name, err)
			}
		}
	}
	html := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<!doctype html>") }
	if _, _, err := run(t, 1, time.Hour, script{html}); !isRefusal(err) {
		t.Errorf("got error %v for a page, want that it is no stream", err)
	}
}

func TestClientGivesUp(t *testing.T) {
	unavailable := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }
	if _, _, err := run(t, 1, time.Hour, script{unavailable}); err == nil || isRefusal(err) {
		t.Errorf("got error %v, want that there is no stream at first", err)
	}
	_, _, err := run(t, 1, time.Millisecond, script{says(hello("15")), unavailable})
	if err == nil || !strings.HasPrefix(err.Error(), "no way back within 1ms: 503") {
		t.Errorf("got error %v, want that there is no way back", err)
	}
}

func TestClientEndsWithTheStream(t *testing.T) {
	got, _, err := run(t, 9, time.Hour, script{says(hello("15"), message(1), "event: end\ndata: {}\n\n", "|")})
	if len(got) != 1 || err != nil {
		t.Errorf("got %s and error %v, want the one message", got, err)
	}
}

func TestEventsOfAStream(t *testing.T) {
	lines := "\n: comment\n\nid: 1\r\nevent:a\r\ndata: x\r\ndata:y\r\n\r\nid: 2\n\nunknown: z\n\ndata\n\ndata: cut off"
	r := eventReader{bufio.NewReaderSize(strings.NewReader(lines), 16), func() {}, maxEvent}
	for _, want := range []string{`{1 a "x\ny"}`, `{2  ""}`, `{  ""}`} {
		e, err := r.next()
		if got := fmt.Sprintf("{%s %s %q}", e.id, e.name, e.data); got != want || err != nil {
			t.Errorf("got %s and error %v, want %s", got, err, want)
		}
	}
	if e, err := r.next(); err == nil {
		t.Errorf("got %+v, want no event that was cut off", e)
	}
}

// TestEventsAreBounded has a gateway send an event without end, on one line and
// on many, and a position that no client could send back.
func TestEventsAreBounded(t *testing.T) {
	for name, lines := range map[string]string{
		"one line":         "data: " + strings.Repeat("x", 1000),
		"many lines":       strings.Repeat("data: x\n", 1000),
		"unknown fields":   strings.Repeat("x\n", 1000),
		"many comments":    strings.Repeat(":\n", 1000),
		"many event names": strings.Repeat("event: x\n", 1000),
	} {
		r := eventReader{bufio.NewReaderSize(strings.NewReader(lines), 16), func() {}, 500}
		if _, err := r.next(); !errors.Is(err, errTooLong) {
			t.Errorf("%s: got error %v, want %v", name, err, errTooLong)
		}
	}
	r := eventReader{bufio.NewReaderSize(strings.NewReader("id: a\x00b\n\n"+strings.Repeat("data: x\n\n", 1000)), 16), func() {}, 500}
	for range 1001 {
		if e, err := r.next(); err != nil || e.id != "" {
			t.Fatalf("got the position %q and error %v, want none", e.id, err)
		}
	}
}

// FuzzEvents has a gateway send anything.
func FuzzEvents(f *testing.F) {
	f.Add([]byte(hello("15") + message(1) + ": comment\n\n"))
	f.Add([]byte("id: 1\r\nevent:a\r\ndata: x\r\ndata:y\r\n\r\nid: 2\n\nunknown: z\n\ndata\n\ndata: cut off"))
	f.Add([]byte("data\n\n\n\nid\x00:\x00\n:\n\n\xff: \xff\n\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		const most = 64
		r := eventReader{bufio.NewReaderSize(strings.NewReader(string(stream)), 16), func() {}, most}
		for events := 0; ; events++ {
			e, err := r.next()
			if err != nil {
				return
			}
			if size := len(e.id) + len(e.name) + len(e.data); size > most || events > len(stream)/2 {
				t.Fatalf("got event %d of %d bytes of a stream of %d, want at most %d", events, size, len(stream), most)
			}
			if strings.ContainsAny(e.id, "\n\x00") {
				t.Errorf("got the position %q, which no header can have", e.id)
			}
		}
	})
}

func TestRecentKeysAreBounded(t *testing.T) {
	var r recent
	for i := range remembered + 10 {
		if !r.add(fmt.Sprint(i)) || r.add(fmt.Sprint(i)) {
			t.Fatalf("key %d: got no new one, or one that is new twice", i)
		}
	}
	if len(r.keys) != remembered || !r.add("0") || r.add("11") {
		t.Errorf("got %d keys, want the latest %d", len(r.keys), remembered)
	}
}
