package hostile

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
)

// A hostileRow is a line of the table of hostile requests in SECURITY.md.
type hostileRow struct {
	name    string
	text    string // what is written to the connection, ahead of a second request
	answers string // to the first, and to what the server takes for others
	reached bool   // the app, with the notification
}

// signedHead returns the head of a notification with this body, and further
// headers.
func signedHead(body string, headers ...string) string {
	return harness.Head("POST", harness.Callback, append([]string{harness.SignatureHeader + ": " + harness.Sign(harness.AppSecret, []byte(body))}, headers...)...)
}

func length(body string) string { return fmt.Sprintf("Content-Length: %d", len(body)) }

// chunks returns a body in chunks of n bytes, without the last.
func chunks(body string, n int) string {
	var b strings.Builder
	for len(body) > 0 {
		part := body[:min(n, len(body))]
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(part), part)
		body = body[len(part):]
	}
	return b.String()
}

func gzipped(body string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, body)
	_ = w.Close()
	return b.String()
}

const chunkedBody = "Transfer-Encoding: chunked"

// hostileRows are requests as no client would write them. Each is followed by
// another that is authentic in itself and goes elsewhere: it must not be
// taken for a part of the first, nor the first for a part of it.
func hostileRows() []hostileRow {
	body := string(harness.Page([]string{"a"}))
	signature := harness.SignatureHeader + ": " + harness.Sign(harness.AppSecret, []byte(body))
	inner := "POST /webhooks HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
	zipped := gzipped(body)
	return []hostileRow{
		{"two lengths that differ", signedHead(body, length(body), "Content-Length: 5") + body, "400", false},
		{"two lengths that are equal", signedHead(body, length(body), length(body)) + body, "200 404", true},
		{"a list of lengths", signedHead(body, length(body)+", 5") + body, "400", false},
		{"a length with a sign", signedHead(body, strings.Replace(length(body), ": ", ": +", 1)) + body, "400", false},
		{"a negative length", signedHead(body, "Content-Length: -1") + body, "400", false},
		{"a length in hex", signedHead(body, "Content-Length: 0x10") + body, "400", false},
		{"a length beyond 64 bits", signedHead(body, "Content-Length: 18446744073709551617") + body, "400", false},
		{"length and chunks, length shorter", signedHead(body, "Content-Length: 4", chunkedBody) + chunks(body, 50) + "0\r\n\r\n", "200 404", true},
		{"length and chunks, length longer", signedHead("", "Content-Length: 999", chunkedBody) + "0\r\n\r\n" + inner, "400 401 404", false},
		{"chunked twice", signedHead(body, chunkedBody, chunkedBody) + chunks(body, 50) + "0\r\n\r\n", "501", false},
		{"chunked, identity", signedHead(body, "Transfer-Encoding: chunked, identity") + chunks(body, 50) + "0\r\n\r\n", "501", false},
		{"gzip, chunked", signedHead(body, "Transfer-Encoding: gzip, chunked") + chunks(body, 50) + "0\r\n\r\n", "501", false},
		{"chunked behind a vertical tab", signedHead(body, "Transfer-Encoding: \vchunked") + chunks(body, 50) + "0\r\n\r\n", "400", false},
		{"white space before the colon", signedHead(body, "Content-Length : 5") + body, "400", false},
		{"obs-fold in the length", signedHead(body, "Content-Length:\r\n 5") + body, "401 400", false},
		{"obs-fold in the signature", harness.Head("POST", harness.Callback, "X-Hub-Signature-256:\r\n "+harness.Sign(harness.AppSecret, []byte(body)), length(body)) + body, "200 404", true},
		{"obs-fold before the first header", "POST " + harness.Callback + " HTTP/1.1\r\n Host: x\r\n\r\n", "400", false},
		{"bare LF for every line", strings.ReplaceAll(signedHead(body, length(body)), "\r\n", "\n") + body, "200 404", true},
		{"bare CR in a header", signedHead(body, "X-A: b\rContent-Length: 5", length(body)) + body, "400", false},
		{"NUL in a header", signedHead(body, "X-A: b\x00", length(body)) + body, "400", false},
		{"bare LF behind a chunk's size", signedHead(body, chunkedBody) + strings.ReplaceAll(chunks(body, 50), "\r\n", "\n") + "0\n\n", "400", false},
		{"chunk extension", signedHead(body, chunkedBody) + strings.Replace(chunks(body, 1000), "\r\n", ";a=\"b\"\r\n", 1) + "0\r\n\r\n", "200 404", true},
		{"chunk extension with a line in it", signedHead(body, chunkedBody) + "5;\n" + chunks(body, 50) + "0\r\n\r\n", "400", false},
		{"chunk size with a sign", signedHead(body, chunkedBody) + "+" + chunks(body, 1000) + "0\r\n\r\n", "400", false},
		{"chunk size beyond 64 bits", signedHead(body, chunkedBody) + "10000000000000000\r\n" + body, "400", false},
		{"chunk longer than its size", signedHead(body, chunkedBody) + "5\r\n" + body + "\r\n0\r\n\r\n", "400", false},
		{"trailer with a signature", harness.Head("POST", harness.Callback, chunkedBody, "Trailer: "+harness.SignatureHeader) + chunks(body, 50) + "0\r\n" + signature + "\r\n\r\n", "401", false},
		{"trailer with another signature", signedHead(body, chunkedBody, "Trailer: "+harness.SignatureHeader) + chunks(body, 50) + "0\r\n" + harness.SignatureHeader + ": sha256=00\r\n\r\n", "200 404", true},
		{"trailer with a length", signedHead(body, chunkedBody) + chunks(body, 50) + "0\r\nContent-Length: 5\r\n\r\n", "200 404", true},
		{"no host", "POST " + harness.Callback + " HTTP/1.1\r\n" + length("") + "\r\n\r\n", "400", false},
		{"two hosts", signedHead(body, "Host: other", length(body)) + body, "400", false},
		{"HTTP/1.0", strings.Replace(signedHead(body, length(body)), "HTTP/1.1", "HTTP/1.0", 1) + body, "200", true},
		{"HTTP/1.0, chunked", strings.Replace(signedHead(body, chunkedBody), "HTTP/1.1", "HTTP/1.0", 1) + chunks(body, 50) + "0\r\n\r\n", "401", false},
		{"HTTP/0.9", "GET " + harness.Callback + "\r\n\r\n", "400", false},
		{"HTTP/9.9", strings.Replace(signedHead(body, length(body)), "HTTP/1.1", "HTTP/9.9", 1) + body, "505", false},
		{"the preface of HTTP/2, unasked for", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "none", false},
		{"absolute target", strings.Replace(signedHead(body, length(body)), "POST ", "POST http://elsewhere.example", 1) + body, "200 404", true},
		{"absolute target, not the callback", strings.Replace(signedHead(body, length(body)), "POST "+harness.Callback, "POST http://127.0.0.1/x", 1) + body, "404 404", false},
		{"authority for a target", "CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: x\r\n\r\n", "404 404", false},
		{"asterisk for a target", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "200 404", false},
		{"signature in upper and lower case", harness.Head("POST", harness.Callback, strings.ToUpper(signature[:19])+signature[19:], strings.ToLower(signature), length(body)) + body, "401", false},
		{"signature's name in mixed case", harness.Head("POST", harness.Callback, "x-HUB-signature-256: "+harness.Sign(harness.AppSecret, []byte(body)), length(body)) + body, "200 404", true},
		{"signature's name with underscores", harness.Head("POST", harness.Callback, "X_Hub_Signature_256: "+harness.Sign(harness.AppSecret, []byte(body)), length(body)) + body, "401", false},
		{"two signatures that are equal", harness.Head("POST", harness.Callback, signature, signature, length(body)) + body, "401", false},
		{"signature of 100 kB", harness.Head("POST", harness.Callback, signature+strings.Repeat("0", 100_000), length(body)) + body, "431", false},
		{"gzip for a body, signed as sent", signedHead(zipped, "Content-Encoding: gzip", length(zipped)) + zipped, "400 404", false},
		{"gzip for a body, signed as meant", signedHead(body, "Content-Encoding: gzip", length(zipped)) + zipped, "401 404", false},
		{"another method in a header", harness.Head("GET", harness.Callback, "X-HTTP-Method-Override: POST", signature, length(body)) + body, "400", false},
		{"Upgrade", signedHead(body, "Connection: Upgrade", "Upgrade: websocket", length(body)) + body, "200 404", true},
		{"Connection names the signature", signedHead(body, "Connection: "+harness.SignatureHeader, length(body)) + body, "200 404", true},
		{"asks before it sends", signedHead(body, "Expect: 100-continue", length(body)) + body, "100 200 404", true},
		{"expects something else", signedHead(body, "Expect: a-miracle", length(body)) + body, "417", false},
		{"a body behind a GET", harness.Head("GET", harness.Callback+"?"+harness.Verification(harness.Token, "1"), length(inner)) + inner, "200", false},
	}
}

// TestHostileRequests sends each, and behind it a second one, at once. The
// app must get what was authenticated and nothing else.
func TestHostileRequests(t *testing.T) {
	u := harness.NewUpstream(t, nil)
	g := harness.Start(t, harness.Lines("route "+harness.Callback+" {", strings.Replace(harness.Hook("dedup off", "max_size 2000"), harness.Callback+" ", "", 1),
		"reverse_proxy "+u.Addr, "}", "respond 404"))
	second := "GET /second HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	for _, row := range hostileRows() {
		t.Run(row.name, func(t *testing.T) {
			u.Forget()
			conn := g.Dial()
			go func() { _, _ = io.WriteString(conn, row.text+second) }()
			if got := statuses(conn); got != row.answers {
				t.Errorf("got answers %s, want %s", got, row.answers)
			}
			got := u.Requests()
			if n := len(got); n > 1 || (n == 1) != row.reached {
				t.Fatalf("got %d requests upstream, want it reached: %t", n, row.reached)
			}
			for _, r := range got {
				if !strings.Contains(r.Body, `"post_id":"a"`) || r.Header.Get("Transfer-Encoding") != "" || len(r.Trailer) > 0 {
					t.Errorf("got %q with trailer %v upstream, want the notification alone", r.Body, r.Trailer)
				}
			}
		})
	}
}

// statuses returns those of all answers on a connection until it ends.
func statuses(conn net.Conn) string {
	var all []string
	for r := bufio.NewReader(conn); ; {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			break
		}
		_, _ = io.Copy(io.Discard, res.Body)
		all = append(all, strconv.Itoa(res.StatusCode))
		if res.Close {
			break
		}
	}
	if all == nil {
		return "none"
	}
	return strings.Join(all, " ")
}

// TestSecurityPageShowsTheAnswers compares the table in SECURITY.md with the
// one that TestHostileRequests goes through.
func TestSecurityPageShowsTheAnswers(t *testing.T) {
	const begin, end = "<!-- hostile requests -->\n", "<!-- end -->\n"
	var b strings.Builder
	b.WriteString("| the first request | answers | reaches the app |\n|---|---|---|\n")
	for _, row := range hostileRows() {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", row.name, strings.ReplaceAll(row.answers, " ", ", "), map[bool]string{true: "yes", false: ""}[row.reached])
	}
	file := filepath.Join(harness.Repository, "SECURITY.md")
	page := harness.ReadFile(t, file)
	before, rest, found := strings.Cut(page, begin)
	table, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatal("SECURITY.md has no place for the table of hostile requests")
	}
	if *harness.Update {
		if err := os.WriteFile(file, []byte(before+begin+b.String()+end+after), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if table != b.String() {
		t.Errorf("got another table in SECURITY.md than\n%s\nwhich go test ./integration_test/hostile -run %s -update writes", b.String(), t.Name())
	}
}
