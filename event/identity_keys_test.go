package event_test

import (
	"fmt"
	"strings"
	"testing"
)

// A pair is two updates, each alone in a notification, that are not the same.
type pair struct{ name, a, b string }

func testDifferent(t *testing.T, pairs []pair) {
	t.Helper()
	for _, tt := range pairs {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if a, b := parseOne(t, tt.a).ID(), parseOne(t, tt.b).ID(); a == b {
				t.Errorf("ids: got %s for both, want two\n%s\n%s", a, tt.a, tt.b)
			}
		})
	}
}

func reaction(mid, sender, action, emoji string, timestamp int) string {
	return messaging(fmt.Sprintf(`{"sender":{"id":%q},"timestamp":%d,"reaction":{"mid":%q,"action":%q,"emoji":%q}}`, sender, timestamp, mid, action, emoji))
}

func status(members string) string {
	return whatsAppAt(5, "statuses", `{`+members+`}`)
}

func TestNaturalKeysTellUpdatesApart(t *testing.T) {
	t.Parallel()
	plain := reaction("m", "7", "react", "x", 3)
	sent := status(`"id":"w","status":"sent","timestamp":"3","recipient_id":"7"`)
	message := whatsAppAt(5, "messages", `{"id":"w"}`)
	testDifferent(t, []pair{
		{"messages by mid", messaging(`{"message":{"mid":"m"}}`), messaging(`{"message":{"mid":"n"}}`)},
		{"a message and its unsend", messaging(`{"message":{"mid":"m"}}`), messaging(`{"message":{"mid":"m","is_deleted":true}}`)},
		{"an echo and its unsend", messaging(`{"message":{"mid":"m","is_echo":true}}`), messaging(`{"message":{"mid":"m","is_echo":true,"is_deleted":true}}`)},
		{"a message and its echo", messaging(`{"message":{"mid":"m"}}`), messaging(`{"message":{"mid":"m","is_echo":true}}`)},
		{"a message and its edit", messaging(`{"message":{"mid":"m"}}`), messaging(`{"message_edit":{"mid":"m","num_edit":1}}`)},
		{"edits by num_edit", messaging(`{"message_edit":{"mid":"m","num_edit":1}}`), messaging(`{"message_edit":{"mid":"m","num_edit":2}}`)},
		{"a message and the same in standby", messaging(`{"message":{"mid":"m"}}`), strings.Replace(messaging(`{"message":{"mid":"m"}}`), "messaging", "standby", 1)},
		{"messages by entry", messaging(`{"message":{"mid":"m"}}`), strings.Replace(messaging(`{"message":{"mid":"m"}}`), `"id":"1"`, `"id":"2"`, 1)},
		{"messages by uid", `{"object":"page","entry":[{"uid":"1","messaging":[{"message":{"mid":"m"}}]}]}`, `{"object":"page","entry":[{"uid":"2","messaging":[{"message":{"mid":"m"}}]}]}`},
		{"messages by object", messaging(`{"message":{"mid":"m"}}`), strings.Replace(messaging(`{"message":{"mid":"m"}}`), "page", "instagram", 1)},

		{"reactions by mid", plain, reaction("n", "7", "react", "x", 3)},
		{"reactions by sender", plain, reaction("m", "8", "react", "x", 3)},
		{"reactions by action", plain, reaction("m", "7", "unreact", "x", 3)},
		{"reactions by emoji", plain, reaction("m", "7", "react", "y", 3)},
		{"reactions by timestamp", plain, reaction("m", "7", "react", "x", 4)},

		{"postbacks by mid", messaging(`{"postback":{"mid":"m","payload":"p"}}`), messaging(`{"postback":{"mid":"n","payload":"p"}}`)},
		{"postbacks by payload", messaging(`{"sender":{"id":"7"},"timestamp":3,"postback":{"payload":"p"}}`), messaging(`{"sender":{"id":"7"},"timestamp":3,"postback":{"payload":"q"}}`)},
		{"postbacks by timestamp", messaging(`{"sender":{"id":"7"},"timestamp":3,"postback":{"payload":"p"}}`), messaging(`{"sender":{"id":"7"},"timestamp":4,"postback":{"payload":"p"}}`)},
		{"postbacks by sender", messaging(`{"sender":{"id":"7"},"timestamp":3,"postback":{"payload":"p"}}`), messaging(`{"sender":{"id":"8"},"timestamp":3,"postback":{"payload":"p"}}`)},

		{"deliveries by watermark", messaging(`{"sender":{"id":"7"},"delivery":{"watermark":3}}`), messaging(`{"sender":{"id":"7"},"delivery":{"watermark":4}}`)},
		{"deliveries by sender", messaging(`{"sender":{"id":"7"},"delivery":{"watermark":3}}`), messaging(`{"sender":{"id":"8"},"delivery":{"watermark":3}}`)},
		{"deliveries by mids", messaging(`{"sender":{"id":"7"},"delivery":{"watermark":3,"mids":["m"]}}`), messaging(`{"sender":{"id":"7"},"delivery":{"watermark":3,"mids":["m","n"]}}`)},
		{"deliveries with and without mids", messaging(`{"sender":{"id":"7"},"delivery":{"watermark":3,"mids":["m"]}}`), messaging(`{"sender":{"id":"7"},"delivery":{"watermark":3}}`)},
		{"reads by watermark", messaging(`{"sender":{"id":"7"},"read":{"watermark":3}}`), messaging(`{"sender":{"id":"7"},"read":{"watermark":4}}`)},
		{"reads by sender", messaging(`{"sender":{"id":"7"},"read":{"watermark":3}}`), messaging(`{"sender":{"id":"8"},"read":{"watermark":3}}`)},
		{"reads by mid", messaging(`{"sender":{"id":"7"},"read":{"mid":"m"}}`), messaging(`{"sender":{"id":"7"},"read":{"mid":"n"}}`)},
		{"reads by mid and sender", messaging(`{"sender":{"id":"7"},"read":{"mid":"m"}}`), messaging(`{"sender":{"id":"8"},"read":{"mid":"m"}}`)},
		{"a delivery and a read", messaging(`{"sender":{"id":"7"},"delivery":{"watermark":3}}`), messaging(`{"sender":{"id":"7"},"read":{"watermark":3}}`)},

		{"WhatsApp messages by id", message, whatsAppAt(5, "messages", `{"id":"v"}`)},
		{"WhatsApp messages by phone number", message, strings.Replace(message, `"phone_number_id":"5"`, `"phone_number_id":"6"`, 1)},
		{"WhatsApp messages by account", message, strings.Replace(message, `"id":"9"`, `"id":"8"`, 1)},
		{"a WhatsApp message and its echo", message, whatsAppAt(5, "message_echoes", `{"id":"w"}`)},
		{"statuses by id", sent, status(`"id":"v","status":"sent","timestamp":"3","recipient_id":"7"`)},
		{"statuses by status", sent, status(`"id":"w","status":"read","timestamp":"3","recipient_id":"7"`)},
		{"statuses by timestamp", sent, status(`"id":"w","status":"sent","timestamp":"4","recipient_id":"7"`)},
		{"statuses by recipient", sent, status(`"id":"w","status":"sent","timestamp":"3","recipient_id":"8"`)},
		{"statuses by the recipient's user id", status(`"id":"w","status":"sent","timestamp":"3","recipient_user_id":"7"`), status(`"id":"w","status":"sent","timestamp":"3","recipient_user_id":"8"`)},
		{"statuses by the group's participant", status(`"id":"w","status":"sent","timestamp":"3","recipient_id":"g","recipient_participant_id":"7"`), status(`"id":"w","status":"sent","timestamp":"3","recipient_id":"g","recipient_participant_id":"8"`)},
		{"statuses by the participant's user id", status(`"id":"w","status":"sent","timestamp":"3","recipient_id":"g","recipient_participant_user_id":"7"`), status(`"id":"w","status":"sent","timestamp":"3","recipient_id":"g","recipient_participant_user_id":"8"`)},
		{"statuses by phone number", sent, strings.Replace(sent, `"phone_number_id":"5"`, `"phone_number_id":"6"`, 1)},
		{"calls by id", whatsAppAt(5, "calls", `{"id":"w","event":"connect"}`), whatsAppAt(5, "calls", `{"id":"v","event":"connect"}`)},
		{"calls by event", whatsAppAt(5, "calls", `{"id":"w","event":"connect"}`), whatsAppAt(5, "calls", `{"id":"w","event":"terminate"}`)},
		{"calls by status", whatsAppAt(5, "calls", `{"id":"w","status":"RINGING"}`), whatsAppAt(5, "calls", `{"id":"w","status":"ACCEPTED"}`)},

		{"leads by leadgen_id", changeAt(5, "page", "leadgen", `{"leadgen_id":1}`), changeAt(5, "page", "leadgen", `{"leadgen_id":2}`)},
		{"Instagram comments by id", changeAt(5, "instagram", "comments", `{"id":"c"}`), changeAt(5, "instagram", "comments", `{"id":"d"}`)},
		{"Instagram comments and live comments", changeAt(5, "instagram", "comments", `{"id":"c"}`), changeAt(5, "instagram", "live_comments", `{"id":"c"}`)},

		{"parts do not run into one another", reaction("m7", "", "react", "x", 3), reaction("m", "7", "react", "x", 3)},
		{"neither do action and emoji", reaction("m", "7", "rea", "ctx", 3), reaction("m", "7", "react", "x", 3)},
		{"nor phone number and id", strings.Replace(whatsAppAt(5, "messages", `{"id":"12"}`), `"5"`, `"53"`, 1), strings.Replace(whatsAppAt(5, "messages", `{"id":"312"}`), `"5"`, `"5"`, 1)},
	})
}

func TestDataAndTimeTellTheRestApart(t *testing.T) {
	t.Parallel()
	fields := func(time int, name string) string {
		return fmt.Sprintf(`{"object":"user","entry":[{"id":"1","time":%d,"changed_fields":[%q]}]}`, time, name)
	}
	testDifferent(t, []pair{
		{"changes by data", changeAt(5, "page", "feed", `{"a":1}`), changeAt(5, "page", "feed", `{"a":2}`)},
		{"changes by time", changeAt(5, "page", "feed", `{"a":1}`), changeAt(6, "page", "feed", `{"a":1}`)},
		{"changes by field", changeAt(5, "page", "feed", `{"a":1}`), changeAt(5, "page", "mention", `{"a":1}`)},
		{"changes by object", changeAt(5, "page", "feed", `{"a":1}`), changeAt(5, "user", "feed", `{"a":1}`)},
		{"changes by entry", changeAt(5, "page", "feed", `1`), strings.Replace(changeAt(5, "page", "feed", `1`), `"id":"1"`, `"id":"2"`, 1)},
		{"white space in a string counts", changeAt(5, "page", "feed", `"a b"`), changeAt(5, "page", "feed", `"ab"`)},
		{"white space behind an escaped quote counts", changeAt(5, "page", "feed", `"\" a"`), changeAt(5, "page", "feed", `"\"a"`)},
		{"null and no value", changeAt(5, "page", "feed", `null`), `{"object":"page","entry":[{"id":"1","time":5,"changes":[{"field":"feed"}]}]}`},
		{"a number and a string", changeAt(5, "page", "feed", `1`), changeAt(5, "page", "feed", `"1"`)},
		{"verbs", `{"entry":[{"changes":[{"field":"a","verb":"add","value":1}]}]}`, `{"entry":[{"changes":[{"field":"a","verb":"remove","value":1}]}]}`},
		{"changed fields by name", fields(5, "a"), fields(5, "b")},
		{"changed fields by time", fields(5, "a"), fields(6, "a")},
		{"items by data", messaging(`{"optin":{"ref":"a"}}`), messaging(`{"optin":{"ref":"b"}}`)},
		{"items by time", messagingAt(5, `{"optin":{}}`), messagingAt(6, `{"optin":{}}`)},
		{"a page's comments are not Instagram's", changeAt(5, "page", "comments", `{"id":"c"}`), changeAt(6, "page", "comments", `{"id":"c"}`)},
		{"standby that is no message, by time", strings.Replace(messagingAt(5, `{"read":{}}`), "messaging", "standby", 1), strings.Replace(messagingAt(6, `{"read":{}}`), "messaging", "standby", 1)},
		{"WhatsApp groups by element", whatsAppAt(5, "groups", `{"a":1}`), whatsAppAt(5, "groups", `{"a":2}`)},
		{"WhatsApp groups by time", whatsAppAt(5, "groups", `{"a":1}`), whatsAppAt(6, "groups", `{"a":1}`)},
		{"WhatsApp groups by what is around", whatsAppAt(5, "groups", `{"a":1}`), strings.Replace(whatsAppAt(5, "groups", `{"a":1}`), `"phone_number_id":"5"`, `"phone_number_id":"6"`, 1)},
		{"WhatsApp arrays by name", whatsAppAt(5, "groups", `{"a":1}`), whatsAppAt(5, "state_sync", `{"a":1}`)},
		{"WhatsApp values by data", whatsApp(`{"a":1}`), whatsApp(`{"a":2}`)},
		{"Threads by time", `{"target_id":"7","time":5,"values":{"field":"a","value":1}}`, `{"target_id":"7","time":6,"values":{"field":"a","value":1}}`},
		{"Threads by target", `{"target_id":"7","values":{"field":"a","value":1}}`, `{"target_id":"8","values":{"field":"a","value":1}}`},
		{"entries that are not recognized", `{"object":"page","entry":[{"id":"1","a":1}]}`, `{"object":"page","entry":[{"id":"1","a":2}]}`},
		{"notifications that are not recognized", `{"a":1}`, `{"a":2}`},
	})
}

func TestWithoutItsNaturalKeyAnUpdateCollapsesIntoNoOther(t *testing.T) {
	t.Parallel()
	// Each makes two updates that agree in what is left of the natural key.
	item := func(members string) [2]string {
		return [2]string{messaging(`{"x":1,` + members + `}`), messaging(`{"x":2,` + members + `}`)}
	}
	element := func(array, members string) [2]string {
		return [2]string{whatsAppAt(5, array, `{"x":1,`+members+`}`), whatsAppAt(5, array, `{"x":2,`+members+`}`)}
	}
	value := func(object, field, members string) [2]string {
		return [2]string{changeAt(5, object, field, `{"x":1,`+members+`}`), changeAt(5, object, field, `{"x":2,`+members+`}`)}
	}
	tests := []struct {
		name string
		two  [2]string
	}{
		{"message without mid", item(`"message":{"text":"t"}`)},
		{"message, mid null", item(`"message":{"mid":null}`)},
		{"message, mid empty", item(`"message":{"mid":""}`)},
		{"message that is a string", item(`"message":"m"`)},
		{"unsend without mid", item(`"message":{"is_deleted":true}`)},
		{"echo without mid", item(`"message":{"is_echo":true}`)},
		{"edit without num_edit", item(`"message_edit":{"mid":"m"}`)},
		{"edit without mid", item(`"message_edit":{"num_edit":1}`)},
		{"reaction without mid", item(`"sender":{"id":"7"},"timestamp":3,"reaction":{"action":"react","emoji":"x"}`)},
		{"reaction without sender", item(`"timestamp":3,"reaction":{"mid":"m","action":"react","emoji":"x"}`)},
		{"reaction without action", item(`"sender":{"id":"7"},"timestamp":3,"reaction":{"mid":"m","emoji":"x"}`)},
		{"reaction without timestamp", item(`"sender":{"id":"7"},"reaction":{"mid":"m","action":"react","emoji":"x"}`)},
		{"postback without mid and payload", item(`"sender":{"id":"7"},"timestamp":3,"postback":{"title":"t"}`)},
		{"postback without mid and timestamp", item(`"sender":{"id":"7"},"postback":{"payload":"p"}`)},
		{"postback without mid and sender", item(`"timestamp":3,"postback":{"payload":"p"}`)},
		{"delivery without watermark", item(`"sender":{"id":"7"},"delivery":{"mids":["m"]}`)},
		{"delivery without sender", item(`"delivery":{"watermark":3,"mids":["m"]}`)},
		{"read without watermark and mid", item(`"sender":{"id":"7"},"read":{}`)},
		{"read without sender", item(`"read":{"watermark":3}`)},
		{"WhatsApp message without id", element("messages", `"text":{}`)},
		{"WhatsApp message, id null", element("messages", `"id":null`)},
		{"WhatsApp echo without id", element("message_echoes", `"to":"7"`)},
		{"status without id", element("statuses", `"status":"sent","timestamp":"3","recipient_id":"7"`)},
		{"status without status", element("statuses", `"id":"w","timestamp":"3","recipient_id":"7"`)},
		{"status without timestamp", element("statuses", `"id":"w","status":"sent","recipient_id":"7"`)},
		{"call without event and status", element("calls", `"id":"w"`)},
		{"call without id", element("calls", `"event":"connect"`)},
		{"leadgen without leadgen_id", value("page", "leadgen", `"form_id":1`)},
		{"Instagram comment without id", value("instagram", "comments", `"text":"t"`)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a, b := parseOne(t, tt.two[0]).ID(), parseOne(t, tt.two[1]).ID()
			if a == b {
				t.Errorf("ids of two: got %s for both, want two\n%s\n%s", a, tt.two[0], tt.two[1])
			}
			later := strings.NewReplacer(`"time":5,`, `"time":6,`, `"time":1600000000,`, `"time":6,`).Replace(tt.two[0])
			if c := parseOne(t, later).ID(); c == a {
				t.Errorf("ids at two times: got %s for both, want two\n%s\n%s", a, tt.two[0], later)
			}
		})
	}
}

// The phone_number_id is a part of these natural keys like the others.
func TestWhatsAppWithoutPhoneNumberCollapsesIntoNoOther(t *testing.T) {
	t.Parallel()
	testDifferent(t, []pair{
		{"messages", whatsApp(`{"messages":[{"id":"w","text":{"body":"a"}}]}`), whatsApp(`{"messages":[{"id":"w","text":{"body":"b"}}]}`)},
		{
			"messages, phone_number_id null",
			whatsApp(`{"metadata":{"phone_number_id":null,"display_phone_number":"1"},"messages":[{"id":"w"}]}`),
			whatsApp(`{"metadata":{"phone_number_id":null,"display_phone_number":"2"},"messages":[{"id":"w"}]}`),
		},
		{
			"calls",
			whatsApp(`{"calls":[{"id":"w","event":"connect","x":1}]}`),
			whatsApp(`{"calls":[{"id":"w","event":"connect","x":2}]}`),
		},
	})
}

// A status that names its recipient in a way that is not known may be one of
// several of a message to a group.
func TestStatusWithoutRecipientCollapsesIntoNoOther(t *testing.T) {
	t.Parallel()
	testDifferent(t, []pair{{
		"statuses",
		status(`"id":"w","status":"read","timestamp":"3","novel_recipient":"7"`),
		status(`"id":"w","status":"read","timestamp":"3","novel_recipient":"8"`),
	}})
}

// What a part of a natural key says depends on what it is.
func TestPartsOfAnotherSortDoNotCollapse(t *testing.T) {
	t.Parallel()
	testDifferent(t, []pair{
		{"half a surrogate pair and a backslash", messaging(`{"message":{"mid":"\ud800"}}`), messaging(`{"message":{"mid":"\\ud800"}}`)},
		{"a list and a string", messaging(`{"message":{"mid":["m"]}}`), messaging(`{"message":{"mid":"[\"m\"]"}}`)},
		{"entries whose ids are no text", `{"object":"page","entry":[{"id":{"a":1},"changed_fields":["a"]}]}`, `{"object":"page","entry":[{"id":{"a":2},"changed_fields":["a"]}]}`},
		{"the event and the status of a call", whatsAppAt(5, "calls", `{"id":"w","event":"x"}`), whatsAppAt(5, "calls", `{"id":"w","status":"x"}`)},
	})
}

// An ID must not change between versions: that would make every deployed
// store forget what it delivered, and each retry that is under way would be
// delivered again.
func TestGoldenIDs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, body, want string }{
		{"message", messaging(`{"sender":{"id":"7"},"message":{"mid":"m"}}`), "9af8c9007832e5d0b00897f80ccfffd5"},
		{"reaction", reaction("m", "7", "react", "x", 3), "3bf6d21b487bd42bdc0d8e87aaf85e9c"},
		{"delivery", messaging(`{"sender":{"id":"7"},"delivery":{"watermark":3,"mids":["m"]}}`), "a37555abd912eef60a33568387a5631e"},
		{"WhatsApp message", whatsAppAt(5, "messages", `{"id":"w"}`), "2e54cd86fed41408af372d9a1372cba6"},
		{"WhatsApp status", status(`"id":"w","status":"read","timestamp":"3","recipient_id":"7"`), "d75f7b982d4a186b85d7c2b3b9845259"},
		{"WhatsApp group", whatsAppAt(5, "groups", `{"a":1}`), "681df28da2dae677ec077827b1a9f6bf"},
		{"leadgen", changeAt(5, "page", "leadgen", `{"leadgen_id":"l"}`), "5b4f20f110e0c996ffb41d9d43d03041"},
		{"Instagram comment", changeAt(5, "instagram", "comments", `{"id":"c"}`), "35c76ef03e7c1e42af301a55c16d3a80"},
		{"change", changeAt(5, "page", "feed", `{"a": 1}`), "184d14e38a6d8d47524775a006871805"},
		{"changed field", `{"object":"user","entry":[{"uid":"1","time":5,"changed_fields":["photos"]}]}`, "f9f4d12c85c08000263477d10b3961b3"},
		{"not recognized", `{"a": 1}`, "ef93dbb0ad14697325716ca2a02a79eb"},
	} {
		if got := parseOne(t, tt.body).ID().String(); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
	two := idsOf(parse(t, `{"object":"user","entry":[{"uid":"1","time":5,"changed_fields":["photos","photos"]}]}`))
	if got, want := two[1], "95161b1edda5eb097bf98683a850ca23"; got != want {
		t.Errorf("the second of two: got %s, want %s", got, want)
	}
}
