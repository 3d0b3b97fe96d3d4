package main

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestMessages(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		want       head
	}{
		{"a response", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nServer: x\r\n\r\nok", head{status: 200, length: 2}},
		{"one without a phrase", "HTTP/1.1 401\r\ncontent-length:0\r\n\r\n", head{status: 401}},
		{"one that is the last", "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n", head{status: 401, close: true}},
		{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nA\r\n0123456789\r\n0\r\n\r\n", head{status: 200, length: -1}},
		{"a request", "POST /webhooks HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n{ }", head{length: 3}},
	} {
		r := bufio.NewReaderSize(strings.NewReader(tc.text+"HTTP/1.1 299 next\r\n\r\n"), 16)
		got, err := readMessage(bufio.NewReader(r), nil)
		if err != nil || got != tc.want {
			t.Errorf("%s: got %+v, %v; want %+v", tc.name, got, err, tc.want)
		}
	}
}

func TestAMessageEndsWhereTheNextBegins(t *testing.T) {
	r := bufio.NewReader(strings.NewReader("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" +
		"HTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nx" + "HTTP/1.1 202 Accepted\r\n\r\n"))
	for _, want := range []int{200, 201, 202} {
		if got, err := readMessage(r, nil); err != nil || got.status != want {
			t.Errorf("got %d, %v; want %d", got.status, err, want)
		}
	}
	if _, err := readMessage(r, nil); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want the end", err)
	}
}

// A body is as it was sent, however it comes: in chunks, and in more parts than
// a reader holds at once.
func TestBodiesAreTakenWhole(t *testing.T) {
	long := strings.Repeat("0123456789", 100)
	for _, tc := range []struct{ name, text, want string }{
		{"none", "POST / HTTP/1.1\r\n\r\n", ""},
		{"one with a length", "POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n" + long, long},
		{"one in chunks", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3E8\r\n" + long + "\r\n2\r\nok\r\n0\r\n\r\n", long + "ok"},
	} {
		r := bufio.NewReaderSize(strings.NewReader(tc.text+"HTTP/1.1 299 next\r\n\r\n"), 64)
		var got []byte
		if _, err := readMessage(r, func(part []byte) { got = append(got, part...) }); err != nil || string(got) != tc.want {
			t.Errorf("%s: got %q, %v; want %q", tc.name, got, err, tc.want)
		}
		if next, err := readMessage(r, nil); err != nil || next.status != 299 {
			t.Errorf("%s: got %+v, %v after it; want the next message", tc.name, next, err)
		}
	}
	cut := "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nok"
	if _, err := readMessage(bufio.NewReader(strings.NewReader(cut)), func([]byte) {}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a body that is cut off: got %v, want an unexpected end", err)
	}
}

func TestBrokenMessages(t *testing.T) {
	for _, text := range []string{
		"HTTP/1.0 200 OK\r\n\r\n",
		"HTTP/1.1 \r\n\r\n",
		"HTTP/1.1 abc\r\n\r\n",
		"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nok\r\n0\r\n\r\n",
		"HTTP/1.1 200",
	} {
		if h, err := readMessage(bufio.NewReader(strings.NewReader(text)), nil); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%q: got %+v, %v; want an error", text, h, err)
		}
	}
}
