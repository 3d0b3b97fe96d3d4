package answers

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
)

// exchange writes text to a connection, for as long as it takes it, and
// returns the answer.
func exchange(t *testing.T, conn net.Conn, text string) harness.Answer {
	t.Helper()
	go func() { _, _ = io.WriteString(conn, text) }()
	return receive(t, conn)
}

// receive returns the next answer on a connection.
func receive(t *testing.T, conn net.Conn) harness.Answer {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("got error %v, want an answer", err)
	}
	got, err := harness.ReadAnswer(res)
	if err != nil {
		t.Fatalf("got error %v in the body of the answer, want none", err)
	}
	return got
}

// TestRefusalsWithTheBodyUnreadGoOutAtOnce sends heads that declare a body,
// and at most a part of that.
func TestRefusalsWithTheBodyUnreadGoOutAtOnce(t *testing.T) {
	const (
		declared   = "Content-Length: 5000000"
		undeclared = "Transfer-Encoding: chunked"
	)
	aSignature := harness.SignatureHeader + ": " + harness.Sign(harness.AppSecret, nil)
	part := strings.Repeat("x", 100_000)
	cases := []struct {
		name, text string
		status     int
	}{
		{"too large", harness.Head("POST", harness.Callback, aSignature, declared), 413},
		{"too large, a part sent", harness.Head("POST", harness.Callback, aSignature, declared) + part, 413},
		{"too large, found", harness.Head("POST", harness.Callback, aSignature, undeclared) + "f4240\r\n" + strings.Repeat("x", maxSize+1), 413},
		{"no signature", harness.Head("POST", harness.Callback, declared), 401},
		{"no signature, a part sent", harness.Head("POST", harness.Callback, declared) + part, 401},
		{"no signature, length not declared", harness.Head("POST", harness.Callback, undeclared), 401},
		{"malformed signature", harness.Head("POST", harness.Callback, harness.SignatureHeader+": sha256=0", declared), 401},
		{"two signatures", harness.Head("POST", harness.Callback, aSignature, aSignature, declared), 401},
		{"no signature, asks first", harness.Head("POST", harness.Callback, declared, "Expect: 100-continue"), 401},
		{"too large, asks first", harness.Head("POST", harness.Callback, aSignature, declared, "Expect: 100-continue"), 413},
		{"PUT", harness.Head("PUT", harness.Callback, declared), 405},
		{"GET, right token", harness.Head("GET", harness.Callback+"?"+harness.Verification(harness.Token, "1"), declared), 200},
		{"GET, wrong token", harness.Head("GET", harness.Callback+"?"+harness.Verification("wrong", "1"), declared), 403},
		{"GET, no verification", harness.Head("GET", harness.Callback, undeclared), 400},
	}
	sites := map[string][]string{"": nil, "with handle_errors": {"handle_errors {", "respond {http.meta_webhook.error}", "}"}}
	for _, via := range []harness.Transport{harness.PlainHTTP1, harness.TLSHTTP1} {
		for name, more := range sites {
			t.Run(strings.TrimSpace(string(via)+" "+name), func(t *testing.T) {
				u := harness.NewUpstream(t, nil)
				// the refusal of a body that stalls would come in 10 s
				g := harness.StartVia(t, via, strings.Replace(answersSite(u, more...), "body_timeout 1s", "", 1))
				for _, c := range cases {
					t.Run(c.name, func(t *testing.T) {
						conn := g.Dial()
						begin := time.Now()
						if err := conn.SetDeadline(begin.Add(3 * harness.AtOnce)); err != nil {
							t.Fatal(err)
						}
						got := exchange(t, conn, c.text)
						if took := time.Since(begin); took > harness.AtOnce {
							t.Errorf("got the answer after %v, want it at once", took)
						}
						harness.WantStatus(t, got, c.status)
						if !got.Closed {
							t.Error("got an answer that keeps the connection with its body unread, want it to end")
						}
					})
				}
				u.WantNone()
			})
		}
	}
}

func TestRefusalReachesASenderThatGoesOnSending(t *testing.T) {
	u := harness.NewUpstream(t, nil)
	g := harness.Start(t, answersSite(u))
	request := harness.Head("POST", harness.Callback, harness.SignatureHeader+": "+harness.Sign(harness.AppSecret, nil), "Content-Length: 5000000")
	harness.WantStatus(t, exchange(t, g.Dial(), request+strings.Repeat("x", 5_000_000)), 413)
	u.WantNone()
}

// TestRefusalReachesAnOrdinaryClient posts bodies that are larger than what
// connections buffer, with net/http. A connection that is closed while they
// come is reset, and may take the answer with it.
func TestRefusalReachesAnOrdinaryClient(t *testing.T) {
	u := harness.NewUpstream(t, nil)
	g := harness.Start(t, answersSite(u))
	body := []byte(strings.Repeat(" ", 5_000_000))
	for name, c := range map[string]struct {
		edit   func(*http.Request)
		status int
	}{
		"too large":      {func(*http.Request) {}, 413},
		"no signature":   {func(r *http.Request) { r.Header.Del(harness.SignatureHeader) }, 401},
		"another method": {func(r *http.Request) { r.Method = http.MethodPut }, 405},
	} {
		t.Run(name, func(t *testing.T) {
			const n = 20
			var lost error
			answered := 0
			for range n {
				r := g.Notification(body)
				c.edit(r)
				a, err := g.Try(r)
				if err != nil {
					lost = err
					continue
				}
				answered++
				harness.WantStatus(t, a, c.status)
			}
			if answered < n {
				t.Errorf("got %d answers of %d, otherwise error %q, want all", answered, n, lost)
			}
		})
	}
	u.WantNone()
}

func TestBodyCutOff(t *testing.T) {
	body := string(harness.Page([]string{"a"}))
	aSignature := harness.SignatureHeader + ": " + harness.Sign(harness.AppSecret, []byte(body))
	half := body[:len(body)/2]
	for _, via := range []harness.Transport{harness.PlainHTTP1, harness.TLSHTTP1} {
		u := harness.NewUpstream(t, nil)
		g := harness.StartVia(t, via, answersSite(u))
		for name, text := range map[string]string{
			"declared":         harness.Head("POST", harness.Callback, aSignature, fmt.Sprintf("Content-Length: %d", len(body))) + half,
			"chunked":          harness.Head("POST", harness.Callback, aSignature, "Transfer-Encoding: chunked") + fmt.Sprintf("%x\r\n%s", len(body), half),
			"chunked, no end":  harness.Head("POST", harness.Callback, aSignature, "Transfer-Encoding: chunked") + fmt.Sprintf("%x\r\n%s\r\n", len(body), body),
			"chunked, garbage": harness.Head("POST", harness.Callback, aSignature, "Transfer-Encoding: chunked") + "xyz\r\n" + body,
		} {
			t.Run(string(via)+" "+name, func(t *testing.T) {
				conn := g.Dial()
				if _, err := io.WriteString(conn, text); err != nil {
					t.Fatal(err)
				}
				if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
					t.Fatal(err)
				}
				harness.WantStatus(t, receive(t, conn), 400)
				u.WantNone()
			})
		}
	}
}

// TestBodyTimeoutIsForTheBodyAlone makes sure that it ends neither the
// delivery nor the connection.
func TestBodyTimeoutIsForTheBodyAlone(t *testing.T) {
	const timeout = 150 * time.Millisecond
	u := harness.NewUpstream(t, func(http.ResponseWriter, harness.Received) { time.Sleep(2 * timeout) })
	g := harness.Start(t, harness.Lines(harness.Hook("body_timeout "+timeout.String()), "reverse_proxy "+u.Addr))
	conn := g.Dial()
	for _, post := range []string{"a", "b"} {
		body := string(harness.Page([]string{post}))
		got := exchange(t, conn, harness.Head("POST", harness.Callback,
			harness.SignatureHeader+": "+harness.Sign(harness.AppSecret, []byte(body)), fmt.Sprintf("Content-Length: %d", len(body)))+body)
		harness.WantStatus(t, got, 200)
		time.Sleep(2 * timeout) // idle for longer than a body may take
	}
	u.WantPosts("a", "b")
}
