package hostile

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
)

// TestSlowSenders write a byte at a time. What is authentic and comes in time
// is taken, however it comes.
func TestSlowSenders(t *testing.T) {
	body := string(harness.Page([]string{"a"}))
	chunked := signedHead(body, chunkedBody) + chunks(body, 1) + "0\r\n\r\n"
	for _, c := range []struct {
		name, at, text string // at once, and slowly
		pause          time.Duration
		answers        string
		reached        bool
	}{
		{"a byte a second", signedHead(body, length(body)), body, time.Second, "408", false},
		{"a chunk of one byte a second", signedHead(body, chunkedBody), chunks(body, 1), time.Second, "408", false},
		{"a byte at a time, in time", "", signedHead(body, length(body), "Connection: close") + body, 0, "200", true},
		{"chunks of a byte, a byte at a time, in time", "", strings.Replace(chunked, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1), 0, "200", true},
		{"more of an endless chunk extension", signedHead(body, chunkedBody) + "5;", strings.Repeat("a", 100), time.Second, "408", false},
		{"an endless trailer", signedHead(body, chunkedBody) + chunks(body, 50) + "0\r\nA: ", strings.Repeat("a", 100), time.Second, "400", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := harness.NewUpstream(t, nil)
			g := harness.Start(t, harness.Lines(harness.Hook("body_timeout 2s"), "reverse_proxy "+u.Addr))
			conn := g.Dial()
			done := make(chan struct{})
			defer func() { <-done }()
			go func() {
				defer close(done)
				if _, err := io.WriteString(conn, c.at); err != nil {
					return
				}
				for i := range len(c.text) {
					if _, err := io.WriteString(conn, c.text[i:i+1]); err != nil {
						return
					}
					time.Sleep(c.pause)
				}
			}()
			if got := statuses(conn); got != c.answers {
				t.Errorf("got answers %s, want %s", got, c.answers)
			}
			_ = conn.Close()
			harness.WantReached(t, u, c.reached)
		})
	}
}

// TestFloodIsOverWithItsSenders has every place for large bodies taken by
// senders who stop half way.
func TestFloodIsOverWithItsSenders(t *testing.T) {
	const size = 1_000_000
	u := harness.NewUpstream(t, nil)
	g := harness.Start(t, harness.Lines(harness.Hook("max_size 1MB", "max_buffered 4MB", "body_timeout 5s", "deliver original"), "reverse_proxy "+u.Addr))
	forged := harness.Head("POST", harness.Callback, harness.SignatureHeader+": "+harness.Sign("wrong", nil), fmt.Sprintf("Content-Length: %d", size)) + strings.Repeat("x", size/2)
	begin := time.Now()
	for range 2 { // each takes up half a megabyte, of the two there are
		conn := g.Dial()
		if _, err := io.WriteString(conn, forged); err != nil {
			t.Fatal(err)
		}
	}
	large := append(harness.Page([]string{"large"}), strings.Repeat(" ", size-size/25)...)
	harness.Eventually(t, "503 for a large notification", func() bool {
		got := g.Post(large)
		return got.Status == 503 && got.Header.Get("Retry-After") != ""
	})
	u.Forget()
	harness.WantStatus(t, g.Post(harness.Page([]string{"small"})), 200)
	if got := u.Only().Body; !strings.Contains(got, "small") {
		t.Errorf("got %.100q upstream, want the small notification", got)
	}
	g.Reload(harness.Lines(harness.Hook("max_size 1MB", "max_buffered 4010kB", "body_timeout 5s", "deliver original", "dedup off"), "reverse_proxy "+u.Addr))
	harness.Eventually(t, "200 for the large notification when the flood has timed out", func() bool { return g.Post(large).Status == 200 })
	if took := time.Since(begin); took < 4*time.Second {
		t.Errorf("got the large notification in after %v, want it to wait for the flood", took)
	}
}
