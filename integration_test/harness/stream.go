package harness

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"time"
)

// An InspectedEvent is what the page gets of an event.
type InspectedEvent struct {
	Type    string `json:"type"`
	Mode    string `json:"mode"`
	Events  int    `json:"events"`
	Answer  int    `json:"answer"`
	Failure string `json:"failure"`
	Subject string `json:"subject"`
}

// OpenStream opens the stream of a page's events.
func OpenStream(g *Gateway, ctx context.Context) *bufio.Scanner {
	g.T.Helper()
	res, err := g.Client.Do(g.Request("GET", "/inspector/events", nil).WithContext(ctx))
	if err != nil {
		g.T.Fatal(err)
	}
	g.T.Cleanup(func() { _ = res.Body.Close() })
	if res.StatusCode != http.StatusOK {
		g.T.Fatalf("got answer %d, want the stream of events", res.StatusCode)
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 16<<20)
	return lines
}

// ReadEvents reads so many events from the stream, and makes sure that there
// are no more.
func ReadEvents(g *Gateway, n int) []InspectedEvent {
	g.T.Helper()
	ctx, cancel := context.WithCancel(g.T.Context())
	defer cancel()
	stream := OpenStream(g, ctx)
	var events []InspectedEvent
	timer := time.AfterFunc(Patience, cancel)
	defer timer.Stop()
	for isNext := false; stream.Scan(); isNext = strings.HasPrefix(stream.Text(), "id: ") {
		if isNext {
			events = append(events, Decode[InspectedEvent](g.T, strings.TrimPrefix(stream.Text(), "data: ")))
		}
		if len(events) == n {
			timer.Reset(100 * time.Millisecond) // for one too many to come
		}
	}
	if len(events) != n {
		g.T.Fatalf("got %d events on the page, want %d", len(events), n)
	}
	return events
}
