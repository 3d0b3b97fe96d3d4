package harness

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"time"
)

// AtOnce is how long a refusal may take that waits for nothing.
const AtOnce = 3 * time.Second

// WithSignatures returns a notification with these signature headers.
func WithSignatures(values ...string) func(*Gateway) *http.Request {
	return func(g *Gateway) *http.Request {
		r := g.Notification(Page([]string{"a"}))
		r.Header[SignatureHeader] = values
		return r
	}
}

// Chunked returns a notification that does not declare its length.
func Chunked(body []byte) func(*Gateway) *http.Request {
	return func(g *Gateway) *http.Request {
		r := g.Notification(body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.GetBody, r.ContentLength = nil, -1
		return r
	}
}

// Slow returns a notification whose body comes slowly.
func Slow(body io.ReadCloser) func(*Gateway) *http.Request {
	return func(g *Gateway) *http.Request {
		r := g.Notification(Page([]string{"a"}))
		r.Body, r.GetBody = body, nil
		return r
	}
}

// Stalling returns a body that gives one byte and no more.
func Stalling() io.ReadCloser { return &stallingBody{closed: make(chan struct{})} }

type stallingBody struct {
	closed chan struct{}
	begun  bool
}

func (s *stallingBody) Read(p []byte) (int, error) {
	if !s.begun {
		s.begun = true
		return copy(p, "{"), nil
	}
	<-s.closed
	return 0, io.ErrClosedPipe
}

func (s *stallingBody) Close() error {
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	return nil
}

// Trickling returns a body that gives a byte at a time.
func Trickling(body []byte) io.ReadCloser {
	return &tricklingBody{stallingBody{closed: make(chan struct{})}, body}
}

type tricklingBody struct {
	stallingBody
	body []byte
}

func (s *tricklingBody) Read(p []byte) (int, error) {
	select {
	case <-s.closed:
		return 0, io.ErrClosedPipe
	case <-time.After(20 * time.Millisecond):
	}
	n := copy(p[:1], s.body)
	s.body = s.body[n:]
	return n, nil
}

// Sized returns a notification of n bytes.
func Sized(n int) []byte {
	body := Page([]string{"sized"})
	return append(body, bytes.Repeat([]byte(" "), n-len(body))...)
}

// Head returns the head of a request in HTTP/1.1.
func Head(method, target string, headers ...string) string {
	return method + " " + target + " HTTP/1.1\r\nHost: 127.0.0.1\r\n" + strings.Join(append(headers, "", ""), "\r\n")
}
