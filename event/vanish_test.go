package event_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

func TestNothingBesideAListVanishes(t *testing.T) {
	t.Parallel()
	const whatsApp = "whatsapp_business_account"
	of := func(object, kind, field, data string) summary {
		return summary{object: object, entry: "1", kind: kind, field: field, data: data}
	}
	entry := func(members string) string { return `{"object":"page","entry":[{"id":"1",` + members + `}]}` }
	feed, rest := of("page", "feed", "feed", `1`), func(data string) summary { return of("page", "unrecognized", "", data) }
	split := func(change string) string {
		return `{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[` + change + `]}]}`
	}
	message := of(whatsApp, "messages", "messages", `{"messages":[{"a":1}]}`)
	testShapes(t, []shape{
		{"a list that is not known", entry(`"changes":[{"field":"feed","value":1}],"hop_context":[{"app_id":1}]`), []summary{feed, rest(`{"hop_context":[{"app_id":1}]}`)}},
		{"before the list that is", entry(`"hop_context":[{"app_id":1}],"changes":[{"field":"feed","value":1}]`), []summary{feed, rest(`{"hop_context":[{"app_id":1}]}`)}},
		{"an empty one", entry(`"changes":[{"field":"feed","value":1}],"hop_context":[]`), []summary{feed, rest(`{"hop_context":[]}`)}},
		{"beside an empty one", entry(`"changes":[],"hop_context":[1]`), []summary{rest(`{"hop_context":[1]}`)}},
		{"several in their order", entry(`"b":2,"changes":[{"field":"feed","value":1}],"a":{ "x" : 1 },"uid":"","time":0,"c":null`), []summary{
			{object: "page", entry: "1", kind: "feed", field: "feed", time: "1970-01-01T00:00:00Z", data: `1`},
			{object: "page", entry: "1", kind: "unrecognized", time: "1970-01-01T00:00:00Z", data: `{"b":2,"a":{ "x" : 1 },"c":null}`},
		}},
		{"once, after those of all lists", entry(`"x":1,"changes":[{"field":"feed","value":1}],"y":2,"changed_fields":["a"]`), []summary{feed, of("page", "a", "a", ""), rest(`{"x":1,"y":2}`)}},
		{"a known name that holds no list", entry(`"changes":[{"field":"feed","value":1}],"messaging":{"x":1},"standby":null`), []summary{feed, rest(`{"messaging":{"x":1},"standby":null}`)}},
		{"a field without a value", entry(`"changes":[{"field":"feed","value":1}],"field":"a"`), []summary{feed, rest(`{"field":"a"}`)}},
		{"a value without a field", entry(`"changes":[{"field":"feed","value":1}],"value":2`), []summary{feed, rest(`{"value":2}`)}},
		{"a value with a field that is no name", entry(`"changes":[{"field":"feed","value":1}],"value":2,"field":3`), []summary{feed, rest(`{"value":2,"field":3}`)}},
		{"beside a field and its value", entry(`"field":"feed","value":1,"x":1`), []summary{feed, rest(`{"x":1}`)}},
		{"names in other words", entry(`"ch\u0061nges":[{"field":"feed","value":1}],"n\u006fvel":1`), []summary{feed, rest(`{"n\u006fvel":1}`)}},
		{
			"beside field and value of a split change", split(`{"field":"messages","value":{"messages":[{"a":1}]},"verb":"v","more":[1]}`),
			[]summary{message, of(whatsApp, "unrecognized", "messages", `{"verb":"v","more":[1]}`)},
		},
		{
			"of each change, before the next", split(`{"more":1,"value":{"messages":[{"a":1}]},"field":"messages"},{"field":"messages","value":{"messages":[{"a":1}]}}`),
			[]summary{message, of(whatsApp, "unrecognized", "messages", `{"more":1}`), message},
		},
		{
			"beside the entries", `{"object":"page","more":1,"entry":[{"id":"1","changes":[{"field":"feed","value":1}]}],"x":[]}`,
			[]summary{feed, {object: "page", kind: "unrecognized", data: `{"more":1,"x":[]}`}},
		},
		{
			"beside the values of Threads", `{"target_id":"1","app_id":"2","topic":"t","subscription_id":"3","has_uid_field":false,"more":1,"values":{"field":"replies","value":1},"time":0}`,
			[]summary{
				{object: "threads", entry: "1", kind: "replies", field: "replies", time: "1970-01-01T00:00:00Z", data: `1`},
				{object: "threads", entry: "1", kind: "unrecognized", time: "1970-01-01T00:00:00Z", data: `{"more":1}`},
			},
		},
		{"what Threads says of the notification", `{"target_id":"1","app_id":"2","topic":"t","subscription_id":"3","has_uid_field":false,"values":[]}`, nil},
	})
}

// envelope is what a notification, an entry or a change says of itself. It is
// in attributes.
var envelope = []string{"object", "id", "uid", "time", "field", "target_id", "app_id", "changed_fields"}

// holders calls f with every object that is not in the envelope.
func (t *tree) holders(f func(object *tree)) {
	if t.isObject() {
		f(t)
	}
	for i, value := range t.values {
		if t.open != '{' || !slices.Contains(envelope, unquoted(t.names[i])) {
			value.holders(f)
		}
	}
}

// Wherever a member is put into a notification, an event holds it.
func TestNoMemberOfANotificationIsInNoEvent(t *testing.T) {
	t.Parallel()
	const marker = `"here it is"`
	tried := 0
	for seed := range uint64(1500) {
		m := maker{rand.New(rand.NewPCG(seed, 1))}
		body := m.notification(m.pick("page", "instagram", "whatsapp_business_account", "whatsapp_business_account"))
		root, err := readDocument([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		root.holders(func(object *tree) {
			object.names, object.values = append(object.names, `"novelty of its own"`), append(object.values, &tree{scalar: marker})
			defer func() {
				object.names, object.values = object.names[:len(object.names)-1], object.values[:len(object.values)-1]
			}()
			marked := root.compact()
			tried++
			if events := parse(t, marked); !slices.ContainsFunc(events, func(ev event.Event) bool { return holds(&ev, marker) }) {
				t.Errorf("Parse(%s): no event holds %s:%s", marked, marker, lines(summarizeAll(events)))
			}
		})
	}
	if tried < 5000 {
		t.Errorf("places tried: got %d, want more", tried)
	}
}

func holds(ev *event.Event, text string) bool {
	return strings.Contains(string(ev.AppendData(nil)), text)
}

func TestWhatIsLeftOverIsTheSameOnARetry(t *testing.T) {
	t.Parallel()
	body := func(time int) string {
		return fmt.Sprintf(`{"object":"page","entry":[{"id":"1","time":%d,"changes":[],"hop_context":[1]}]}`, time)
	}
	one, again, later := parseOne(t, body(5)).ID(), parseOne(t, body(5)).ID(), parseOne(t, body(6)).ID()
	if again != one || later == one {
		t.Errorf("ids: got %s, %s and, sent later, %s, want the same and another one", one, again, later)
	}
}
