package event_test

import (
	"fmt"
	"strings"
	"testing"
)

// inEntry makes a notification with one entry, whose id is 900.
func inEntry(object, members string) string {
	return fmt.Sprintf(`{"object":%q,"entry":[{"id":"900","time":5,%s}]}`, object, members)
}

func messagingItem(object, item string) string { return inEntry(object, `"messaging":[`+item+`]`) }

func oneChange(object, field, value string) string {
	return inEntry(object, fmt.Sprintf(`"changes":[{"field":%q,"value":%s}]`, field, value))
}

// whatsAppElement makes a notification of WhatsApp with one element in an array.
func whatsAppElement(array, element string) string {
	return oneChange("whatsapp_business_account", "messages", `{"metadata":{"phone_number_id":"5"},"`+array+`":[`+element+`]}`)
}

func TestConversation(t *testing.T) {
	t.Parallel()
	const whatsApp = "whatsapp_business_account"
	tests := []struct{ name, body, want string }{
		{"WhatsApp message", whatsAppElement("messages", `{"id":"w","from":"77"}`), "5/77"},
		{"WhatsApp message without a number", whatsAppElement("messages", `{"id":"w","from_user_id":"US.77"}`), "5/US.77"},
		{"WhatsApp message with both", whatsAppElement("messages", `{"id":"w","from_user_id":"US.77","from":"77"}`), "5/77"},
		{"WhatsApp message in a group", whatsAppElement("messages", `{"id":"w","from":"77","group_id":"g=="}`), "5/g=="},
		{"WhatsApp message without a sender", whatsAppElement("messages", `{"id":"w"}`), whatsApp + ":900"},
		{"WhatsApp message to no number", strings.Replace(whatsAppElement("messages", `{"id":"w","from":"77"}`), `"5"`, `null`, 1), whatsApp + ":900"},
		{"WhatsApp status", whatsAppElement("statuses", `{"id":"w","recipient_id":"77"}`), "5/77"},
		{"WhatsApp status without a number", whatsAppElement("statuses", `{"id":"w","recipient_user_id":"US.77"}`), "5/US.77"},
		{"WhatsApp status of a group", whatsAppElement("statuses", `{"id":"w","recipient_id":"12@g.us","recipient_type":"group","recipient_participant_id":"77"}`), "5/12@g.us"},
		{"WhatsApp echo", whatsAppElement("message_echoes", `{"id":"w","from":"5","to":"77"}`), "5/77"},
		{"WhatsApp echo without a number", whatsAppElement("message_echoes", `{"id":"w","to_user_id":"US.77"}`), "5/US.77"},
		{"WhatsApp call of the customer", whatsAppElement("calls", `{"id":"w","from":"77","to":"5","direction":"USER_INITIATED"}`), "5/77"},
		{"WhatsApp call of the business", whatsAppElement("calls", `{"id":"w","from":"5","to":"77","direction":"BUSINESS_INITIATED"}`), "5/77"},
		{"WhatsApp group", whatsAppElement("groups", `{"group_id":"g"}`), "5/g"},
		{"WhatsApp preference", whatsAppElement("user_preferences", `{"wa_id":"77"}`), "5/77"},
		{"WhatsApp user id", whatsAppElement("user_id_update", `{"user_id":{"previous":"US.1","current":"US.2"}}`), "5/US.2"},
		{"WhatsApp error", whatsAppElement("errors", `{"code":1}`), whatsApp + ":900"},
		{"WhatsApp address book", whatsAppElement("state_sync", `{"contact":{"phone_number":"77"}}`), whatsApp + ":900"},
		{"WhatsApp standby", oneChange(whatsApp, "standby", `{"metadata":{"phone_number_id":"5"},"standby":{"statuses":[{"id":"w","recipient_id":"77"}]}}`), "5/77"},
		{"WhatsApp handover", oneChange(whatsApp, "messaging_handovers", `{"sender":{"phone_number":"77"},"recipient":{"phone_number_id":"5"}}`), "5/77"},
		{"WhatsApp handover without a number", oneChange(whatsApp, "messaging_handovers", `{"sender":{"user_id":"US.77"},"recipient":{"phone_number_id":"5"}}`), "5/US.77"},
		{"WhatsApp template", oneChange(whatsApp, "message_template_status_update", `{"event":"APPROVED"}`), whatsApp + ":900"},

		{"Messenger message", messagingItem("page", `{"sender":{"id":"77"},"recipient":{"id":"900"},"message":{"mid":"m"}}`), "900/77"},
		{"Messenger echo", messagingItem("page", `{"sender":{"id":"900"},"recipient":{"id":"77"},"message":{"mid":"m","is_echo":true}}`), "900/77"},
		{"Messenger echo with ids as numbers", messagingItem("page", `{"sender":{"id":900},"recipient":{"id":77},"message":{"mid":"m","is_echo":true}}`), "900/77"},
		{"Messenger echo from another id of the page", messagingItem("page", `{"sender":{"id":"901"},"recipient":{"id":"77"},"message":{"mid":"m","is_echo":true}}`), "900/77"},
		{"Messenger echo with the sides the other way round", messagingItem("page", `{"sender":{"id":"77"},"recipient":{"id":"900"},"message":{"mid":"m","is_echo":true}}`), "900/77"},
		{"what the page did, though it is no echo", messagingItem("page", `{"sender":{"id":"900"},"recipient":{"id":"77"},"reaction":{"mid":"m"}}`), "900/77"},
		{"Messenger delivery", messagingItem("page", `{"sender":{"id":"77"},"recipient":{"id":"900"},"delivery":{"watermark":1}}`), "900/77"},
		{"a customer without an id", messagingItem("page", `{"sender":{"user_ref":"r"},"recipient":{"id":"900"},"read":{"watermark":1}}`), "900/r"},
		{"an echo to a customer without an id", messagingItem("page", `{"sender":{"id":"900"},"recipient":{"user_ref":"r"},"message":{"mid":"m","is_echo":true}}`), "900/r"},
		{"an opt-in of a customer without an id", messagingItem("page", `{"sender":null,"recipient":{"id":"900"},"optin":{"user_ref":"r"}}`), "900/r"},
		{"what concerns the page alone", messagingItem("page", `{"recipient":{"id":"900"},"policy_enforcement":{"action":"block"}}`), "page:900"},
		{"a page with itself", messagingItem("page", `{"sender":{"id":"900"},"recipient":{"id":"900"},"message":{"mid":"m"}}`), "page:900"},
		{"what says no sides", messagingItem("page", `{"violations":[]}`), "page:900"},
		{"standby", inEntry("page", `"standby":[{"sender":{"id":"77"},"message":{"mid":"m"}}]`), "900/77"},
		{"standby, an echo", inEntry("page", `"standby":[{"sender":{"id":"900"},"recipient":{"id":"77"},"message":{"mid":"m","is_echo":true}}]`), "900/77"},
		{"Instagram message in changes", oneChange("instagram", "messages", `{"sender":{"id":"77"},"recipient":{"id":"900"},"message":{"mid":"m"}}`), "900/77"},
		{"Instagram echo in changes", oneChange("instagram", "messages", `{"sender":{"id":"900"},"recipient":{"id":"77"},"message":{"mid":"m","is_echo":true}}`), "900/77"},
		{"Instagram message in messaging", messagingItem("instagram", `{"sender":{"id":"77"},"recipient":{"id":"901"},"message":{"mid":"m"}}`), "900/77"},
		{"Messenger call of the customer", inEntry("page", `"calls":[{"id":"c","event":"connect","from":"77","to":"900"}]`), "900/77"},
		{"Messenger call of the page", inEntry("page", `"calls":[{"id":"c","event":"connect","from":"900","to":"77"}]`), "900/77"},
		{"Messenger call that rings", inEntry("page", `"calls":[{"id":"c","event":"call_status","recipient_id":"77"}]`), "900/77"},
		{"Messenger call that says no sides", inEntry("page", `"calls":[{"id":"c","event":"media_update"}]`), "page:900"},

		{"a comment", oneChange("page", "feed", `{"item":"comment","post_id":"900_2","comment_id":"2_3"}`), "900#900_2"},
		{"a post", oneChange("page", "feed", `{"item":"post","post_id":"900_2"}`), "900#900_2"},
		{"a like of no post", oneChange("page", "feed", `{"item":"like","comment_id":"2_3"}`), "page:900"},
		{"a mention", oneChange("page", "mention", `{"post_id":"1_2"}`), "900#1_2"},
		{"a rating", oneChange("page", "ratings", `{"post_id":"1_2"}`), "900#1_2"},
		{"an Instagram comment", oneChange("instagram", "comments", `{"id":"c","media":{"id":"m"}}`), "900#m"},
		{"an Instagram comment in the entry", inEntry("instagram", `"field":"comments","value":{"id":"c","media":{"id":"m"}}`), "900#m"},
		{"an Instagram mention", oneChange("instagram", "mentions", `{"comment_id":"c","media_id":"m"}`), "900#m"},

		{"a lead", oneChange("page", "leadgen", `{"leadgen_id":"l","post_id":"1_2"}`), "page:900"},
		{"a field that is not known", oneChange("page", "novelty", `{"sender":{"id":"77"},"post_id":"1_2"}`), "page:900"},
		{"no value", inEntry("user", `"changed_fields":["photos"]`), "user:900"},
		{"a uid", `{"object":"user","entry":[{"uid":12,"changed_fields":["photos"]}]}`, "user:12"},
		{"no id", `{"object":"user","entry":[{"changed_fields":["photos"]}]}`, "user:"},
		{"nothing", `{}`, "unknown:"},
		{"Threads", `{"target_id":"7","values":{"field":"replies","value":{"id":"r","post_id":"p"}}}`, "threads:7"},

		{"separators in the sides", messagingItem("page", `{"sender":{"id":"a/b#c:d%e"},"message":{"mid":"m"}}`), "900/a%2Fb%23c%3Ad%25e"},
		{"escapes", messagingItem("page", `{"sender":{"id":"\u0037\/\n\""},"message":{"mid":"m"}}`), "900/7%2F%0A%22"},
		{"what is not ASCII", messagingItem("page", `{"sender":{"id":"ä\u00e4"},"message":{"mid":"m"}}`), "900/%C3%A4%C3%A4"},
		{"half a surrogate pair", messagingItem("page", `{"sender":{"id":"\ud800"},"message":{"mid":"m"}}`), "900/%5Cud800"},
		{"what means itself", messagingItem("page", `{"sender":{"id":"aZ09-._~@=+"},"message":{"mid":"m"}}`), "900/aZ09-._~@=+"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ev := parseOne(t, tt.body)
			if got := ev.Conversation(); got != tt.want {
				t.Errorf("Parse(%s): got %s, want %s", tt.body, got, tt.want)
			}
			if got := string(ev.AppendConversation([]byte("before"))); got != "before"+tt.want {
				t.Errorf("appended to something: got %s, want before%s", got, tt.want)
			}
			if got, want := attributes(t, ev.AppendJSON(nil))["partitionkey"], `"`+tt.want+`"`; got != want {
				t.Errorf("partitionkey: got %s, want %s", got, want)
			}
		})
	}
}

func TestConversationOfALongIDIsShort(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("9", 3000)
	bodies := map[string]func(id string) string{
		"customer": func(id string) string {
			return messagingItem("page", `{"sender":{"id":"`+id+`"},"message":{"mid":"m"}}`)
		},
		"entry": func(id string) string {
			return strings.Replace(inEntry("user", `"changed_fields":["a"]`), "900", id, 1)
		},
		"object": func(id string) string {
			return strings.Replace(inEntry("user", `"changed_fields":["a"]`), "user", id, 1)
		},
		"phone number": func(id string) string {
			return strings.Replace(whatsAppElement("messages", `{"id":"w","from":"77"}`), `"5"`, `"`+id+`"`, 1)
		},
		"post": func(id string) string { return oneChange("page", "feed", `{"post_id":"`+id+`"}`) },
	}
	for name, body := range bodies {
		one, same, other := parseOne(t, body(long)), parseOne(t, body(`\u0039`+long[1:])), parseOne(t, body(long+"8"))
		if got := len(one.Conversation()); got > 200 {
			t.Errorf("%s: bytes of a conversation: got %d, want at most 200", name, got)
		}
		if got, want := same.Conversation(), one.Conversation(); got != want {
			t.Errorf("%s: conversation in other words: got %s, want %s", name, got, want)
		}
		if got := other.Conversation(); got == one.Conversation() {
			t.Errorf("%s: conversation of another: got %s for both", name, got)
		}
	}
}

func TestConversationTakesNoAllocation(t *testing.T) {
	buf := make([]byte, 0, 100)
	for name, body := range map[string][]byte{
		"WhatsApp": whatsAppBatch(1), "Messenger": messengerBatch(1), "feed": feedBatch(1),
	} {
		ev := parseOne(t, string(body))
		if got := testing.AllocsPerRun(20, func() { buf = ev.AppendConversation(buf[:0]) }); got > 0 {
			t.Errorf("%s: allocations for %s: got %.0f, want none", name, buf, got)
		}
	}
}
