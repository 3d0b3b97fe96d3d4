package inspector

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
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

// TestFloodOfPagesIsBounded opens more streams than there are places. The page is
// there all the same, and so is the stream, once others have ended.
func TestFloodOfPagesIsBounded(t *testing.T) {
	h := provisioned(t)
	ctx, cancel := context.WithCancel(t.Context())
	var open sync.WaitGroup
	for range mostStreams {
		open.Go(func() {
			r := newRequest(http.MethodGet, "/inspector/stream", "")
			until, stop := context.WithCancel(r.Context())
			defer context.AfterFunc(ctx, stop)()
			if _, status := serve(h, r.WithContext(until), new(app)); status != http.StatusOK {
				t.Errorf("got %d, want a stream", status)
			}
		})
	}
	wait := func(n int64) {
		t.Helper()
		for end := time.Now().Add(deadline); h.journal.streams.Load() != n; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("got %d streams, want %d", h.journal.streams.Load(), n)
			}
		}
	}
	wait(mostStreams)
	r := newRequest(http.MethodGet, "/inspector/stream", "")
	w, status := serve(h, r, new(app))
	if status != http.StatusServiceUnavailable || reasonOf(r) != "too_many_pages" || w.Header().Get("Retry-After") == "" {
		t.Errorf("got %d %s, want 503 and when to try again", status, reasonOf(r))
	}
	if _, status := serve(h, newRequest(http.MethodGet, "/inspector/events", ""), new(app)); status != http.StatusOK {
		t.Errorf("got %d for the events, want 200", status)
	}
	cancel()
	open.Wait()
	wait(0)
	listenTo(t, h)
}

func TestStreamOfHEADHasNoEvents(t *testing.T) {
	w, status := serve(provisioned(t), newRequest(http.MethodHead, "/inspector/stream", ""), new(app))
	if status != http.StatusOK || w.Body.Len() != 0 || w.Header().Get("Content-Type") != "text/event-stream" {
		t.Errorf("got %d %q, want 200 and no body", status, w.Body)
	}
}
