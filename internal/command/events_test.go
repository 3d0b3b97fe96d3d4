package command

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

func TestEventsArePrintedOnePerLine(t *testing.T) {
	events, err := event.Parse([]byte(testBody))
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for i := range events {
		want.Write(append(events[i].AppendJSON(nil), '\n'))
	}
	r := command(t, testBody, "events")
	r.want(t, 0, want.String(), "")
	if r.out != want.String() {
		t.Errorf("got %s, want %s", r.out, &want)
	}
}

func TestEventsArePrintedIndented(t *testing.T) {
	r := command(t, testBody, "events", "--pretty")
	r.want(t, 0, "{\n  \"specversion\": \"1.0\",\n", "")
	events := 0
	for dec := json.NewDecoder(strings.NewReader(r.out)); dec.More(); events++ {
		var e map[string]any
		if err := dec.Decode(&e); err != nil {
			t.Fatal(err)
		}
	}
	if events != 3 {
		t.Errorf("got %d events, want 3", events)
	}
}

func TestBodiesWithoutEvents(t *testing.T) {
	command(t, `{"object":"page","entry":[]}`, "events").want(t, 0, "", "The notification holds no events.")
	command(t, "not JSON", "events").want(t, 2, "", "Error: not a valid notification: not JSON")
	command(t, "", "events").want(t, 2, "", "Error: not a valid notification: not JSON")
}
