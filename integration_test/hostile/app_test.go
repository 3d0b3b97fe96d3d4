package hostile

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/freeport"
)

// A hostileApp is an app that answers with bytes of its own making, on a
// connection for each request.
type hostileApp struct {
	addr string

	mu       sync.Mutex
	answer   func(net.Conn) // nil for a plain 200
	requests int
}

func newHostileApp(t *testing.T) *hostileApp {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	a := &hostileApp{addr: listener.Addr().String()}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go a.serve(conn)
		}
	}()
	return a
}

func (a *hostileApp) serve(conn net.Conn) {
	defer conn.Close()
	r, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	a.mu.Lock()
	answer := a.answer
	a.requests++
	a.mu.Unlock()
	if answer == nil {
		answer = says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	}
	answer(conn)
}

// set sets what the app answers with from now on.
func (a *hostileApp) set(answer func(net.Conn)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = answer
}

// asked returns how many requests the app has had.
func (a *hostileApp) asked() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.requests
}

// says answers with a text.
func says(text string) func(net.Conn) {
	return func(conn net.Conn) { _, _ = io.WriteString(conn, text) }
}

// forever answers with a text, and then with another, again and again.
func forever(first, again string, pause time.Duration) func(net.Conn) {
	return func(conn net.Conn) {
		_, err := io.WriteString(conn, first)
		for err == nil {
			_, err = io.WriteString(conn, again)
			time.Sleep(pause)
		}
	}
}

// A hostileAnswer is one that an app may give, and the causes any of which the
// failure of the attempt may have.
type hostileAnswer struct {
	name   string
	answer func(net.Conn)
	causes string
}

func hostileAnswers() []hostileAnswer {
	const ok = "HTTP/1.1 200 OK\r\n"
	kilobyte := strings.Repeat("\x1b\x00\xffb", 256)
	megabyteOfText := strings.Repeat("0123456789abcdef", megabyte/16)
	return []hostileAnswer{
		{"a megabyte in place of the status", says(megabyteOfText + "\r\n\r\n"), "http_502"},
		{"a megabyte in place of a header", says(ok + megabyteOfText + "\r\n\r\n"), "http_502"},
		{"control characters in place of a header", says(ok + kilobyte + "\r\n\r\n"), "http_502"},
		{"control characters in a header's name", says(ok + "X-\x1b\x00\xff: y\r\n\r\n"), "http_502"},
		{"headers of nine megabytes", says("HTTP/1.1 500 No\r\nX-A: " + strings.Repeat(megabyteOfText, 9) + "\r\nContent-Length: 0\r\n\r\n"), "http_500 timeout"},
		{"headers without end", forever(ok, "X-A: "+kilobyte[4:8]+megabyteOfText+"\r\n", 0), "http_502 timeout"},
		{"a body without end", forever(ok+"\r\n", megabyteOfText, 0), "timeout"},
		{"a body that trickles", forever(ok+"\r\n", "x", time.Millisecond), "timeout"},
		{"a body that never begins", forever(ok+"Content-Length: 5\r\n\r\n", "", time.Millisecond), "timeout"},
		{"an answer that never begins", forever("", "", time.Millisecond), "timeout http_504"},
		{"a body that is cut off", says(ok + "Content-Length: 5\r\n\r\nx"), "aborted"},
		{"a chunk without end", says(ok + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx"), "aborted"},
		{"chunks that are malformed", says(ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\n"), "aborted"},
		{"two lengths", says(ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"), "http_502"},
		{"a body that is not gzip", says(ok + "Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx"), "aborted http_502"},
		{"early hints without end", forever("", "HTTP/1.1 103 Early Hints\r\nX-A: "+megabyteOfText+"\r\n\r\n", 0), "http_502 timeout http_504"},
		{"go on without end", forever("", "HTTP/1.1 100 Continue\r\n\r\n", 0), "http_502 timeout http_504"},
		{"another protocol", says("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"), "no_answer http_502"},
		{"a status of one digit", says("HTTP/1.1 2 OK\r\n\r\n"), "http_502"},
		{"a status beyond those that there are", says("HTTP/1.1 999 OK\r\nContent-Length: 0\r\n\r\n"), "http_999"},
		{"a redirect to elsewhere", says("HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"), "http_307"},
		{"no time to try again in", says("HTTP/1.1 429 Later\r\nRetry-After: -5\r\nContent-Length: 0\r\n\r\n"), "http_429"},
		{"a body of control characters", says("HTTP/1.1 400 No\r\nContent-Length: 1024\r\n\r\n" + kilobyte), "http_400"},
		{"nothing", says(""), "http_502"},
	}
}

// TestHostileApp has the app of a destination answer as none would. Each
// attempt is a failure that takes little room, wherever it is told; what comes
// after it is delivered, and so is everything at the destination beside.
func TestHostileApp(t *testing.T) {
	hostile, beside := newHostileApp(t), newHostileApp(t)
	g := harness.NewGateway(t, harness.PlainHTTP1)
	g.Admin, g.LogLevel = "127.0.0.1:"+strconv.Itoa(freeport.Of(t)), "ERROR"
	g.MustLoad(harness.Hook("store file {\npath "+harness.StoreDir(t)+"\n}",
		"destination hostile {", "retry 10ms 10ms", "timeout 1s", "reverse_proxy "+hostile.addr, "}",
		"destination beside {", "reverse_proxy "+beside.addr, "}"))
	for i, c := range hostileAnswers() {
		t.Run(c.name, func(t *testing.T) {
			hostile.set(c.answer)
			id := "hostile-" + strconv.Itoa(i)
			var failed attemptShown
			grown := peak(func() {
				harness.WantStatus(t, g.Post(harness.Page([]string{id})), 200)
				harness.Eventually(t, "an attempt that failed", func() bool {
					attempts := attemptsOf(g, "hostile", i)
					if len(attempts) > 0 {
						failed = attempts[0]
					}
					return len(attempts) > 0
				})
			})
			if !strings.Contains(" "+c.causes+" ", " "+failed.Cause+" ") {
				t.Errorf("got the cause %s (%.200q), want one of %s", failed.Cause, failed.Error, c.causes)
			}
			if len(failed.Error) > 2<<10 || len(failed.Answer) > 8<<10 {
				t.Errorf("got %d bytes of an error and %d of the answer stored, want little", len(failed.Error), len(failed.Answer))
			}
			if most := int64(80 * megabyte); grown > most {
				t.Errorf("got %d bytes more in use, want at most %d", grown, most)
			}
			hostile.set(nil)
			harness.Eventually(t, "the next attempt delivered", func() bool {
				events := eventsAt(g, "hostile")
				return len(events) > i && events[0].State == "done"
			})
		})
	}
	if got, want := beside.asked(), len(hostileAnswers()); got != want {
		t.Errorf("got %d requests at the other destination, want %d", got, want)
	}
	for line := range strings.Lines(g.Logs()) {
		if len(line) > 8<<10 {
			t.Errorf("got a line of %d bytes in the log, want short ones: %.200s", len(line), line)
		}
	}
}

// An eventShown is what the admin API lists, and an attemptShown what it shows
// of an attempt.
type (
	eventShown   struct{ ID, State string }
	attemptShown struct{ Cause, Error, Answer string }
)

// eventsAt returns the events of a destination, the latest first.
func eventsAt(g *harness.Gateway, destination string) []eventShown {
	g.T.Helper()
	a := g.AskAdmin(http.MethodGet, "/meta_webhook/events?limit=1000&destination="+destination)
	harness.WantStatus(g.T, a, http.StatusOK)
	return harness.Decode[struct{ Events []eventShown }](g.T, a.Body).Events
}

// attemptsOf returns the attempts to deliver an event to a destination, which
// is the one that came behind so many others.
func attemptsOf(g *harness.Gateway, destination string, others int) []attemptShown {
	g.T.Helper()
	events := eventsAt(g, destination)
	if len(events) <= others {
		return nil
	}
	a := g.AskAdmin(http.MethodGet, fmt.Sprintf("/meta_webhook/events/%s", events[len(events)-1-others].ID))
	harness.WantStatus(g.T, a, http.StatusOK)
	for _, story := range harness.Decode[[]struct {
		Deliveries []struct {
			Destination string
			Attempts    []attemptShown
		}
	}](g.T, a.Body) {
		for _, d := range story.Deliveries {
			if d.Destination == destination {
				return d.Attempts
			}
		}
	}
	return nil
}
