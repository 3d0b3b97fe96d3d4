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
func listenTo(t *testing.T, h *Handler, target, lastEventID string) *stream {
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
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastEventID != "" {
		r.Header.Set("Last-Event-ID", lastEventID)
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
	if got := s.next(); !strings.HasPrefix(got, "retry: ") || !strings.Contains(got, "event: hello\n") {
		t.Fatalf("got %q first, want how to reconnect, and the bounds", got)
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

// wantNext fails the test unless these events come next.
func (s *stream) wantNext(ids ...string) {
	s.t.Helper()
	for _, id := range ids {
		if got := s.next(); !strings.HasPrefix(got, "id: "+id+"\ndata: {") {
			s.t.Errorf("got %q, want the event %s", got, id)
		}
	}
}

func TestStreamStartsWithWhatIsKept(t *testing.T) {
	h := provisioned(t)
	id := h.journal.id
	for range 3 {
		serve(h, newDelivery(testEvent), new(app))
	}
	s := listenTo(t, h, "/inspector/events", "")
	s.wantNext(id(1), id(2), id(3))
	serve(h, newDelivery(testEvent), new(app))
	s.wantNext(id(4))
}

func TestStreamGoesOnAfterTheLastEvent(t *testing.T) {
	for name, tc := range map[string]struct {
		query, last string // in which OWN is this journal
		want        []uint64
	}{
		"nothing missed yet":            {"", "OWN-3", nil},
		"two missed":                    {"", "OWN-1", []uint64{2, 3}},
		"two missed, by the query":      {"?after=OWN-1", "", []uint64{2, 3}},
		"the header is newer":           {"?after=OWN-1", "OWN-2", []uint64{3}},
		"of the process before":         {"", "AAAAAAAA-2", []uint64{1, 2, 3}},
		"of no process":                 {"", "nonsense", []uint64{1, 2, 3}},
		"one that has not happened yet": {"", "OWN-9", nil},
	} {
		t.Run(name, func(t *testing.T) {
			h := provisioned(t)
			for range 3 {
				serve(h, newDelivery(testEvent), new(app))
			}
			own := strings.NewReplacer("OWN", h.journal.epoch)
			s := listenTo(t, h, "/inspector/events"+own.Replace(tc.query), own.Replace(tc.last))
			for _, number := range tc.want {
				s.wantNext(h.journal.id(number))
			}
			h.stop()
			if got := s.next(); got != "" {
				t.Errorf("got %q, want no more", got)
			}
		})
	}
}

func TestStreamEndsWhenTheServerStops(t *testing.T) {
	h := provisioned(t)
	s := listenTo(t, h, "/inspector/events", "")
	h.stop()
	if got := s.next(); got != "" {
		t.Errorf("got %q, want the end", got)
	}
	h.stop() // once more, by Cleanup
}

func TestStreamCarriesThePayload(t *testing.T) {
	h := provisioned(t)
	pretty := "{\r\n\t\"specversion\": \"1.0\",\r\t\"type\":\n\n\"com.facebook.page.feed\"}"
	serve(h, newDelivery(pretty), new(app))
	serve(h, newDelivery(testEvent), new(app))
	s := listenTo(t, h, "/inspector/events", "")
	_, payload, _ := strings.Cut(s.next(), "}\n")
	want := "data: {\ndata: \t\"specversion\": \"1.0\",\ndata: \t\"type\":\ndata: \ndata: \"com.facebook.page.feed\"}\n"
	if payload != want {
		t.Errorf("got  %q\nwant %q", payload, want)
	}
	if got := s.next(); !strings.HasSuffix(got, "\ndata: "+testEvent+"\n") {
		t.Errorf("got %q, want the event's own bytes", got)
	}
}

func TestStreamOfHEADHasNoEvents(t *testing.T) {
	w, status := serve(provisioned(t), newRequest(http.MethodHead, "/inspector/events", ""), new(app))
	if status != http.StatusOK || w.Body.Len() != 0 || w.Header().Get("Content-Type") != "text/event-stream" {
		t.Errorf("got %d %q, want 200 and no body", status, w.Body)
	}
}
