package integration_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// atOnce is how long a refusal may take that waits for nothing.
const atOnce = 3 * time.Second

// head returns the head of a request in HTTP/1.1.
func head(method, target string, headers ...string) string {
	return method + " " + target + " HTTP/1.1\r\nHost: 127.0.0.1\r\n" + strings.Join(append(headers, "", ""), "\r\n")
}

// exchange writes text to a connection, for as long as it takes it, and
// returns the answer.
func exchange(t *testing.T, conn net.Conn, text string) answer {
	t.Helper()
	go func() { _, _ = io.WriteString(conn, text) }()
	return receive(t, conn)
}

// receive returns the next answer on a connection.
func receive(t *testing.T, conn net.Conn) answer {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("got error %v, want an answer", err)
	}
	got, err := readAnswer(res)
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
	aSignature := signatureHeader + ": " + sign(appSecret, nil)
	part := strings.Repeat("x", 100_000)
	cases := []struct {
		name, text string
		status     int
	}{
		{"too large", head("POST", callback, aSignature, declared), 413},
		{"too large, a part sent", head("POST", callback, aSignature, declared) + part, 413},
		{"too large, found", head("POST", callback, aSignature, undeclared) + "f4240\r\n" + strings.Repeat("x", maxSize+1), 413},
		{"no signature", head("POST", callback, declared), 401},
		{"no signature, a part sent", head("POST", callback, declared) + part, 401},
		{"no signature, length not declared", head("POST", callback, undeclared), 401},
		{"malformed signature", head("POST", callback, signatureHeader+": sha256=0", declared), 401},
		{"two signatures", head("POST", callback, aSignature, aSignature, declared), 401},
		{"no signature, asks first", head("POST", callback, declared, "Expect: 100-continue"), 401},
		{"too large, asks first", head("POST", callback, aSignature, declared, "Expect: 100-continue"), 413},
		{"PUT", head("PUT", callback, declared), 405},
		{"GET, right token", head("GET", callback+"?"+verification(token, "1"), declared), 200},
		{"GET, wrong token", head("GET", callback+"?"+verification("wrong", "1"), declared), 403},
		{"GET, no verification", head("GET", callback, undeclared), 400},
	}
	sites := map[string][]string{"": nil, "with handle_errors": {"handle_errors {", "respond {http.meta_webhook.error}", "}"}}
	for _, via := range []transport{plainHTTP1, tlsHTTP1} {
		for name, more := range sites {
			t.Run(strings.TrimSpace(string(via)+" "+name), func(t *testing.T) {
				u := newUpstream(t, nil)
				// the refusal of a body that stalls would come in 10 s
				g := startVia(t, via, strings.Replace(answersSite(u, more...), "body_timeout 1s", "", 1))
				for _, c := range cases {
					t.Run(c.name, func(t *testing.T) {
						conn := g.dial()
						begin := time.Now()
						if err := conn.SetDeadline(begin.Add(3 * atOnce)); err != nil {
							t.Fatal(err)
						}
						got := exchange(t, conn, c.text)
						if took := time.Since(begin); took > atOnce {
							t.Errorf("got the answer after %v, want it at once", took)
						}
						wantStatus(t, got, c.status)
						if !got.closed {
							t.Error("got an answer that keeps the connection with its body unread, want it to end")
						}
					})
				}
				u.wantNone()
			})
		}
	}
}

func TestRefusalReachesASenderThatGoesOnSending(t *testing.T) {
	u := newUpstream(t, nil)
	g := start(t, answersSite(u))
	request := head("POST", callback, signatureHeader+": "+sign(appSecret, nil), "Content-Length: 5000000")
	wantStatus(t, exchange(t, g.dial(), request+strings.Repeat("x", 5_000_000)), 413)
	u.wantNone()
}

// TestRefusalReachesAnOrdinaryClient posts bodies that are larger than what
// connections buffer, with net/http. A connection that is closed while they
// come is reset, and may take the answer with it.
func TestRefusalReachesAnOrdinaryClient(t *testing.T) {
	u := newUpstream(t, nil)
	g := start(t, answersSite(u))
	body := []byte(strings.Repeat(" ", 5_000_000))
	for name, c := range map[string]struct {
		edit   func(*http.Request)
		status int
	}{
		"too large":      {func(*http.Request) {}, 413},
		"no signature":   {func(r *http.Request) { r.Header.Del(signatureHeader) }, 401},
		"another method": {func(r *http.Request) { r.Method = http.MethodPut }, 405},
	} {
		t.Run(name, func(t *testing.T) {
			const n = 20
			var lost error
			answered := 0
			for range n {
				r := g.notification(body)
				c.edit(r)
				a, err := g.try(r)
				if err != nil {
					lost = err
					continue
				}
				answered++
				wantStatus(t, a, c.status)
			}
			if answered < n {
				t.Errorf("got %d answers of %d, otherwise error %q, want all", answered, n, lost)
			}
		})
	}
	u.wantNone()
}

func TestBodyCutOff(t *testing.T) {
	body := string(page([]string{"a"}))
	aSignature := signatureHeader + ": " + sign(appSecret, []byte(body))
	half := body[:len(body)/2]
	for _, via := range []transport{plainHTTP1, tlsHTTP1} {
		u := newUpstream(t, nil)
		g := startVia(t, via, answersSite(u))
		for name, text := range map[string]string{
			"declared":         head("POST", callback, aSignature, fmt.Sprintf("Content-Length: %d", len(body))) + half,
			"chunked":          head("POST", callback, aSignature, "Transfer-Encoding: chunked") + fmt.Sprintf("%x\r\n%s", len(body), half),
			"chunked, no end":  head("POST", callback, aSignature, "Transfer-Encoding: chunked") + fmt.Sprintf("%x\r\n%s\r\n", len(body), body),
			"chunked, garbage": head("POST", callback, aSignature, "Transfer-Encoding: chunked") + "xyz\r\n" + body,
		} {
			t.Run(string(via)+" "+name, func(t *testing.T) {
				conn := g.dial()
				if _, err := io.WriteString(conn, text); err != nil {
					t.Fatal(err)
				}
				if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
					t.Fatal(err)
				}
				wantStatus(t, receive(t, conn), 400)
				u.wantNone()
			})
		}
	}
}

// TestBodyTimeoutIsForTheBodyAlone makes sure that it ends neither the
// delivery nor the connection.
func TestBodyTimeoutIsForTheBodyAlone(t *testing.T) {
	const timeout = 150 * time.Millisecond
	u := newUpstream(t, func(http.ResponseWriter, received) { time.Sleep(2 * timeout) })
	g := start(t, lines(hook("body_timeout "+timeout.String()), "reverse_proxy "+u.addr))
	conn := g.dial()
	for _, post := range []string{"a", "b"} {
		body := string(page([]string{post}))
		got := exchange(t, conn, head("POST", callback,
			signatureHeader+": "+sign(appSecret, []byte(body)), fmt.Sprintf("Content-Length: %d", len(body)))+body)
		wantStatus(t, got, 200)
		time.Sleep(2 * timeout) // idle for longer than a body may take
	}
	u.wantPosts("a", "b")
}
