package sample

import (
	"strings"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// now differs in seconds, milliseconds and ISO 8601.
var now = time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)

// parse returns the events in a notification of a sample.
func parse(t *testing.T, s Sample, updates int) []event.Event {
	t.Helper()
	body := s.Notification(updates, now)
	if strings.Contains(string(body), "{updates}") || strings.ContainsAny(string(body), "\n\t") {
		t.Errorf("%s: got %s, want JSON on one line", s.Name, body)
	}
	events, err := event.Parse(body)
	if err != nil {
		t.Fatalf("%s: got error %v for %s", s.Name, err, body)
	}
	return events
}

func TestEventsOfSamples(t *testing.T) {
	for _, s := range All {
		for _, updates := range []int{1, 2, MaxUpdates} {
			events := parse(t, s, updates)
			if len(events) != updates {
				t.Errorf("%s: got %d events, want %d", s.Name, len(events), updates)
			}
			for i := range events {
				if got := events[i].Type(); got != s.Type {
					t.Errorf("%s: got type %s, want %s", s.Name, got, s.Type)
				}
				if got := events[i].Time(); !got.Equal(now) && !got.Equal(now.Truncate(time.Second)) {
					t.Errorf("%s: got time %s, want %s", s.Name, got, now)
				}
			}
		}
	}
}

func TestUpdatesAreUnique(t *testing.T) {
	for _, s := range All {
		ids := map[event.ID]bool{}
		for range 2 {
			for _, e := range parse(t, s, 500) {
				ids[e.ID()] = true
			}
		}
		if len(ids) != 1000 {
			t.Errorf("%s: got %d IDs in 1000 updates, want 1000", s.Name, len(ids))
		}
	}
}

func TestSamplesAreEscaped(t *testing.T) {
	for _, s := range All {
		body := s.Notification(1, now)
		for _, c := range body {
			if c >= 0x80 {
				t.Errorf("%s: got %s, want ASCII only", s.Name, body)
				break
			}
		}
	}
}

func TestFind(t *testing.T) {
	for _, name := range Names() {
		if s, ok := Find(name); !ok || s.Name != name {
			t.Errorf("got %q, want %s", s.Name, name)
		}
	}
	if s, ok := Find("carrier-pigeon"); ok {
		t.Errorf("got %q for an unknown name, want none", s.Name)
	}
}
