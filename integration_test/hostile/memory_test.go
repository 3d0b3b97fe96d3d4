package hostile

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
)

const megabyte = 1 << 20

// memoryInUse returns how many bytes live and dead objects, and the stacks of
// goroutines, take in this process, in which both ends of every connection are.
func memoryInUse() int64 {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(samples)
	return int64(samples[0].Value.Uint64() + samples[1].Value.Uint64())
}

// peak returns by how much the memory in use grows while do runs.
func peak(do func()) int64 {
	runtime.GC()
	before := memoryInUse()
	most := before
	done, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		for {
			most = max(most, memoryInUse())
			select {
			case <-done:
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	do()
	close(done)
	<-watched
	return most - before
}

// TestMemoryWhileManySendLargeBodies has 64 senders push 4 MB each, all but a
// byte, and that one when no request makes progress.
func TestMemoryWhileManySendLargeBodies(t *testing.T) {
	const senders, size = 64, 4_000_000
	prefix := string(harness.Page([]string{"a"}))
	body := []byte(prefix + strings.Repeat(" ", size-len(prefix)))
	for _, c := range []struct {
		name, signature, option string
		buffered                int64
		want                    int
	}{
		{"wrong signature", harness.Sign("wrong", body), "max_buffered 256MB", 256_000_000, 401},
		{"right signature", harness.Sign(harness.AppSecret, body), "max_buffered 256MB", 256_000_000, 200},
		{"wrong signature, little memory", harness.Sign("wrong", body), "max_buffered 32MB", 32_000_000, 401},
		{"right signature, little memory", harness.Sign(harness.AppSecret, body), "max_buffered 32MB", 32_000_000, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := harness.StartQuiet(t, harness.Lines(harness.Hook(c.option, "dedup off", "body_timeout 1m"), "respond 200"))
			var (
				answers = map[int]int{}
				mu      sync.Mutex
				small   harness.Answer
			)
			grown := peak(func() {
				var writing, reading sync.WaitGroup
				barrier := make(chan struct{})
				for range senders {
					conn := g.Dial()
					answered := make(chan struct{})
					writing.Add(1)
					reading.Go(func() {
						defer close(answered)
						res, err := http.ReadResponse(bufio.NewReader(conn), nil)
						status := 0
						if err == nil {
							status = res.StatusCode
						}
						mu.Lock()
						answers[status]++
						mu.Unlock()
					})
					reading.Go(func() {
						_, err := io.WriteString(conn, harness.Head("POST", harness.Callback, harness.SignatureHeader+": "+c.signature, fmt.Sprintf("Content-Length: %d", size)))
						if err == nil {
							_, err = conn.Write(body[:size-1])
						}
						writing.Done()
						<-barrier
						if err == nil {
							_, _ = conn.Write(body[size-1:])
						}
						<-answered
					})
				}
				writing.Wait()
				small = g.Post(harness.Page([]string{"small"}))
				close(barrier)
				reading.Wait()
			})
			t.Logf("%s: the memory grew by %d MB at most, with the answers %v", c.option, grown/megabyte, answers)
			if grown > 2*c.buffered+64*megabyte {
				t.Errorf("got %d bytes more in use, want at most twice the %d there may be", grown, c.buffered)
			}
			harness.WantStatus(t, small, 200)
			if answers[c.want] == 0 || answers[c.want]+answers[503] < senders-2 {
				t.Errorf("got the answers %v, want some %d, and 503 for the rest", answers, c.want)
			}
			harness.WantStatus(t, g.Post(body), 200)
		})
	}
}

// TestMemoryOfHostileNotifications has notifications that are authentic and
// yet as unpleasant as can be.
func TestMemoryOfHostileNotifications(t *testing.T) {
	const size = 4_000_000
	list := func(head, element, tail string, n int) string {
		return head + strings.Repeat(element+",", n-1) + element + tail
	}
	message := func(i int) string { return fmt.Sprintf(`{"id":"wamid.%d","type":"text","text":{"body":"hello"}}`, i) }
	var messages []string
	for i := range 300 {
		messages = append(messages, message(i))
	}
	contacts := list(`[`, `{"wa_id":"16505551234","profile":{"name":"Ada Lovelace"}}`, `]`, 30_000)
	whatsApp := `{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{` +
		`"metadata":{"phone_number_id":"5"},"contacts":` + contacts + `,"messages":[` + strings.Join(messages, ",") + `]}}]}]}`
	for _, c := range []struct {
		name, mode, body string
		want             int
	}{
		{"arrays in arrays", "each", strings.Repeat("[", size/2) + strings.Repeat("]", size/2), 400},
		{"objects in objects", "each", strings.Repeat(`{"a":`, size/6) + "0" + strings.Repeat("}", size/6), 400},
		{"brackets that are never closed", "each", strings.Repeat("[", size), 400},
		{"one string of 4 MB", "each", `{"object":"page","entry":[{"id":"1","changes":[{"field":"feed","value":"` + strings.Repeat("x", size-100) + `"}]}]}`, 200},
		{"an id of 4 MB", "each", `{"object":"page","entry":[{"id":"` + strings.Repeat(`ä`, size/2-100) + `","changes":[{"field":"feed"}]}]}`, 200},
		{"a number of 4 MB", "each", `{"object":"page","entry":[{"id":"1","time":` + strings.Repeat("9", size-100) + `,"changes":[{"field":"feed"}]}]}`, 200},
		{"a million empty updates", "each", list(`{"object":"page","entry":[{"changes":[`, `{}`, `]}]}`, 1_000_000), 503},
		{"a million empty updates", "batch", list(`{"object":"page","entry":[{"changes":[`, `{}`, `]}]}`, 1_000_000), 503},
		{"a million empty entries", "original", list(`{"object":"page","entry":[`, `{}`, `]}`, 1_000_000), 503},
		{"two million empty notifications", "original", list(`[`, `0`, `]`, 1_999_999), 503},
		{"three hundred messages that repeat 2 MB", "each", whatsApp, 200},
		{"three hundred messages that repeat 2 MB", "batch", whatsApp, 503},
		{"three hundred messages that repeat 2 MB", "original", whatsApp, 200},
	} {
		t.Run(c.name+" "+c.mode, func(t *testing.T) {
			g := harness.StartQuiet(t, harness.Lines(harness.Hook("dedup off", "deliver "+c.mode), "respond 200"))
			r := g.Notification([]byte(c.body))
			var got harness.Answer
			begin := time.Now()
			grown := peak(func() { got = g.Do(r) })
			t.Logf("%s, %s: %d MB, answer %d in %v", c.name, c.mode, grown/megabyte, got.Status, time.Since(begin).Round(time.Millisecond))
			harness.WantStatus(t, got, c.want)
			if most := int64(2*256_000_000 + 64*megabyte); grown > most {
				t.Errorf("got %d bytes more in use, want at most %d", grown, most)
			}
			harness.WantStatus(t, g.Post(harness.Page([]string{"a"})), 200)
		})
	}
}

// TestSilentConnections opens as many connections as may be, which send
// nothing, or a head and no body.
func TestSilentConnections(t *testing.T) {
	const wanted = 10_000
	for name, text := range map[string]string{
		"nothing":         "",
		"a head, no body": harness.Head("POST", harness.Callback, harness.SignatureHeader+": "+harness.Sign(harness.AppSecret, nil), "Content-Length: 4000000"),
	} {
		t.Run(name, func(t *testing.T) {
			n := min(wanted, connectionsAtMost())
			if n < wanted {
				t.Logf("%d connections instead of %d, for both ends count against the limit of open files", n, wanted)
			}
			g := harness.StartQuiet(t, harness.Lines(harness.Hook("body_timeout 5m"), "respond 200"))
			conns := make([]net.Conn, 0, n)
			defer func() {
				for _, conn := range conns {
					_ = conn.Close()
				}
			}()
			grown := peak(func() {
				for range n {
					conn, err := net.DialTimeout("tcp", strings.TrimPrefix(g.URL(""), "http://"), harness.Patience)
					if err != nil {
						t.Fatalf("connection %d: %v", len(conns), err)
					}
					conns = append(conns, conn)
					if _, err := io.WriteString(conn, text); err != nil {
						t.Fatal(err)
					}
				}
				harness.WantStatus(t, g.Post(harness.Page([]string{"a"})), 200)
				harness.WantStatus(t, g.Verify(harness.Token, "1"), 200)
			})
			t.Logf("%d connections, %s: %d MB, %d kB each", n, name, grown/megabyte, grown/int64(n)/1024)
			if most := int64(n) * 64 << 10; grown > most+64*megabyte {
				t.Errorf("got %d bytes more in use, want at most %d", grown, most)
			}
		})
	}
}
