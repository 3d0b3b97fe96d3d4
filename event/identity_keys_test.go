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
		{"WhatsApp messages by field", message, strings.Replace(message, `"field":"messages"`, `"field":"history"`, 1)},
		{"a WhatsApp message and the same in standby", message, strings.Replace(strings.Replace(message, `"messages":[`, `"standby":{"messages":[`, 1), `]}}]}]}`, `]}}}]}]}`, 1)},
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
		{
			"WhatsApp arrays in standby by name",
			whatsApp(`{"standby":{"groups":[{"timestamp":"3"}]}}`), whatsApp(`{"standby":{"calls":[{"timestamp":"3"}]}}`),
		},
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
		{"reaction without mid", item(`"sender":{"id":"7"},"reaction":{"action":"react","emoji":"x"}`)},
		{"reaction without sender", item(`"reaction":{"mid":"m","action":"react","emoji":"x"}`)},
		{"reaction without action", item(`"sender":{"id":"7"},"reaction":{"mid":"m","emoji":"x"}`)},
		{"reaction without timestamp", item(`"sender":{"id":"7"},"reaction":{"mid":"m","action":"react","emoji":"x"}`)},
		{"postback without mid and payload", item(`"sender":{"id":"7"},"postback":{"title":"t"}`)},
		{"postback without mid and timestamp", item(`"sender":{"id":"7"},"postback":{"payload":"p"}`)},
		{"postback without mid and sender", item(`"postback":{"payload":"p"}`)},
		{"delivery without watermark", item(`"sender":{"id":"7"},"delivery":{"mids":["m"]}`)},
		{"delivery without sender", item(`"delivery":{"watermark":3,"mids":["m"]}`)},
		{"read without watermark and mid", item(`"sender":{"id":"7"},"read":{}`)},
		{"read without sender", item(`"read":{"watermark":3}`)},
		{"WhatsApp message without id", element("messages", `"text":{}`)},
		{"WhatsApp message, id null", element("messages", `"id":null`)},
		{"WhatsApp echo without id", element("message_echoes", `"to":"7"`)},
		{"status without id", element("statuses", `"status":"sent","recipient_id":"7"`)},
		{"status without status", element("statuses", `"id":"w","recipient_id":"7"`)},
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
// delivered again. Neither must a conversation: its order would be lost.
func TestGoldenIDs(t *testing.T) {
	t.Parallel()
	for _, tt := range goldenIDs {
		ev := parseOne(t, tt.body)
		if got := ev.ID().String(); got != tt.id {
			t.Errorf("%s: id: got %s, want %s", tt.name, got, tt.id)
		}
		if got := ev.Conversation(); got != tt.conversation {
			t.Errorf("%s: conversation: got %s, want %s", tt.name, got, tt.conversation)
		}
	}
	two := idsOf(parse(t, `{"object":"user","entry":[{"uid":"1","time":5,"changed_fields":["photos","photos"]}]}`))
	if got, want := two[1], "22240a547a73b77741cd02fc6aa9a2b7"; got != want {
		t.Errorf("the second of two: got %s, want %s", got, want)
	}
}

// goldenIDs has one for each key, and for each way to tell updates apart
// without one.
var goldenIDs = []struct{ name, body, id, conversation string }{
	{"message", messaging(`{"sender":{"id":"7"},"message":{"mid":"m"}}`), "b7dd23177b5b1bfc3fb882763210acff", "1/7"},
	{"unsend", messaging(`{"sender":{"id":"7"},"message":{"mid":"m","is_deleted":true}}`), "83a61221c49e7a3d9258e8d3792292a2", "1/7"},
	{"echo", messaging(`{"sender":{"id":"1"},"recipient":{"id":"7"},"message":{"mid":"m","is_echo":true}}`), "101200ca7f97a927cf51d2f32563e8aa", "1/7"},
	{"edit", messaging(`{"message_edit":{"mid":"m","num_edit":2}}`), "d47f7cb2dbc9f122a788a5f4a38e7e20", "page:1"},
	{"reaction", reaction("m", "7", "react", "x", 3), "344a69d4d51fd292712f20f8f8c3c85d", "1/7"},
	{"reaction of a reference", messaging(`{"sender":{"user_ref":"7"},"timestamp":3,"reaction":{"mid":"m","action":"react"}}`), "5ce3ea352f07116e21f18edba2119ce4", "1/7"},
	{"postback", messaging(`{"postback":{"mid":"m","payload":"p"}}`), "d5ceee58b132f77ca39d8d4d2ed559c4", "page:1"},
	{"postback without mid", messaging(`{"sender":{"id":"7"},"timestamp":3,"postback":{"payload":"p"}}`), "d7b6bdd161ac41b8ff079f54cb214650", "1/7"},
	{"postback of a reference", messaging(`{"sender":{"user_ref":"7"},"timestamp":3,"postback":{"payload":"p"}}`), "122efb8282bc0e721bb62e9f82c4e8c1", "1/7"},
	{"delivery", messaging(`{"sender":{"id":"7"},"delivery":{"watermark":3,"mids":["m"]}}`), "5c5dda512d72d704a55d8c626e0b5dff", "1/7"},
	{"delivery of a reference", messaging(`{"sender":{"user_ref":"7"},"delivery":{"watermark":3}}`), "337688e9d87dbb674db61834002f1dd9", "1/7"},
	{"read", messaging(`{"sender":{"id":"7"},"read":{"watermark":3}}`), "40a70ab50d480667c5f874168c96b6f9", "1/7"},
	{"Instagram read", messaging(`{"sender":{"id":"7"},"read":{"mid":"m"}}`), "d61b5d5615a7357fedef9161953edf47", "1/7"},
	{"read of a reference", messaging(`{"sender":{"user_ref":"7"},"read":{"watermark":3}}`), "02a26cd9df9054eab98dc6d8448975ef", "1/7"},
	{"Instagram read of a reference", messaging(`{"sender":{"user_ref":"7"},"read":{"mid":"m"}}`), "329fe6840e64ff45f4343eda9c9da875", "1/7"},
	{"message in changes", changeAt(5, "instagram", "messages", `{"sender":{"id":"7"},"message":{"mid":"m"}}`), "fd53eef607d701e0a06e2141e29ee042", "1/7"},
	{"echo in changes", changeAt(5, "instagram", "messages", `{"recipient":{"id":"7"},"message":{"mid":"m","is_echo":true}}`), "da95cecbfe35669f930daa1d4f4aecfe", "1/7"},
	{"message in standby", inEntry("page", `"standby":[{"message":{"mid":"m"}}]`), "a21cefa681fedf33d626534b0adb8a6a", "page:900"},
	{"Messenger call", inEntry("page", `"calls":[{"id":"c","event":"media_update","session":{"version":2}}]`), "f328b6ac48d7afe58369d9e259fd2896", "page:900"},
	{"WhatsApp message", whatsAppAt(5, "messages", `{"id":"w","from":"7"}`), "88c940a8007cb8d3db11f1571b91e2b7", "5/7"},
	{"WhatsApp message in a group", whatsAppAt(5, "messages", `{"id":"w","from":"7","group_id":"g/1"}`), "88c940a8007cb8d3db11f1571b91e2b7", "5/g%2F1"},
	{"WhatsApp echo", whatsAppAt(5, "message_echoes", `{"id":"w","to":"7"}`), "09b27add89a2ef3a3500d51bff9a9997", "5/7"},
	{"WhatsApp status", status(`"id":"w","status":"read","timestamp":"3","recipient_id":"7"`), "1bafa429d6383da956226501b7f2004e", "5/7"},
	{"WhatsApp status without a number", status(`"id":"w","status":"read","timestamp":"3","recipient_user_id":"US.7"`), "da326cfc68f98a3e4f7ea031d403d77c", "5/US.7"},
	{"WhatsApp status of a payment", status(`"id":"w","status":"captured","timestamp":"3","recipient_id":"7","payment":{"a": 1}`), "eb41fa74ab199e81d479588a3e587ad6", "5/7"},
	{"WhatsApp call by event", whatsAppAt(5, "calls", `{"id":"w","event":"connect","from":"7"}`), "7c4cdc49a5b7689c7d4c9d90ed073351", "5/7"},
	{"WhatsApp call by status", whatsAppAt(5, "calls", `{"id":"w","status":"RINGING"}`), "141f3138a77893ecac05b374dfc64d2f", "whatsapp_business_account:9"},
	{"WhatsApp standby", oneChange("whatsapp_business_account", "standby", `{"metadata":{"phone_number_id":"5"},"standby":{"messages":[{"id":"w","from":"7"}]}}`), "a037ed0efd0b135b2f0e1afa81d02363", "5/7"},
	{"WhatsApp group with a time", whatsAppAt(5, "groups", `{"timestamp":"3","group_id":"g"}`), "14f95b345ba6a7d90c3a32d3ffde51d3", "5/g"},
	{"WhatsApp group without one", whatsAppAt(5, "groups", `{"a":1}`), "ca779145785d4ebbcce86b4b2c096bb4", "whatsapp_business_account:9"},
	{"WhatsApp group in standby", oneChange("whatsapp_business_account", "standby", `{"standby":{"groups":[{"timestamp":"3"}]}}`), "aded30948238c58c314ee08718af8df4", "whatsapp_business_account:900"},
	{"WhatsApp error", whatsApp(`{"metadata":{"phone_number_id":"5"},"errors":[{"code": 1}]}`), "5be0cb8fad9ceb43d557daba12921c19", "whatsapp_business_account:9"},
	{"leadgen", changeAt(5, "page", "leadgen", `{"leadgen_id":"l"}`), "9ebf509c214a46583b7f2b17c917edff", "page:1"},
	{"Instagram comment", changeAt(5, "instagram", "comments", `{"id":"c","media":{"id":"m"}}`), "a97681f0ce7817d0949976967037de58", "1#m"},
	{"Instagram live comment", changeAt(5, "instagram", "live_comments", `{"id":"c"}`), "47be7d1e49a7cec695ffa4cf27346903", "instagram:1"},
	{"referral", messaging(`{"sender":{"id":"7"},"timestamp":3,"referral":{"ref": "r"}}`), "15215b62640c983e9f6be99403a27785", "1/7"},
	{"like", changeAt(5, "page", "feed", `{"item":"like","verb":"add","post_id":"1_2","created_time":3}`), "16e6ece69b1e2517e64419832ebc0b96", "1#1_2"},
	{"Threads reply", `{"target_id":"7","time":5,"values":{"field":"replies","value":{"id":"r"}}}`, "21fb4e98226f42aa8d125b4ccfc4d44b", "threads:7"},
	{"change", changeAt(5, "page", "feed", `{"a": 1}`), "6d467bd887420c5e60bbb71c475ded7c", "page:1"},
	{"old verb", `{"object":"user","entry":[{"uid":"1","time":5,"changes":[{"field":"status","verb":"update","value":"x"}]}]}`, "dc24460301e41b9fd6f0317699dd247a", "user:1"},
	{"changed field", `{"object":"user","entry":[{"uid":"1","time":5,"changed_fields":["photos"]}]}`, "c14b11071df8c51dd0e449dc671a2562", "user:1"},
	{"left over", `{"object":"page","entry":[{"id":"1","time":5,"changes":[],"a": [1]}]}`, "383fe61132a833301718157bb33c2847", "page:1"},
	{"not recognized", `{"a": 1}`, "df18791dced73940d968ac03f94d7eea", "unknown:"},
	{"a huge id", strings.Replace(messaging(`{"sender":{"id":"7"},"message":{"mid":"m"}}`), `"id":"1"`, `"id":"`+strings.Repeat("1", 300)+`"`, 1), "a9c3e6e7de4cc6686afba1f18e805c7f", "sha256-78d279c1d29c0ee8e010bd1b9a69e9878899a6ed8412d88644b08b9fd54b0be4/7"},
}
