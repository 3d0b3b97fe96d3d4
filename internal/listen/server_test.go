package listen

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// A served server is one that listens.
type served struct {
	*Server
	t        *testing.T
	http     *httptest.Server
	stopping chan struct{}
	logs     *observer.ObservedLogs
}

func serveAll(t *testing.T, change func(*Server)) *served {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	s := &served{t: t, stopping: make(chan struct{}), logs: logs}
	s.Server = &Server{Name: t.Name(), MaxListeners: 2, MaxEvents: 10_000, MaxBytes: 1 << 30, Stopping: s.stopping, Logger: zap.New(core)}
	if change != nil {
		change(s.Server)
	}
	if err := s.Open(); err != nil {
		t.Fatal(err)
	}
	s.journal.began = time.Time{} // nothing is about to start
	s.http = httptest.NewServer(s)
	t.Cleanup(func() {
		s.http.CloseClientConnections()
		s.http.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// take has meta_webhook deliver a body.
func (s *served) take(id, body string) (answered func(failed bool)) {
	r := httptest.NewRequest(http.MethodPost, "/webhooks", nil)
	r.Header.Set("Webhook-Id", id)
	return s.Take(r, []byte(body), time.Now())
}

// get asks for the stream, and returns what it says, line by line.
func (s *served) get(query, last string) (*http.Response, *bufio.Scanner) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	s.t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.http.URL+"/?"+query, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	res, err := s.http.Client().Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = res.Body.Close() })
	return res, bufio.NewScanner(res.Body)
}

// until returns the lines up to one that begins so.
func until(t *testing.T, lines *bufio.Scanner, prefix string) (all []string) {
	t.Helper()
	for lines.Scan() {
		if all = append(all, lines.Text()); strings.HasPrefix(lines.Text(), prefix) {
			return all
		}
	}
	t.Fatalf("got %q and an end, want a line that begins with %s", all, prefix)
	return nil
}

func TestStreamBeginsWithAHelloAndLives(t *testing.T) {
	s := serveAll(t, func(s *Server) { s.Heartbeat = 20 * time.Millisecond })
	res, lines := s.get("", "")
	if got := res.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("got Content-Type %q, want text/event-stream", got)
	}
	until(t, lines, `data: {"name":"`+t.Name()+`","stored":false,"heartbeat":0.02}`)
	position := until(t, lines, "id: ") // of a heartbeat
	s.take("1", eventOf("1", "page", "feed", "c"))
	message := until(t, lines, "data: ")
	if got := message[len(message)-1]; !strings.Contains(got, `"id":"1"`) {
		t.Errorf("got %s, want the message", got)
	}
	_, lines = s.get("", strings.TrimPrefix(position[len(position)-1], "id: "))
	until(t, lines, "event: hello")
	until(t, lines, "event: message")
}

func TestStreamEndsWithTheConfiguration(t *testing.T) {
	s := serveAll(t, nil)
	_, lines := s.get("", "")
	until(t, lines, "event: hello")
	close(s.stopping)
	for lines.Scan() {
	}
	if err := lines.Err(); err != nil {
		t.Errorf("got error %v, want an end", err)
	}
}

// TestListenerThatDoesNotReadIsCutOff has one that reads nothing, while events
// come. Its place is free in the end.
func TestListenerThatDoesNotReadIsCutOff(t *testing.T) {
	s := serveAll(t, func(s *Server) { s.Patience = 100 * time.Millisecond })
	conn, err := net.Dial("tcp", s.http.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET /?since=1h HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	body := eventOf("1", "page", strings.Repeat("k", 1<<20), "c")
	for range 32 { // more than the kernel keeps
		s.take("1", body)
	}
	deadline := time.Now().Add(time.Minute)
	for s.logs.FilterMessage("listener gone").Len() == 0 {
		if time.Now().After(deadline) {
			t.Fatal("got a listener that still has its place, want it cut off")
		}
		time.Sleep(time.Millisecond)
	}
	if gone := s.logs.FilterMessage("listener gone").All()[0]; gone.ContextMap()["too_slow"] != true {
		t.Errorf("got %v in the log, want that it was too slow", gone.ContextMap())
	}
}

// TestStoppingDoesNotWaitForAListenerThatDoesNotRead ends a configuration while
// a write is stuck. No delivery waits for that either.
func TestStoppingDoesNotWaitForAListenerThatDoesNotRead(t *testing.T) {
	s := serveAll(t, func(s *Server) { s.Patience = time.Hour })
	conn, err := net.Dial("tcp", s.http.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET /?since=1h HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	for range 32 {
		s.take("1", eventOf("1", "page", strings.Repeat("k", 1<<20), "c"))
	}
	time.Sleep(50 * time.Millisecond)
	close(s.stopping)
	for began := time.Now(); s.logs.FilterMessage("listener gone").Len() == 0; time.Sleep(time.Millisecond) {
		if time.Since(began) > 5*time.Second {
			t.Fatal("got a stream that goes on, want it to end with the configuration")
		}
	}
}

func TestOneEventAgain(t *testing.T) {
	s := serveAll(t, nil)
	s.take("1", eventOf("1", "page", "feed", "c"))
	s.take("2", "["+eventOf("3", "page", "feed", "c")+","+eventOf("4", "page", "feed", "c")+"]")
	for id, want := range map[string]string{"1": `"id":"1"`, "2": `"id":"2"`, "4": `"id":"2"`, "5": ""} {
		_, lines := s.get("id="+id, "")
		all := strings.Join(until(t, lines, "event: end"), "\n")
		if got := strings.Contains(all, "event: message"); got != (want != "") || !strings.Contains(all, want) {
			t.Errorf("id %s: got %s, want %s", id, all, want)
		}
	}
}

func TestWishesWithoutMeaning(t *testing.T) {
	s := serveAll(t, nil)
	for query, want := range map[string]string{
		"since=soon": "since: ", "since=-1h": "since: ", "nonsense=1": `unknown parameter "nonsense"`, "kind=a&kind=b": "kind: given more than once",
		"destination=app": "destination: the gateway delivers inline", "kind=%zz": "malformed query",
	} {
		res, lines := s.get(query, "")
		lines.Scan()
		if res.StatusCode != http.StatusBadRequest || !strings.HasPrefix(lines.Text(), want) {
			t.Errorf("%s: got %d %s, want 400 and %s", query, res.StatusCode, lines.Text(), want)
		}
	}
	for _, last := range []string{"x", "a.b.c.d", ".1.2.3", "a.1.2", "a.1.2.3.4", "a.-1.2.3"} {
		if res, _ := s.get("", last); res.StatusCode != http.StatusBadRequest {
			t.Errorf("Last-Event-ID %s: got %d, want 400", last, res.StatusCode)
		}
	}
}

func TestPlacesOfListeners(t *testing.T) {
	s := serveAll(t, nil)
	for i, want := range []bool{true, true, false} {
		if got := s.Enter(); got != want {
			t.Errorf("listener %d: got in: %t, want %t", i+1, got, want)
		}
	}
	s.Leave()
	if !s.Enter() {
		t.Error("got no place after another listener has left, want one")
	}
}
