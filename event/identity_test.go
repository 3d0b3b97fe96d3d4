package event_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

func idsOf(events []event.Event) (ids []string) {
	for i := range events {
		ids = append(ids, events[i].ID().String())
	}
	return ids
}

// The makers of notifications with one update, sent at a time.
func messaging(item string) string { return messagingAt(1600000000, item) }

func messagingAt(time int, item string) string {
	return fmt.Sprintf(`{"object":"page","entry":[{"id":"1","time":%d,"messaging":[%s]}]}`, time, item)
}

func changeAt(time int, object, field, value string) string {
	return fmt.Sprintf(`{"object":%q,"entry":[{"id":"1","time":%d,"changes":[{"field":%q,"value":%s}]}]}`, object, time, field, value)
}

func whatsAppAt(time int, array, element string) string {
	return fmt.Sprintf(`{"object":"whatsapp_business_account","entry":[{"id":"9","time":%d,"changes":[{"field":"messages","value":`+
		`{"metadata":{"phone_number_id":"5"},%q:[%s]}}]}]}`, time, array, element)
}

// naturalKeys is one update of each sort that has a natural key.
var naturalKeys = []struct {
	name string
	at   func(time int) string
}{
	{"message", func(at int) string { return messagingAt(at, `{"sender":{"id":"7"},"message":{"mid":"m"}}`) }},
	{"unsend", func(at int) string { return messagingAt(at, `{"message":{"mid":"m","is_deleted":true}}`) }},
	{"echo", func(at int) string { return messagingAt(at, `{"message":{"mid":"m","is_echo":true}}`) }},
	{"edit", func(at int) string { return messagingAt(at, `{"message_edit":{"mid":"m","num_edit":2}}`) }},
	{"reaction", func(at int) string {
		return messagingAt(at, `{"sender":{"id":"7"},"timestamp":3,"reaction":{"mid":"m","action":"react","emoji":"x"}}`)
	}},
	{"postback", func(at int) string { return messagingAt(at, `{"postback":{"mid":"m","payload":"p"}}`) }},
	{"postback without mid", func(at int) string {
		return messagingAt(at, `{"sender":{"id":"7"},"timestamp":3,"postback":{"payload":"p"}}`)
	}},
	{"delivery", func(at int) string {
		return messagingAt(at, `{"sender":{"id":"7"},"delivery":{"watermark":3,"mids":["m"]}}`)
	}},
	{"read", func(at int) string { return messagingAt(at, `{"sender":{"id":"7"},"read":{"watermark":3}}`) }},
	{"Instagram read", func(at int) string { return messagingAt(at, `{"sender":{"id":"7"},"read":{"mid":"m"}}`) }},
	{"standby", func(at int) string {
		return strings.Replace(messagingAt(at, `{"message":{"mid":"m"}}`), "messaging", "standby", 1)
	}},
	{"WhatsApp message", func(at int) string { return whatsAppAt(at, "messages", `{"id":"w"}`) }},
	{"WhatsApp echo", func(at int) string { return whatsAppAt(at, "message_echoes", `{"id":"w"}`) }},
	{"WhatsApp status", func(at int) string {
		return whatsAppAt(at, "statuses", `{"id":"w","status":"read","timestamp":"3","recipient_id":"7"}`)
	}},
	{"WhatsApp call by event", func(at int) string { return whatsAppAt(at, "calls", `{"id":"w","event":"connect"}`) }},
	{"WhatsApp call by status", func(at int) string { return whatsAppAt(at, "calls", `{"id":"w","status":"RINGING"}`) }},
	{"leadgen", func(at int) string { return changeAt(at, "page", "leadgen", `{"leadgen_id":"l"}`) }},
	{"Instagram comment", func(at int) string { return changeAt(at, "instagram", "comments", `{"id":"c"}`) }},
	{"Instagram live comment", func(at int) string { return changeAt(at, "instagram", "live_comments", `{"id":"c"}`) }},
}

func TestNaturalKeysLeaveTheEntrysTimeOut(t *testing.T) {
	t.Parallel()
	all := make(map[string]string)
	for _, tt := range naturalKeys {
		first, later := parseOne(t, tt.at(1600000000)).ID(), parseOne(t, tt.at(1600000009)).ID()
		if first != later {
			t.Errorf("%s: ids: got %s and, sent later, %s, want one", tt.name, first, later)
		}
		if other, taken := all[first.String()]; taken {
			t.Errorf("%s: got id %s, want another one than %s", tt.name, first, other)
		}
		all[first.String()] = tt.name
	}
}

func TestTheSameUpdateHasTheSameID(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, a, b string }{
		{
			"white space, natural key",
			`{"object":"page","entry":[{"id":"1","messaging":[{"sender":{"id":"7"},"delivery":{"watermark":3,"mids":["m","n"]}}]}]}`,
			"{ \"object\" : \"page\" , \"entry\" : [ {\n\"id\" : \"1\" , \"messaging\" : [ { \"sender\" : { \"id\" : \"7\" } , \"delivery\" : { \"watermark\" : 3 , \"mids\" : [ \"m\" , \"n\" ] } } ] } ] }",
		},
		{
			"white space, data",
			changeAt(5, "page", "feed", `{"a":[1,"b c"],"d":{}}`),
			changeAt(5, "page", "feed", "{ \"a\" : [ 1 ,\t\"b c\" ] ,\r\n\"d\" : { } }"),
		},
		{
			"white space, WhatsApp without a natural key",
			whatsAppAt(5, "groups", `{"a":[1],"b":"c d"}`),
			whatsAppAt(5, "groups", ` { "a" : [ 1 ] , "b" : "c d" } `),
		},
		{"white space, old verb", `{"entry":[{"changes":[{"field":"a","verb":"v","value":{"b":1}}]}]}`, `{"entry":[{"changes":[{ "field" : "a" , "verb" : "v" , "value" : { "b" : 1 } }]}]}`},
		{"white space, not recognized", `{"a":[1]}`, ` { "a" : [ 1 ] } `},
		{
			"order of the members outside of the natural key",
			messaging(`{"sender":{"id":"7"},"recipient":{"id":"1"},"message":{"mid":"m","text":"t"}}`),
			messaging(`{"message":{"text":"t","mid":"m"},"recipient":{"id":"1"},"sender":{"id":"7"}}`),
		},
		{
			"order of the members of a change",
			changeAt(5, "page", "feed", `{"a":1}`),
			`{"object":"page","entry":[{"id":"1","time":5,"changes":[{"value":{"a":1},"field":"feed"}]}]}`,
		},
		{
			"object behind entry, id and time behind the lists",
			changeAt(5, "page", "feed", `{"a":1}`),
			`{"entry":[{"changes":[{"field":"feed","value":{"a":1}}],"time":5,"id":"1"}],"object":"page"}`,
		},
		{"one entry that is an object", `{"object":"page","entry":[{"id":"1","changed_fields":["a"]}]}`, `{"object":"page","entry":{"id":"1","changed_fields":["a"]}}`},
		{"an array of notifications", changeAt(5, "page", "feed", `{"a":1}`), `[` + changeAt(5, "page", "feed", `{"a":1}`) + `]`},
		{"members that Meta adds", messaging(`{"message":{"mid":"m"}}`), messaging(`{"message":{"mid":"m","novelty":1},"novelty":2}`)},
		{"escapes in a natural key", messaging(`{"message":{"mid":"m\/1"}}`), messaging(`{"message":{"mid":"m/\u0031"}}`)},
		{"escapes in the field", changeAt(5, "page", "feed", `1`), strings.Replace(changeAt(5, "page", "feed", `1`), `"feed"`, `"fe\u0065d"`, 1)},
		{"Threads: one value, an array of them", `{"target_id":"7","time":5,"values":{"field":"a","value":1}}`, `{"time":5,"values":[{"value":1,"field":"a"}],"target_id":"7"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if a, b := parseOne(t, tt.a).ID(), parseOne(t, tt.b).ID(); a != b {
				t.Errorf("ids: got %s and %s, want one\n%s\n%s", a, b, tt.a, tt.b)
			}
		})
	}
}

func TestBatchMatesDoNotChangeAnID(t *testing.T) {
	t.Parallel()
	list := func(object, list string, items ...string) string {
		return fmt.Sprintf(`{"object":%q,"entry":[{"id":"1","time":5,%q:[%s]}]}`, object, list, strings.Join(items, ","))
	}
	value := func(members ...string) string {
		return `{"object":"whatsapp_business_account","entry":[{"id":"9","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"5"},` +
			strings.Join(members, ",") + `}}]}]}`
	}
	tests := []struct {
		name, alone, together string
		at                    int // index of the same update in together
	}{
		{"message", list("page", "messaging", `{"message":{"mid":"m"}}`), list("page", "messaging", `{"message":{"mid":"l"}}`, `{"message":{"mid":"m"}}`, `{"read":{}}`), 1},
		{"change", list("page", "changes", `{"field":"a","value":1}`), list("page", "changes", `{"field":"a","value":2}`, `{"field":"a","value":1}`), 1},
		{"changed field", list("page", "changed_fields", `"a"`), list("page", "changed_fields", `"b"`, `"a"`), 1},
		{
			"other entries", list("page", "changes", `{"field":"a","value":1}`),
			`{"object":"page","entry":[{"id":"2","time":5,"changes":[{"field":"a","value":1}]},{"id":"1","time":5,"changes":[{"field":"a","value":1}]}]}`, 1,
		},
		{
			"other notifications", list("page", "changes", `{"field":"a","value":1}`),
			`[` + list("user", "changes", `{"field":"a","value":1}`) + `,` + list("page", "changes", `{"field":"a","value":1}`) + `]`, 1,
		},
		{"WhatsApp message", value(`"messages":[{"id":"m"}]`), value(`"messages":[{"id":"l"},{"id":"m"}]`), 1},
		{"WhatsApp group", value(`"groups":[{"a":1}]`), value(`"groups":[{"b":1},{"a":1}]`), 1},
		{"WhatsApp group behind another array", value(`"groups":[{"a":1}]`), value(`"messages":[{"id":"l"}]`, `"groups":[{"a":1}]`), 1},
		{"WhatsApp group before another array", value(`"groups":[{"a":1}]`, `"x":1`), value(`"groups":[{"a":1}]`, `"messages":[{"id":"l"}]`, `"x":1`), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			alone, together := parseOne(t, tt.alone), parse(t, tt.together)
			if got, want := together[tt.at].ID(), alone.ID(); got != want {
				t.Errorf("id among others: got %s, want %s as alone", got, want)
			}
		})
	}
}

func TestIdenticalUpdatesOfOneNotificationAreCounted(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, body string }{
		{"changes", `{"object":"page","entry":[{"id":"1","time":5,"changes":[{"field":"a","value":1},{"field":"a","value":1},{"field":"a","value": 1}]}]}`},
		{"changed fields", `{"object":"page","entry":[{"id":"1","time":5,"changed_fields":["a","a","a"]}]}`},
		{"entries", `{"object":"page","entry":[{"id":"1","changed_fields":["a"]},{"id":"1","changed_fields":["a"]},{"id":"1","changed_fields":["a"]}]}`},
		{"notifications", `[{"a":1},{"a":1},{"a":1}]`},
		{"items", `{"object":"page","entry":[{"id":"1","messaging":[{"optin":{}},{"optin":{}},{"optin":{}}]}]}`},
		{"items of several entries", `{"object":"page","entry":[{"id":"1","messaging":[{"optin":{}}]},{"id":"1","messaging":[{"optin":{}},{"optin":{}}]}]}`},
		{"elements", whatsAppAt(5, "groups", `{"a":1},{"a":1},{"a":1}`)},
		{"elements of several changes", `{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"f","value":{"groups":[{}]}},{"field":"f","value":{"groups":[{},{}]}}]}]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ids := idsOf(parse(t, tt.body))
			unique := slices.Clone(ids)
			slices.Sort(unique)
			if got := len(slices.Compact(unique)); got != 3 || len(ids) != 3 {
				t.Errorf("ids: got %d different ones in %v, want 3", got, ids)
			}
			if again := idsOf(parse(t, tt.body)); !slices.Equal(again, ids) {
				t.Errorf("ids the second time: got %v, want %v", again, ids)
			}
		})
	}
}

func TestIDsAre32LowerCaseHexDigits(t *testing.T) {
	t.Parallel()
	id := event.ID{0, 1, 0x0a, 0xff}
	const want = "00010aff000000000000000000000000"
	if got := id.String(); got != want {
		t.Errorf("String: got %s, want %s", got, want)
	}
	if got, err := id.AppendText([]byte("before")); err != nil || string(got) != "before"+want {
		t.Errorf("AppendText: got %s, %v, want before%s", got, err, want)
	}
}

func TestDigestDependsOnTheEventsAndTheirOrder(t *testing.T) {
	t.Parallel()
	one := parse(t, `{"object":"page","entry":[{"id":"1","changed_fields":["a","b","c"]}]}`)
	same := parse(t, `{"entry":[ {"id":"1","changed_fields":["a","b","c"]} ],"object":"page"}`)
	if got, want := event.Digest(same), event.Digest(one); got != want {
		t.Errorf("digest of the same events: got %s, want %s", got, want)
	}
	seen := map[event.ID]string{event.Digest(one): "all"}
	for name, events := range map[string][]event.Event{
		"none": nil, "the first": one[:1], "the first two": one[:2], "the last two": one[1:],
		"the other order": {one[2], one[1], one[0]},
	} {
		d := event.Digest(events)
		if other, taken := seen[d]; taken {
			t.Errorf("digest of %s: got %s, want another one than that of %s", name, d, other)
		}
		seen[d] = name
	}
}
