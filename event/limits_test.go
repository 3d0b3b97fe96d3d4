package event_test

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// A load is a sort of notification that costs more than Meta's do, of about as
// many bytes as asked for.
type load struct {
	name string
	make func(size int) string
}

// list makes a load of elements of a list.
func listLoad(name, before, element, after string) load {
	return load{name, func(size int) string {
		elements := strings.Repeat(element+",", size/(len(element)+1))
		return before + strings.TrimSuffix(elements, ",") + after
	}}
}

// textLoad makes a load of one string, which is the text of a message.
func textLoad(name, text string) load {
	return load{name, func(size int) string {
		return `{"object":"page","entry":[{"id":"1","messaging":[{"message":{"mid":"m","text":"` + strings.Repeat(text, size/len(text)) + `"}}]}]}`
	}}
}

// loads is one of each sort. Only the first ones give many events.
var loads = []load{
	listLoad("numbers where items belong", `{"object":"page","entry":[{"id":"1","messaging":[`, `0`, `]}]}`),
	listLoad("empty items", `{"object":"page","entry":[{"id":"1","messaging":[`, `{}`, `]}]}`),
	listLoad("empty changes", `{"object":"page","entry":[{"id":"1","changes":[`, `{}`, `]}]}`),
	listLoad("changed fields", `{"object":"page","entry":[{"id":"1","changed_fields":[`, `"a"`, `]}]}`),
	listLoad("empty entries", `{"object":"page","entry":[`, `{}`, `]}`),
	listLoad("empty notifications", `[`, `{}`, `]`),
	listLoad("old verbs", `{"object":"user","entry":[{"changes":[`, `{"verb":1}`, `]}]}`),
	listLoad("empty elements", `{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"f","value":{"messages":[`, `{}`, `]}}]}]}`),
	listLoad("values of two arrays", `{"object":"whatsapp_business_account","entry":[{"changes":[`, `{"field":"f","value":{"calls":[{}],"groups":[{}]}}`, `]}]}`),
	{"different numbers where items belong", func(size int) string {
		var b strings.Builder
		for i := 0; b.Len() < size; i++ {
			fmt.Fprintf(&b, "%d,", i)
		}
		return `{"object":"page","entry":[{"id":"1","messaging":[` + b.String() + `0]}]}`
	}},

	listLoad("lists in a value", `{"object":"page","entry":[{"changes":[{"field":"f","value":[`, `[]`, `]}]}]}`),
	listLoad("an entry behind what it needs", `{"entry":[{"changes":[{"value":[`, `1`, `],"field":"f"}],"id":"1"}],"object":"page"}`),
	textLoad("one string", "a"),
	textLoad("backslashes in one string", `\\`),
	textLoad("quotes in one string", `\"`),
	textLoad("escapes in one string", `\u0041`),
	{"white space", func(size int) string { return strings.Repeat(" ", size) + `{}` }},
	{"members of one object", func(size int) string {
		var b strings.Builder
		for i := 0; b.Len() < size; i++ {
			fmt.Fprintf(&b, `"%x":1,`, i)
		}
		return `{"object":"page","entry":[{"changes":[{"field":"f","value":{` + b.String() + `"":1}}]}]}`
	}},
	listLoad("deepest nesting, often", `{"object":"page","entry":[{"changes":[{"field":"f","value":[`,
		strings.Repeat("[", 9_000)+strings.Repeat("]", 9_000), `]}]}]}`),
}

func TestNoNotificationTakesManyTimesItsBytes(t *testing.T) {
	const (
		size  = 1 << 17
		most  = 150 // bytes that are allocated for one of the notification, and for the most part thrown away
		few   = 10  // below which it does not count how many there are
		twice = 1.5 // how much more it may be in a notification twice as large, as slices grow in steps
	)
	for _, l := range loads {
		t.Run(l.name, func(t *testing.T) {
			half, whole := allocated(t, l.make(size/2)), allocated(t, l.make(size))
			if whole > most || whole > max(few, twice*half) {
				t.Errorf("allocated for each byte: got %.0f, and %.0f with half as many, want at most %d, and about as many", whole, half, most)
			}
		})
	}
}

// allocated returns how much memory Parse takes for each byte of the body.
func allocated(t *testing.T, body string) float64 {
	t.Helper()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	events := parse(t, body)
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(events)
	return float64(after.TotalAlloc-before.TotalAlloc) / float64(len(body))
}

// What many updates share is not gone through anew for each: not to tell them
// apart, and not for their conversations.
func TestAHugeValueIsGoneThroughOnce(t *testing.T) {
	const (
		updates = 1000
		each    = 1000 // bytes that may be hashed for an update
	)
	huge := `"` + strings.Repeat(`\u0041`, 10_000) + `"`
	list := func(before, element, after string) string {
		return strings.ReplaceAll(before, "HUGE", huge) + strings.Repeat(element+",", updates-1) + element + strings.ReplaceAll(after, "HUGE", huge)
	}
	message := `{"sender":{"id":"7"},"timestamp":5,"message":{"mid":"m"}}`
	whatsApp := `{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[`
	for name, body := range map[string]string{
		"id":                     list(`{"object":"page","entry":[{"id":HUGE,"messaging":[`, message, `]}]}`),
		"uid":                    list(`{"object":"page","entry":[{"messaging":[`, message, `],"uid":HUGE}]}`),
		"object":                 list(`{"object":HUGE,"entry":[{"id":"1","messaging":[`, message, `]}]}`),
		"object of many entries": list(`{"object":HUGE,"entry":[`, `{"id":"1","messaging":[`+message+`]}`, `]}`),
		"object of many changes": list(`{"object":HUGE,"entry":[{"id":"1","changes":[`, `{"field":"feed","value":{"post_id":"p"}}`, `]}]}`),
		"time":                   list(`{"object":"page","entry":[{"time":HUGE,"changed_fields":[`, `"a"`, `]}]}`),
		"target":                 list(`{"target_id":HUGE,"values":[`, `{"field":"a","value":1}`, `]}`),
		"field":                  list(whatsApp+`{"field":HUGE,"value":{"metadata":{"phone_number_id":"5"},"messages":[`, `{"id":"w","from":"7"}`, `]}}]}]}`),
		"phone number":           list(whatsApp+`{"field":"messages","value":{"metadata":{"phone_number_id":HUGE},"messages":[`, `{"id":"w","from":"7"}`, `]}}]}]}`),
		"beside the list":        list(whatsApp+`{"field":"messages","value":{"metadata":{"phone_number_id":"5"},"more":HUGE,"groups":[`, `{"group_id":"g"}`, `]}}]}]}`),
		"contacts":               list(whatsApp+`{"field":"messages","value":{"contacts":[HUGE],"groups":[`, `{"timestamp":5}`, `]}}]}]}`),
		"recipient of each":      list(`{"object":"page","entry":[{"id":HUGE,"messaging":[`, `{"sender":{"id":"1"},"recipient":{"id":"7"},"message":{"mid":"m","is_echo":true}}`, `]}]}`),
		"beside several lists":   list(whatsApp+`{"field":"messages","value":{"calls":[{}],"more":HUGE,"groups":[`, `{"group_id":"g"}`, `]}}]}]}`),
	} {
		if got, most := event.Hashed([]byte(body)), updates*each+len(huge); got > most {
			t.Errorf("%s: bytes hashed: got %d of a body of %d, want at most %d", name, got, len(body), most)
		}
		conversations := 0
		for _, ev := range parse(t, body) {
			conversations += len(ev.Conversation())
		}
		if most := 2 * updates * 200; conversations > most {
			t.Errorf("%s: bytes of the conversations: got %d, want at most %d", name, conversations, most)
		}
		if got, most := allocated(t, body), 25.; got > most {
			t.Errorf("%s: bytes allocated for each byte: got %.0f, want at most %.0f", name, got, most)
		}
	}
}

func TestAHugeIDIsToldFromAnother(t *testing.T) {
	t.Parallel()
	body := func(id string) string {
		return `{"object":"page","entry":[{"id":` + id + `,"messaging":[{"message":{"mid":"m"}}]}]}`
	}
	huge := strings.Repeat("9", 5000)
	id := parseOne(t, body(huge)).ID()
	for name, same := range map[string]string{"as a string": `"` + huge + `"`, "in other words": `"\u0039` + huge[1:] + `"`} {
		if got := parseOne(t, body(same)).ID(); got != id {
			t.Errorf("id of the same %s: got %s, want %s", name, got, id)
		}
	}
	// What says little in many bytes says the same in few.
	for short, long := range map[string]string{
		`"` + strings.Repeat("a", 100) + `"`:   `"` + strings.Repeat(`\u0061`, 100) + `"`,
		`"a` + strings.Repeat(`\"`, 100) + `"`: `"\u0061` + strings.Repeat(`\u0022`, 100) + `"`,
		`[{"a":"b"}]`:                          `[ { "a" :` + strings.Repeat(" ", 500) + `"b" } ]`,
	} {
		one, same := parseOne(t, body(short)), parseOne(t, body(long))
		if got, want := same.ID(), one.ID(); got != want {
			t.Errorf("id of %.20s… in %d bytes: got %s, want %s", short, len(long), got, want)
		}
		if got, want := same.Conversation(), one.Conversation(); got != want {
			t.Errorf("conversation of %.20s… in %d bytes: got %s, want %s", short, len(long), got, want)
		}
	}
	if got := parseOne(t, body(huge[1:]+"8")).ID(); got == id {
		t.Errorf("id of another: got %s for both, want two", got)
	}
}

func TestAnEventIsSmall(t *testing.T) {
	t.Parallel()
	if got, want := unsafe.Sizeof(event.Event{}), uintptr(96); got > want {
		t.Errorf("size of an event: got %d bytes, want %d", got, want)
	}
}

func TestManyUpdatesTakeFewAllocations(t *testing.T) {
	for name, body := range map[string][]byte{
		"WhatsApp": whatsAppBatch(1000), "Messenger": messengerBatch(1000), "feed": feedBatch(1000),
	} {
		got := math.Inf(1) // the fewest: scratch space that is used again may get lost at any time
		for range 20 {
			got = min(got, testing.AllocsPerRun(1, func() {
				if _, err := event.Parse(body); err != nil {
					t.Error(err)
				}
			}))
		}
		if got > 20 {
			t.Errorf("%s: allocations: got %.0f, want at most 20", name, got)
		}
	}
}

func TestToEncodeTakesRoomAtOnce(t *testing.T) {
	const most = 2 // under the race detector, slices.Grow takes another one
	for name, body := range map[string][]byte{
		"WhatsApp": whatsAppBatch(10), "Messenger": messengerBatch(10), "feed": feedBatch(10),
	} {
		events := parse(t, string(body))
		if got := testing.AllocsPerRun(20, func() { _ = events[0].AppendJSON(nil) }); got > most {
			t.Errorf("%s: allocations of an event: got %.0f, want at most %d", name, got, most)
		}
		if got := testing.AllocsPerRun(20, func() { _ = event.AppendJSONArray(nil, events) }); got > most {
			t.Errorf("%s: allocations of several events: got %.0f, want at most %d", name, got, most)
		}
	}
}

func TestMoreThanMaxSizeIsAnError(t *testing.T) {
	t.Parallel()
	events, err := event.Parse(make([]byte, event.MaxSize+1))
	if !errors.Is(err, event.ErrTooLarge) || events != nil {
		t.Errorf("got %d events and error %v, want %v", len(events), err, event.ErrTooLarge)
	}
}

func BenchmarkParseLoads(b *testing.B) {
	for _, l := range loads {
		for _, size := range []int{1 << 16, 1 << 20} {
			b.Run(fmt.Sprintf("%s/%d", l.name, size), func(b *testing.B) {
				body := []byte(l.make(size))
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := event.Parse(body); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
