package event_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// summary is what an event says, in plain strings. No time and no data read
// as the empty string.
type summary struct {
	object, entry, uid, kind, field, subject, time, data string
}

func summarize(ev *event.Event) summary {
	s := summary{
		object: ev.Object(), entry: ev.Entry(), uid: ev.UID(), kind: ev.Kind(),
		field: ev.Field(), subject: ev.Subject(), data: string(ev.AppendData(nil)),
	}
	if !ev.Time().IsZero() {
		s.time = ev.Time().Format(time.RFC3339Nano)
	}
	return s
}

func summarizeAll(events []event.Event) (all []summary) {
	for i := range events {
		all = append(all, summarize(&events[i]))
	}
	return all
}

// lines writes summaries one to a line, for messages.
func lines(all []summary) string {
	var b strings.Builder
	for _, s := range all {
		fmt.Fprintf(&b, "\n\t%+v", s)
	}
	if len(all) == 0 {
		return " none"
	}
	return b.String()
}

func parse(t testing.TB, body string) []event.Event {
	t.Helper()
	events, err := event.Parse([]byte(body))
	if err != nil {
		t.Fatalf("Parse(%s): got error %v, want none", body, err)
	}
	return events
}

// parseOne parses a notification with one update.
func parseOne(t testing.TB, body string) *event.Event {
	t.Helper()
	events := parse(t, body)
	if len(events) != 1 {
		t.Fatalf("Parse(%s): got %d events, want 1:%s", body, len(events), lines(summarizeAll(events)))
	}
	return &events[0]
}

// A shape is a notification and the events that are in it.
type shape struct {
	name, body string
	want       []summary
}

func testShapes(t *testing.T, shapes []shape) {
	t.Helper()
	for _, tt := range shapes {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			events := parse(t, tt.body)
			if got := summarizeAll(events); !slices.Equal(got, tt.want) {
				t.Errorf("Parse(%s)\ngot%s\nwant%s", tt.body, lines(got), lines(tt.want))
			}
			for i := range events {
				if got, want := events[i].HasData(), len(events[i].AppendData(nil)) > 0; got != want {
					t.Errorf("event %d: HasData: got %t, want %t", i, got, want)
				}
			}
		})
	}
}

func TestSameObjectAndKind(t *testing.T) {
	events, err := event.Parse([]byte(`[{"object":"page","entry":[` +
		`{"id":"1","changes":[{"field":"feed","value":1},{"field":"feed","value":2},{"field":"mention","value":3}]},` +
		`{"id":"2","changes":[{"field":"feed","value":4},{"field":"f\u0065ed","value":5}]},` +
		`{"id":"3","messaging":[{"message":{"mid":"6"}},{"message":{"mid":"7"}},{"read":{"watermark":8}}]}]},` +
		`{"object":"instagram","entry":[{"id":"1","changes":[{"field":"feed","value":9}]}]},` +
		`{"entry":[{"changes":[{"field":"feed"}]}]},{"object":"unknown","entry":[{"changes":[{"field":"feed"}]}]}]`))
	if err != nil || len(events) != 11 {
		t.Fatalf("got %d events, %v; want 11", len(events), err)
	}
	const escaped = 4 // is spelled in other characters
	for i := range events {
		for j := range events {
			a, b := &events[i], &events[j]
			sameObject := a.Object() == b.Object()
			sameKind := sameObject && a.Kind() == b.Kind() && (i == escaped) == (j == escaped)
			if got := a.SameObject(b); got != sameObject {
				t.Errorf("events %d and %d: SameObject: got %t, want %t", i, j, got, sameObject)
			}
			if got := a.SameKind(b); got != sameKind {
				t.Errorf("events %d and %d: SameKind: got %t, want %t", i, j, got, sameKind)
			}
		}
	}
}

func TestEventsShareTheBodyAndNothingElse(t *testing.T) {
	t.Parallel()
	body := `{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[` +
		`{"field":"messages","value":{"a":1,"messages":[{"id":"m"}],"statuses":[{"id":"s"}]}},` +
		`{"field":"old","verb":"update","value":7}]}]}`
	events := parse(t, body)
	want, ids := summarizeAll(events), idsOf(events)
	for range 50 { // these use the parser's scratch space again
		for _, seed := range seeds {
			_, _ = event.Parse([]byte(seed))
		}
	}
	if got := summarizeAll(events); !slices.Equal(got, want) {
		t.Errorf("after other notifications: got%s\nwant%s", lines(got), lines(want))
	}
	if got := idsOf(parse(t, body)); !slices.Equal(got, ids) {
		t.Errorf("ids after other notifications: got %v, want %v", got, ids)
	}
}

func TestNotificationsAreParsedAtTheSameTime(t *testing.T) {
	t.Parallel()
	want := make([][]summary, len(seeds))
	for i, seed := range seeds {
		events, _ := event.Parse([]byte(seed))
		want[i] = summarizeAll(events)
	}
	for worker := range 4 {
		t.Run(fmt.Sprint(worker), func(t *testing.T) {
			t.Parallel()
			for n := range 20 * len(seeds) {
				i := (n*7 + worker) % len(seeds)
				events, _ := event.Parse([]byte(seeds[i]))
				if got := summarizeAll(events); !slices.Equal(got, want[i]) {
					t.Fatalf("Parse(%s)\ngot%s\nwant%s", seeds[i], lines(got), lines(want[i]))
				}
			}
		})
	}
}
