package event_test

import "testing"

func TestKindsOfMessagingItems(t *testing.T) {
	t.Parallel()
	const at = "2020-09-13T12:26:40.123Z" // 1600000000123
	tests := []struct{ name, members, kind, subject string }{
		{"message", `"message":{"mid":"m","text":"hi"}`, "messages", "m"},
		{"message of one's own", `"message":{"mid":"m","is_echo":true}`, "message_echoes", "m"},
		{"message that says it is no echo", `"message":{"mid":"m","is_echo":false}`, "messages", "m"},
		{"message that does not say so", `"message":{"mid":"m","is_echo":"true"}`, "messages", "m"},
		{"unsent message", `"message":{"mid":"m","is_deleted":true}`, "messages", "m"},
		{"message with a referral beside it", `"referral":{"ref":"r"},"message":{"mid":"m"}`, "messages", "m"},
		{"message in other words", `"m\u0065ssage":{"m\u0069d":"\u006d"}`, "messages", "m"},
		{"edit", `"message_edit":{"mid":"m","num_edit":1}`, "message_edits", "m"},
		{"reaction", `"reaction":{"mid":"m","action":"react"}`, "message_reactions", ""},
		{"postback", `"postback":{"mid":"m","payload":"p"}`, "messaging_postbacks", "m"},
		{"postback with a referral beside it", `"referral":{},"postback":{"payload":"p"}`, "messaging_postbacks", ""},
		{"delivery", `"delivery":{"watermark":1,"mids":["m"]}`, "message_deliveries", ""},
		{"read", `"read":{"watermark":1}`, "message_reads", ""},
		{"optin", `"optin":{"ref":"r"}`, "messaging_optins", ""},
		{"referral", `"referral":{"ref":"r"}`, "messaging_referrals", ""},
		{"account linking", `"account_linking":{"status":"linked"}`, "messaging_account_linking", ""},
		{"thread passed", `"pass_thread_control":{}`, "messaging_handovers", ""},
		{"thread taken", `"take_thread_control":{}`, "messaging_handovers", ""},
		{"thread requested", `"request_thread_control":{}`, "messaging_handovers", ""},
		{"roles", `"app_roles":{"1":["primary_receiver"]}`, "messaging_handovers", ""},
		{"policy", `"policy-enforcement":{"action":"warning"}`, "messaging_policy_enforcement", ""},
		{"payment", `"payment":{}`, "messaging_payments", ""},
		{"pre-checkout", `"pre_checkout":{}`, "messaging_pre_checkouts", ""},
		{"checkout update", `"checkout_update":{}`, "messaging_checkout_updates", ""},
		{"game", `"game_play":{}`, "messaging_game_plays", ""},
		{"feedback", `"messaging_feedback":{}`, "messaging_feedback", ""},
		{"anything else", `"novelty":{"mid":"m"}`, "messaging", ""},
		{"a kind deeper down", `"novelty":{"message":{"mid":"m"}}`, "messaging", ""},
		{"is_echo of something else", `"postback":{"is_echo":true}`, "messaging_postbacks", ""},
	}
	var shapes []shape
	for _, tt := range tests {
		item := `{"sender":{"id":"7"},"timestamp":1600000000123,` + tt.members + `}`
		want := summary{object: "page", entry: "1", kind: tt.kind, field: tt.kind, subject: tt.subject, time: at, data: item}
		shapes = append(shapes, shape{tt.name, `{"object":"page","entry":[{"id":"1","time":1,"messaging":[` + item + `]}]}`, []summary{want}})
		want.object, want.kind, want.field = "instagram", "standby", "standby"
		shapes = append(shapes, shape{tt.name + " in standby", `{"object":"instagram","entry":[{"id":"1","time":1,"standby":[` + item + `]}]}`, []summary{want}})
	}
	testShapes(t, shapes)
}

func TestMessagingItemsGiveOneEventEach(t *testing.T) {
	t.Parallel()
	const sent = "2020-09-13T12:26:40Z"
	item := func(kind, subject, time, data string) summary {
		return summary{object: "page", entry: "1", kind: kind, field: kind, subject: subject, time: time, data: data}
	}
	testShapes(t, []shape{
		{
			"several in order",
			`{"object":"page","entry":[{"id":"1","time":1600000000,"messaging":[{"message":{"mid":"b"},"timestamp":1600000001},{"read":{}},{"message":{"mid":"a"}}]}]}`,
			[]summary{
				item("messages", "b", "2020-09-13T12:26:41Z", `{"message":{"mid":"b"},"timestamp":1600000001}`),
				item("message_reads", "", sent, `{"read":{}}`),
				item("messages", "a", sent, `{"message":{"mid":"a"}}`),
			},
		},
		{"none", `{"object":"page","entry":[{"id":"1","messaging":[],"standby":[]}]}`, nil},
		{
			"white space stays in the data",
			`{"object":"page","entry":[{"id":"1","messaging":[ { "message" : { "mid" : "m" } } ]}]}`,
			[]summary{item("messages", "m", "", `{ "message" : { "mid" : "m" } }`)},
		},
		{
			"something else where an item is expected",
			`{"object":"page","entry":[{"id":"1","messaging":[1,{"x":1},null],"standby":["s",[]]}]}`,
			[]summary{
				{object: "page", entry: "1", kind: "unrecognized", data: `1`},
				item("messaging", "", "", `{"x":1}`),
				{object: "page", entry: "1", kind: "unrecognized", data: `null`},
				{object: "page", entry: "1", kind: "unrecognized", data: `"s"`},
				{object: "page", entry: "1", kind: "unrecognized", data: `[]`},
			},
		},
		{
			"something else where a message is expected",
			`{"object":"page","entry":[{"id":"1","messaging":[{"message":"m"},{"message":["m"]},{"sender":5,"message":{"mid":{"a":1}}}]}]}`,
			[]summary{
				item("messages", "", "", `{"message":"m"}`),
				item("messages", "", "", `{"message":["m"]}`),
				item("messages", "", "", `{"sender":5,"message":{"mid":{"a":1}}}`),
			},
		},
	})
}
