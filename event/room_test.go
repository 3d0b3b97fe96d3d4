package event_test

import (
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// repeated returns a list of n elements between head and tail.
func repeated(head, element, tail string, n int) []byte {
	return []byte(head + strings.Repeat(element+",", n-1) + element + tail)
}

var roomShapes = []struct {
	name                string
	head, element, tail string
}{
	{"notifications", `[`, `0`, `]`},
	{"notifications with an entry", `[`, `{"entry":0}`, `]`},
	{"entries", `{"entry":[`, `0`, `]}`},
	{"entries that are objects", `{"entry":[`, `{}`, `]}`},
	{"entries with a change", `{"entry":[`, `{"changes":[0]}`, `]}`},
	{"entries with a change of their own", `{"entry":[`, `{"field":"a","value":0}`, `]}`},
	{"entries with an update a member", `{"entry":[`, `{"changed_fields":[0],"changes":0,"messaging":0,"standby":0}`, `]}`},
	{"changes", `{"entry":[{"changes":[`, `0`, `]}]}`},
	{"changes that are objects", `{"entry":[{"changes":[`, `{"field":"a"}`, `]}]}`},
	{"changes that are made anew", `{"entry":[{"changes":[`, `{"field":"a","value":0,"verb":0}`, `]}]}`},
	{"changed fields", `{"entry":[{"changed_fields":[`, `""`, `]}]}`},
	{"items", `{"entry":[{"messaging":[`, `{}`, `]}]}`},
	{"standby", `{"entry":[{"standby":[`, `0`, `]}]}`},
	{"values of Threads", `{"target_id":"1","values":[`, `0`, `]}`},
	{"values that are dropped", `{"values":[`, `0`, `]}`},
	{"messages", `{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":{"messages":[`, `{}`, `]}}]}]}`},
	{"messages with a key", `{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"1"},"messages":[`, `{"id":"1"}`, `]}}]}]}`},
	{"messages that are none", `{"object":"page","entry":[{"changes":[{"field":"messages","value":{"messages":[`, `{}`, `]}}]}]}`},
	{"values with messages", `{"object":"whatsapp_business_account","entry":[{"changes":[`, `{"field":"messages","value":{"messages":[{}]}}`, `]}]}`},
}

// TestRoomIsWhatParseTakes measures what Parse allocates for lists as dense as
// they can be. Under the race detector, room is made twice.
func TestRoomIsWhatParseTakes(t *testing.T) {
	const n = 50_000
	for _, shape := range roomShapes {
		t.Run(shape.name, func(t *testing.T) {
			body := repeated(shape.head, shape.element, shape.tail, n)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			events, err := event.Parse(body)
			runtime.ReadMemStats(&after)
			if err != nil {
				t.Fatal(err)
			}
			took, room, held := int(after.TotalAlloc-before.TotalAlloc), event.Room(body), event.Held(events)
			t.Logf("%d events, %d bytes each, of which %d are held, room %d", len(events), took/n, held/n, room/n)
			if took > 2*room {
				t.Errorf("got %d bytes allocated, want at most twice the room of %d", took, room)
			}
			if least := len(events) * int(unsafe.Sizeof(event.Event{})); held < least || held > room {
				t.Errorf("got %d bytes held, want at least the %d of the events, and at most the room of %d", held, least, room)
			}
		})
	}
}

func TestNothingIsHeldOfNoEvents(t *testing.T) {
	if got := event.Held(nil); got != 0 {
		t.Errorf("got %d bytes, want none", got)
	}
}

func TestRoomToEncodeIsWhatItTakes(t *testing.T) {
	t.Parallel()
	const exact = `{"object":"instagram","entry":[{"id":12,"uid":34,"time":"2020-09-13T12:26:40.123456789Z",` +
		`"changes":[{"field":"comments","value":{"id":56}}]}]}`
	for name, test := range map[string]struct {
		body string
		more int // than it takes, at most, for each event
	}{
		"numbers and the longest time": {exact, 2},
		"WhatsApp":                     {string(whatsAppBatch(10)), 16},
		"Messenger":                    {string(messengerBatch(10)), 16},
		"feed":                         {string(feedBatch(10)), 16},
	} {
		for _, e := range parse(t, test.body) {
			if got, least := e.JSONRoom(), len(e.AppendJSON(nil)); got < least || got > least+test.more {
				t.Errorf("%s: got room for %d bytes, want %d and at most %d more", name, got, least, test.more)
			}
		}
	}
}
