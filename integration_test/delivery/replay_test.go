package delivery

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

// listen serves connections of the loopback interface, each in a goroutine of
// its own, until the test ends.
func listen(t *testing.T, serve func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var (
		running sync.WaitGroup
		ended   = make(chan struct{})
	)
	t.Cleanup(func() {
		close(ended)
		_ = l.Close()
		running.Wait()
	})
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			served := make(chan struct{})
			running.Go(func() {
				defer close(served)
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(harness.Patience))
				serve(conn)
			})
			running.Go(func() {
				select {
				case <-ended:
					_ = conn.Close()
				case <-served:
				}
			})
		}
	})
	return l.Addr().String()
}

// readRequest reads a request to its end, and returns the body.
func readRequest(r *bufio.Reader) (body string, err error) {
	request, err := http.ReadRequest(r)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(request.Body)
	return string(b), err
}

// A forgetful upstream answers the first request on each connection, and
// closes the connection on the second. It stands for all that close idle
// connections at the moment when they are used again.
type forgetful struct {
	atOnce bool // close as soon as the second request begins

	mu       sync.Mutex
	answered []string // bodies
	dropped  int
}

func (f *forgetful) serve(conn net.Conn) {
	r := bufio.NewReader(conn)
	body, err := readRequest(r)
	if err != nil {
		return
	}
	f.mu.Lock()
	f.answered = append(f.answered, body)
	f.mu.Unlock()
	_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	if f.atOnce {
		_, err = r.Peek(1)
	} else {
		_, err = readRequest(r)
	}
	if err == nil {
		f.mu.Lock()
		f.dropped++
		f.mu.Unlock()
	}
}

// TestDroppedKeepAliveConnectionIsSurvived also has an upstream that closes
// the connection while the request is being written. That is beyond what
// net/http replays by itself, and takes lb_retries.
func TestDroppedKeepAliveConnectionIsSurvived(t *testing.T) {
	const retries = "{\nlb_retries 2\nlb_retry_match {\nmethod POST\n}\n}"
	for _, mode := range []string{"each", "batch", "original"} {
		for _, c := range []struct {
			name, options string
			atOnce        bool
		}{
			{"having got the request", "", false},
			{"having got the request, with lb_retries", retries, false},
			{"getting the request, with lb_retries", retries, true},
		} {
			t.Run(mode+" "+c.name, func(t *testing.T) {
				f := &forgetful{atOnce: c.atOnce}
				g := harness.Start(t, harness.Lines(harness.Hook("deliver "+mode), "reverse_proxy "+listen(t, f.serve)+" "+c.options))
				const n = 8
				for i := range n {
					harness.WantStatus(t, g.Post(harness.Page([]string{strconv.Itoa(i)})), 200)
				}
				f.mu.Lock()
				defer f.mu.Unlock()
				if f.dropped < n-1 {
					t.Errorf("got %d connections dropped, want at least %d for the test to mean anything", f.dropped, n-1)
				}
				if len(f.answered) != n {
					t.Fatalf("got %d requests answered upstream, want %d", len(f.answered), n)
				}
				for i, body := range f.answered {
					if !strings.Contains(body, fmt.Sprintf(`"post_id":"%d"`, i)) {
						t.Errorf("got body %q, want the event %d", body, i)
					}
				}
			})
		}
	}
}

// TestRetryOnASecondUpstream has a first upstream that takes the whole
// request and gives no answer.
func TestRetryOnASecondUpstream(t *testing.T) {
	for _, mode := range []string{"each", "batch", "original"} {
		t.Run(mode, func(t *testing.T) {
			first := harness.NewUpstream(t, func(http.ResponseWriter, harness.Received) { panic(http.ErrAbortHandler) })
			second := harness.NewUpstream(t, nil)
			g := harness.Start(t, harness.Lines(harness.Hook("deliver "+mode), "reverse_proxy "+first.Addr+" "+second.Addr+" {",
				"lb_policy first", "lb_retries 2", "fail_duration 1m", "lb_retry_match {", "method POST", "}", "}"))
			body := harness.Page([]string{strings.Repeat("long", 50_000)})
			harness.WantStatus(t, g.Post(body), 200)
			if got, want := second.Only().Body, first.Only().Body; got != want {
				t.Errorf("got %d bytes at the second upstream, want the %d of the first", len(got), len(want))
			}
			if mode == "original" && second.Only().Body != string(body) {
				t.Error("got another body at the second upstream, want Meta's")
			}
		})
	}
}

func TestRetryOnASecondUpstreamWhenTheFirstIsDown(t *testing.T) {
	second := harness.NewUpstream(t, nil)
	nobody := "127.0.0.1:" + strconv.Itoa(freeport.Of(t))
	g := harness.Start(t, harness.Lines(harness.Hook(), "reverse_proxy "+nobody+" "+second.Addr+" {", "lb_policy first", "lb_retries 2", "fail_duration 1m", "}"))
	harness.WantStatus(t, g.Post(harness.Page([]string{"a", "b"}, []string{"c"})), 200)
	second.WantPosts("a", "b", "c")
}

// TestRetryWhileTheFirstUpstreamIsStillBeingSentTo has a first upstream that
// answers 503 before it has read the body, which is so large that no buffer on
// the way swallows it. The retry must not share it with what is left of the
// first attempt.
func TestRetryWhileTheFirstUpstreamIsStillBeingSentTo(t *testing.T) {
	refusing := listen(t, func(conn net.Conn) {
		_, _ = io.CopyN(io.Discard, conn, 100_000)
		_, _ = io.WriteString(conn, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 5\r\n\r\nsorry")
		for range 20 { // and reads on for a moment
			_, _ = io.CopyN(io.Discard, conn, 10_000)
			time.Sleep(200 * time.Microsecond)
		}
	})
	var text []byte // whose every 8 bytes tell their place
	for i := 10_000_000; len(text) < 6_000_000; i++ {
		text = strconv.AppendInt(text, int64(i), 10)
	}
	for name, options := range map[string]string{"as it comes": "", "with request_buffers": "request_buffers 16MB"} {
		t.Run(name, func(t *testing.T) {
			u := harness.NewUpstream(t, nil)
			g := harness.StartQuiet(t, harness.Lines(harness.Hook("deliver original", "max_size 16MB"), "reverse_proxy "+refusing+" "+u.Addr+" {", options,
				"lb_policy round_robin", "lb_retries 1", "lb_retry_match {", "expression `{rp.status_code} == 503`", "}", "}"))
			accepted := map[string]bool{} // by what has been sent
			for i := range 6 {
				body := fmt.Appendf(nil, `{"object":"page","entry":[{"id":"%d","text":"%s"}]}`, i, text)
				a := g.Post(body)
				harness.WantStatus(t, a, 200)
				accepted[string(body)] = a.Status == 200
			}
			for _, r := range u.Requests() {
				if _, sent := accepted[r.Body]; !sent {
					t.Errorf("got %d bytes upstream that begin with %.60q, want one of Meta's bodies", len(r.Body), r.Body)
				}
				delete(accepted, r.Body)
			}
			for body, ok := range accepted {
				if ok {
					t.Errorf("got 200 for %.60q, want it upstream", body)
				}
			}
		})
	}
}
