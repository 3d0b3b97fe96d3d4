package inspector

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// deadline is how long a test waits for what must happen.
const deadline = time.Minute

// A stream is the events that a page gets.
type stream struct {
	t    *testing.T
	body *bufio.Reader
}

// listenTo serves a handler, and opens a stream of its events.
func listenTo(t *testing.T, h *Handler) *stream {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, nil)
		if err := h.ServeHTTP(w, r, new(app)); err != nil {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	t.Cleanup(server.Close)
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/inspector/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	if got := res.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Fatalf("got %d and Content-Type %q, want text/event-stream", res.StatusCode, got)
	}
	s := &stream{t: t, body: bufio.NewReader(res.Body)}
	if got := s.next(); !strings.HasPrefix(got, "retry: ") || !strings.Contains(got, "event: hello\ndata: {\"stored\":false") {
		t.Fatalf("got %q first, want how to reconnect, and what there is to see", got)
	}
	return s
}

// next returns the lines of the next message, or the empty string at the end.
func (s *stream) next() string {
	s.t.Helper()
	var message strings.Builder
	for {
		line, err := s.body.ReadString('\n')
		if err != nil {
			return ""
		}
		if line == "\n" {
			return message.String()
		}
		message.WriteString(line)
	}
}

func TestStreamTellsOfChanges(t *testing.T) {
	h := provisioned(t)
	s := listenTo(t, h)
	for range 2 {
		for range 100 {
			serve(h, newDelivery(testEvent), new(app))
		}
		for range 2 { // once more, for what was not in the store yet
			if got := s.next(); got != "event: changed\ndata: {}\n" {
				t.Errorf("got %q, want that there is something new", got)
			}
		}
	}
	h.stop()
	if got := s.next(); got != "" {
		t.Errorf("got %q, want no more than that", got)
	}
}

func TestStreamEndsWhenTheServerStops(t *testing.T) {
	h := provisioned(t)
	s := listenTo(t, h)
	h.stop()
	if got := s.next(); got != "" {
		t.Errorf("got %q, want the end", got)
	}
	h.stop() // once more, by Cleanup
}

func TestStreamOfHEADHasNoEvents(t *testing.T) {
	w, status := serve(provisioned(t), newRequest(http.MethodHead, "/inspector/stream", ""), new(app))
	if status != http.StatusOK || w.Body.Len() != 0 || w.Header().Get("Content-Type") != "text/event-stream" {
		t.Errorf("got %d %q, want 200 and no body", status, w.Body)
	}
}
