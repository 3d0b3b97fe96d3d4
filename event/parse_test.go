package event_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// The words in which an error may speak: none of them comes from the body.
var errorWords = regexp.MustCompile(`^(not UTF-8|not JSON|duplicate member name)( near byte [0-9]+)?$`)

func TestWhatIsNoNotificationIsAnError(t *testing.T) {
	t.Parallel()
	const deepest = 10_000
	tests := []struct {
		name, body string
		want       error
	}{
		{"empty", "", event.ErrNotJSON},
		{"white space only", " \t\r\n", event.ErrNotJSON},
		{"text", "sesame", event.ErrNotJSON},
		{"form", "object=sesame&entry=1", event.ErrNotJSON},
		{"byte order mark", "\ufeff" + `{"object":"page","entry":[]}`, event.ErrNotJSON},
		{"byte order mark of UTF-16", "\xff\xfe{\x00}\x00", event.ErrNotUTF8},
		{"cut off in an object", `{"object":"sesame"`, event.ErrNotJSON},
		{"cut off in a string", `{"object":"sesa`, event.ErrNotJSON},
		{"cut off in a list of changes", `{"object":"page","entry":[{"changes":[{"field":"a"}`, event.ErrNotJSON},
		{"cut off in a list of items", `{"object":"page","entry":[{"messaging":[{"message":{"mid":"m"}}`, event.ErrNotJSON},
		{"cut off in a list of names", `{"object":"page","entry":[{"changed_fields":["a"`, event.ErrNotJSON},
		{"no name in a list of names", `{"object":"page","entry":[{"changed_fields":[a]}]}`, event.ErrNotJSON},
		{"cut off in an array of WhatsApp's", `{"entry":[{"changes":[{"value":{"messages":[{"id":"m"}`, event.ErrNotJSON},
		{"cut off behind an array of notifications", `[{"object":"page","entry":[]}`, event.ErrNotJSON},
		{"something behind an object", `{"object":"page","entry":[]}sesame`, event.ErrNotJSON},
		{"another notification behind one", `{"object":"page","entry":[]}{"object":"page","entry":[]}`, event.ErrNotJSON},
		{"a number behind an array", `[] 1`, event.ErrNotJSON},
		{"a zero byte behind an object", "{}\x00", event.ErrNotJSON},
		{"a missing comma", `{"object":"page" "entry":[]}`, event.ErrNotJSON},
		{"a comma too many in an object", `{"object":"page","entry":[],}`, event.ErrNotJSON},
		{"a comma too many in a list", `{"object":"page","entry":[{"changes":[{"field":"a"},]}]}`, event.ErrNotJSON},
		{"a comment", `{"object":"page"/*sesame*/}`, event.ErrNotJSON},
		{"a name without quotes", `{sesame:1}`, event.ErrNotJSON},
		{"a name that is a number", `{1:1}`, event.ErrNotJSON},
		{"not a number", `{"object":"page","entry":NaN}`, event.ErrNotJSON},
		{"a number with a leading zero", `{"object":"page","entry":[{"time":01}]}`, event.ErrNotJSON},
		{"a control character in a string", "{\"object\":\"ses\name\"}", event.ErrNotJSON},
		{"an unknown escape", `{"object":"ses\xame"}`, event.ErrNotJSON},
		{"an escape cut short", `{"object":"\u00e"}`, event.ErrNotJSON},
		{"a byte that is not UTF-8 in a value", "{\"object\":\"ses\xffame\"}", event.ErrNotUTF8},
		{"a byte that is not UTF-8 in a name", "{\"ses\xc3\":1}", event.ErrNotUTF8},
		{"a byte that is not UTF-8 deep in a value", "{\"entry\":[{\"changes\":[{\"value\":{\"a\":[\"\x80\"]}}]}]}", event.ErrNotUTF8},
		{"an overlong form", "{\"object\":\"\xc0\xaf\"}", event.ErrNotUTF8},
		{"half a surrogate pair in UTF-8", "{\"object\":\"\xed\xa0\x80\"}", event.ErrNotUTF8},
		{"twice object", `{"object":"page","object":"page","entry":[]}`, event.ErrDuplicateName},
		{"twice entry", `{"object":"page","entry":[],"entry":[]}`, event.ErrDuplicateName},
		{"twice an unknown name", `{"sesame":1,"object":"page","entry":[],"sesame":1}`, event.ErrDuplicateName},
		{"twice a name in other words", `{"object":"page","\u006fbject":"user"}`, event.ErrDuplicateName},
		{"twice a name in an entry", `{"entry":[{"id":"1","sesame":1,"sesame":2}]}`, event.ErrDuplicateName},
		{"twice changes", `{"entry":[{"changes":[],"changes":[]}]}`, event.ErrDuplicateName},
		{"twice a name in a change", `{"entry":[{"changes":[{"field":"a","value":1,"value":2}]}]}`, event.ErrDuplicateName},
		{"twice a name in a value", `{"entry":[{"changes":[{"value":{"sesame":1,"sesame":1}}]}]}`, event.ErrDuplicateName},
		{"twice an array of WhatsApp's", `{"entry":[{"changes":[{"value":{"messages":[],"messages":[]}}]}]}`, event.ErrDuplicateName},
		{"twice a name in an element", `{"entry":[{"changes":[{"value":{"messages":[{"id":1,"id":2}]}}]}]}`, event.ErrDuplicateName},
		{"twice a name below an element", `{"entry":[{"changes":[{"value":{"messages":[{"text":{"b":1,"b":2}}]}}]}]}`, event.ErrDuplicateName},
		{"twice a name in an item", `{"entry":[{"messaging":[{"message":{},"message":{}}]}]}`, event.ErrDuplicateName},
		{"twice a name below an item", `{"entry":[{"messaging":[{"message":{"mid":"a","mid":"b"}}]}]}`, event.ErrDuplicateName},
		{"twice a name in what is not recognized", `[[{"sesame":[{"a":1,"a":2}]}]]`, event.ErrDuplicateName},
		{"twice a name in Threads' values", `{"target_id":"1","values":{"field":"a","value":{"b":1,"b":1}}}`, event.ErrDuplicateName},
		{"arrays too deep", strings.Repeat("[", deepest+1) + strings.Repeat("]", deepest+1), event.ErrNotJSON},
		{"objects too deep", strings.Repeat(`{"a":`, deepest+1) + "1" + strings.Repeat("}", deepest+1), event.ErrNotJSON},
		{
			"a value too deep",
			`{"entry":[{"changes":[{"field":"a","value":` + strings.Repeat("[", deepest) + strings.Repeat("]", deepest) + `}]}]}`,
			event.ErrNotJSON,
		},
		{"a million brackets without an end", strings.Repeat("[", 1_000_000), event.ErrNotJSON},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			events, err := event.Parse([]byte(tt.body))
			if !errors.Is(err, tt.want) {
				t.Fatalf("error: got %v, want %v", err, tt.want)
			}
			if events != nil {
				t.Errorf("events beside an error: got%s\nwant none", lines(summarizeAll(events)))
			}
			for _, other := range []error{event.ErrNotUTF8, event.ErrNotJSON, event.ErrDuplicateName} {
				if other != tt.want && errors.Is(err, other) {
					t.Errorf("error is %v as well as %v", other, tt.want)
				}
			}
			e, ok := errors.AsType[*event.Error](err)
			if !ok {
				t.Fatalf("error: got a %T, want an *event.Error", err)
			}
			if e.Offset < 0 || e.Offset > int64(len(tt.body)) {
				t.Errorf("offset: got %d, want one in a body of %d bytes", e.Offset, len(tt.body))
			}
			if !errorWords.MatchString(err.Error()) {
				t.Errorf("error text: got %q, want only %s", err, errorWords)
			}
		})
	}
}

func TestErrorsSayWhere(t *testing.T) {
	t.Parallel()
	body := `{"object":"page","entry":[{"id":"1",` // the fault comes next
	for _, tt := range []struct{ body, want string }{
		{body + `!`, "not JSON near byte 36"},
		{body + `"id":"2"}]}`, "duplicate member name near byte 36"},
		{body + "\xff", "not UTF-8"},
	} {
		if _, err := event.Parse([]byte(tt.body)); err == nil || err.Error() != tt.want {
			t.Errorf("Parse(%q): got error %v, want %s", tt.body, err, tt.want)
		}
	}
}

func TestDeepestNestingIsNoError(t *testing.T) {
	t.Parallel()
	value := strings.Repeat("[", 9_995) + strings.Repeat("]", 9_995)
	ev := parseOne(t, `{"object":"page","entry":[{"id":"1","changes":[{"field":"a","value":`+value+`}]}]}`)
	if got := string(ev.AppendData(nil)); got != value {
		t.Errorf("data: got %d bytes, want the %d bytes of the value", len(got), len(value))
	}
	whole := strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000)
	if got := string(parseOne(t, whole).AppendData(nil)); got != whole {
		t.Errorf("data: got %d bytes, want the %d bytes of the notification", len(got), len(whole))
	}
}

func TestSurroundingWhiteSpaceIsNoError(t *testing.T) {
	t.Parallel()
	testShapes(t, []shape{{
		"white space everywhere",
		"\r\n\t { \"object\" : \"page\" ,\n \"entry\" : [ { \"id\" : \"1\" , \"changes\" : [ { \"value\" : { \"a\" : [ 1 , 2 ] } , \"field\" : \"f\" } ] } ] } \n ",
		[]summary{{object: "page", entry: "1", kind: "f", field: "f", data: `{ "a" : [ 1 , 2 ] }`}},
	}})
}

func TestLiteralsStayAsMetaSentThem(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		`1e400`, `-0`, `-0.0`, `9223372036854775808`, `10211885744794461`, `1.10`, `1E+2`, `0.1e-7`,
		`"\ud800"`, `"a\udc00b"`, `"\u0000"`, `"\u00e4"`, `"ä"`, `"\/"`, `"/"`, `"\u003c%@"`, `"<>&"`,
		"\"\u2028\"", "\"\u007f\"", `"\ud83d\ude00"`, `""`, `null`, `true`, `false`, `[]`, `{}`,
		`{"\ud800":"\ud800"}`, `{ "a":	[1 ,{}] }`, `{"":""}`,
	} {
		t.Run(value, func(t *testing.T) {
			t.Parallel()
			for _, place := range []struct{ name, before, after string }{
				{"value of a change", `{"entry":[{"changes":[{"field":"a","value":`, `}]}]}`},
				{"value in the entry", `{"entry":[{"field":"a","value":`, `}]}`},
				{"value of Threads", `{"target_id":"1","values":{"field":"a","value":`, `}}`},
			} {
				if got := string(parseOne(t, place.before+value+place.after).AppendData(nil)); got != value {
					t.Errorf("%s: data: got %s, want %s", place.name, got, value)
				}
			}
			for _, place := range []struct{ name, before, after string }{
				{"item", `{"x":`, `}`},
				{"message", `{"message":{"text":`, `}}`},
			} {
				item := place.before + value + place.after
				got := string(parseOne(t, `{"entry":[{"messaging":[`+item+`]}]}`).AppendData(nil))
				if got != item {
					t.Errorf("%s: data: got %s, want %s", place.name, got, item)
				}
			}
			whole := `{"messages":[{"x":` + value + `}],"y":` + value + `}`
			got := string(parseOne(t, `{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":`+whole+`}]}]}`).AppendData(nil))
			if got != whole {
				t.Errorf("WhatsApp: data: got %s, want %s", got, whole)
			}
			verb := `{"verb":` + value + `}`
			if got := string(parseOne(t, `{"entry":[{"changes":[{"field":"a","verb":`+value+`}]}]}`).AppendData(nil)); got != verb {
				t.Errorf("verb: data: got %s, want %s", got, verb)
			}
		})
	}
}

func TestParseLeavesTheBodyAlone(t *testing.T) {
	t.Parallel()
	for _, seed := range seeds {
		body := make([]byte, len(seed), len(seed)+64) // room that a stray append would write to
		copy(body, seed)
		events, err := event.Parse(body)
		if err != nil {
			continue
		}
		_ = event.AppendJSONArray(nil, events)
		if got := string(body[:cap(body)]); got != seed+strings.Repeat("\x00", 64) {
			t.Errorf("body after Parse: got %q, want %q", got, seed)
		}
	}
}

func TestWhatIsCutOffIsAnErrorWhereverItIs(t *testing.T) {
	t.Parallel()
	for _, seed := range seeds {
		for n := range len(seed) {
			body := []byte(seed[:n])
			_, err := event.Parse(body)
			if got, want := err == nil, accepted(body); got != want {
				t.Errorf("Parse(%q): accepted: got %t (%v), want %t", body, got, err, want)
			}
		}
	}
}

// Meta sends up to 1000 updates at once; what it may send tomorrow counts too.
func TestEveryUpdateOfALargeNotificationGivesAnEvent(t *testing.T) {
	t.Parallel()
	const n = 5_000
	for name, body := range map[string][]byte{
		"WhatsApp": whatsAppBatch(n), "Messenger": messengerBatch(n), "feed": feedBatch(n),
	} {
		for range 2 {
			unique := make(map[event.ID]bool)
			events := parse(t, string(body))
			for i := range events {
				unique[events[i].ID()] = true
			}
			if len(events) != n || len(unique) != n {
				t.Errorf("%s: got %d events with %d ids, want %d", name, len(events), len(unique), n)
			}
		}
	}
}
