package event_test

import "testing"

func TestTextIsWhatALiteralSays(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, literal, want string }{
		{"a string", `"abc"`, "abc"},
		{"an escaped string", `"\u0061\/\n\"\ud83d\ude00"`, "a/\n\"\U0001f600"},
		{"what is not ASCII", `"ä"`, "ä"},
		{"half a surrogate pair keeps its escape", `"a\ud800"`, `a\ud800`},
		{"a number", `10211885744794461`, "10211885744794461"},
		{"a number beyond any type", `-1.50e+400`, "-1.50e+400"},
		{"the empty string", `""`, ""},
		{"null", `null`, ""},
		{"true", `true`, ""},
		{"false", `false`, ""},
		{"an object", `{"id":"1"}`, ""},
		{"a list", `["1"]`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ev := parseOne(t, `{"object":"page","entry":[{"id":`+tt.literal+`,"uid":`+tt.literal+`,"changes":[{"field":"a","value":{"id":`+tt.literal+`}}]}]}`)
			for what, got := range map[string]string{"entry": ev.Entry(), "uid": ev.UID(), "subject": ev.Subject()} {
				if got != tt.want {
					t.Errorf("%s: got %q, want %q", what, got, tt.want)
				}
			}
		})
	}
}

func TestObjectAndFieldAreNamesInAnyWords(t *testing.T) {
	t.Parallel()
	testShapes(t, []shape{
		{
			"escaped", `{"object":"p\u0061ge","entry":[{"changes":[{"field":"\u0066eed","value":1}],"changed_fields":["\u00e4"]}]}`,
			[]summary{
				{object: "page", kind: "feed", field: "feed", data: `1`},
				{object: "page", kind: "ä", field: "ä"},
			},
		},
		{
			"half a surrogate pair", `{"object":"\ud800","entry":[{"changed_fields":["\udc00"]}]}`,
			[]summary{{object: `\ud800`, kind: `\udc00`, field: `\udc00`}},
		},
		{
			"WhatsApp, escaped", `{"object":"whatsapp\u005fbusiness_account","entry":[{"changes":[{"field":"f","value":{"messages":[{},{}]}}]}]}`,
			[]summary{
				{object: "whatsapp_business_account", kind: "messages", field: "f", data: `{"messages":[{}]}`},
				{object: "whatsapp_business_account", kind: "messages", field: "f", data: `{"messages":[{}]}`},
			},
		},
		{
			"a kind's member, escaped", `{"object":"page","entry":[{"messaging":[{"r\u0065ad":{}}]}]}`,
			[]summary{{object: "page", kind: "message_reads", field: "message_reads", data: `{"r\u0065ad":{}}`}},
		},
	})
}

func TestKnownWordsAreNotMadeAnew(t *testing.T) {
	var words [3]string
	for name, body := range map[string][]byte{
		"WhatsApp": whatsAppBatch(1), "Messenger": messengerBatch(1), "feed": feedBatch(1),
	} {
		ev := parseOne(t, string(body))
		if got := testing.AllocsPerRun(20, func() { words = [3]string{ev.Object(), ev.Kind(), ev.Field()} }); got > 0 {
			t.Errorf("%s: allocations for %q: got %.0f, want none", name, words, got)
		}
	}
}
