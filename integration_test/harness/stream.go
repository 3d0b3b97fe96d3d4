package harness

import (
	"bufio"
	"context"
	"net/http"
	"slices"
	"time"
)

// An InspectedEvent is what the page shows of an event.
type InspectedEvent struct {
	Object  string `json:"object"`
	Kind    string `json:"kind"`
	Mode    string `json:"mode"`
	Events  int    `json:"events"`
	State   string `json:"state"`
	Status  int    `json:"status"`
	Error   string `json:"error"`
	Subject string `json:"subject"`
}

// OpenStream opens the stream that tells a page of changes.
func OpenStream(g *Gateway, ctx context.Context) *bufio.Scanner {
	g.T.Helper()
	res, err := g.Client.Do(g.Request("GET", "/inspector/stream", nil).WithContext(ctx))
	if err != nil {
		g.T.Fatal(err)
	}
	g.T.Cleanup(func() { _ = res.Body.Close() })
	if res.StatusCode != http.StatusOK {
		g.T.Fatalf("got answer %d, want the stream of changes", res.StatusCode)
	}
	return bufio.NewScanner(res.Body)
}

// ReadEvents returns the events on the page, the oldest first, once there are
// so many, and makes sure that there are no more.
func ReadEvents(g *Gateway, n int) []InspectedEvent {
	g.T.Helper()
	read := func() []InspectedEvent {
		a := g.Do(g.Request("GET", "/inspector/events?limit=1000", nil))
		WantStatus(g.T, a, http.StatusOK)
		events := Decode[struct{ Events []InspectedEvent }](g.T, a.Body).Events
		slices.Reverse(events)
		return events
	}
	Eventually(g.T, "the events on the page", func() bool { return len(read()) >= n })
	time.Sleep(100 * time.Millisecond) // for one too many to come
	events := read()
	if len(events) != n {
		g.T.Fatalf("got %d events on the page, want %d", len(events), n)
	}
	return events
}
