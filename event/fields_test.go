package event_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// A fieldRow is an update of a field that Meta documents, and what tells it
// from others.
type fieldRow struct {
	object, field string
	key           string // in words; empty: the data alone
	list          string // of the entry; or else the array of a WhatsApp value, in changes
	update        string // an item, a value, or an element
	rule          rule
	differ        []string // old, new: each pair makes it another update
}

const (
	inChanges   = "changes"
	inMessaging = "messaging"
	inStandby   = "standby"
	inFields    = "changed_fields"
	inCalls     = "calls of the entry"
	inThreads   = "values"
)

// item makes an item of a conversation.
func item(holds string) string {
	return `{"sender":{"id":"77"},"recipient":{"id":"900"},"timestamp":1790000000000,` + holds + `}`
}

// element makes an element of a WhatsApp value.
func element(members string) string { return `{"timestamp":"1790000000",` + members + `}` }

var (
	aSecond      = []string{`1790000000`, `1790000001`}
	aMillisecond = []string{`1790000000000`, `1790000000001`}
	aSender      = []string{`{"id":"77"}`, `{"id":"78"}`}
)

var fieldRows = []fieldRow{
	{"page", "messages", "mid", inMessaging, item(`"message":{"mid":"m","text":"a"}`), byKey, []string{`"m"`, `"n"`, `"mid"`, `"is_deleted":true,"mid"`, `"mid"`, `"num_edit":1,"mid"`, `"mid"`, `"is_echo":true,"mid"`}},
	{"page", "message_echoes", "mid", inMessaging, item(`"message":{"mid":"m","is_echo":true}`), byKey, []string{`"m"`, `"n"`, `"mid"`, `"is_deleted":true,"mid"`}},
	{"page", "message_edits", "mid and number", inMessaging, item(`"message_edit":{"mid":"m","text":"a","num_edit":1}`), byKey, []string{`"m"`, `"n"`, `"num_edit":1`, `"num_edit":2`}},
	{"page", "message_reactions", "mid, sender, action, emoji and second", inMessaging, item(`"reaction":{"mid":"m","action":"react","emoji":"x"}`), byKey, append([]string{`"m"`, `"n"`, `"react"`, `"unreact"`, `"x"`, `"y"`}, slices.Concat(aMillisecond, aSender)...)},
	{"page", "messaging_postbacks", "mid", inMessaging, item(`"postback":{"mid":"m","payload":"p"}`), byKey, []string{`"m"`, `"n"`}},
	{"page", "messaging_postbacks", "sender, second and payload", inMessaging, item(`"postback":{"payload":"p"}`), byKey, append([]string{`"p"`, `"q"`}, slices.Concat(aMillisecond, aSender)...)},
	{"page", "messaging_postbacks", "", inMessaging, item(`"postback":{"title":"t"}`), byData, append([]string{`"t"`, `"u"`}, aMillisecond...)},
	{"page", "message_deliveries", "sender, watermark and mids", inMessaging, item(`"delivery":{"watermark":5,"mids":["m"]}`), byKey, append([]string{`:5`, `:6`, `["m"]`, `["m","n"]`}, aSender...)},
	{"page", "message_reads", "sender and watermark", inMessaging, item(`"read":{"watermark":5}`), byKey, append([]string{`:5`, `:6`}, aSender...)},
	{"page", "message_reads", "reference and watermark", inMessaging, strings.Replace(item(`"read":{"watermark":5}`), `{"id":"77"}`, `{"user_ref":"r"}`, 1), byKey, []string{`:5`, `:6`, `"r"`, `"s"`, `"user_ref"`, `"id"`}},
	{"page", "messaging_optins", "", inMessaging, item(`"optin":{"type":"notification_messages","notification_messages_token":"t"}`), byData, append([]string{`"t"`, `"u"`}, aMillisecond...)},
	{"page", "messaging_optins", "", inMessaging, `{"sender":null,"recipient":{"id":"900"},"timestamp":1790000000000,"optin":{"user_ref":"r"}}`, byData, append([]string{`"r"`, `"s"`}, aMillisecond...)},
	{"page", "messaging_optouts", "", inMessaging, item(`"optout":{"type":"t"}`), byData, aMillisecond},
	{"page", "messaging_referrals", "", inMessaging, item(`"referral":{"ref":"r","source":"ADS"}`), byData, append([]string{`"r"`, `"s"`}, aMillisecond...)},
	{"page", "messaging_account_linking", "", inMessaging, item(`"account_linking":{"status":"linked"}`), byData, append([]string{`"linked"`, `"unlinked"`}, aMillisecond...)},
	{"page", "messaging_account_linking", "the entry's time", inMessaging, `{"sender":{"id":"77"},"account_linking":{"status":"linked"}}`, byTime, []string{`"linked"`, `"unlinked"`}},
	{"page", "messaging_handovers", "", inMessaging, item(`"pass_thread_control":{"new_owner_app_id":"1"}`), byData, append([]string{`"1"`, `"2"`}, aMillisecond...)},
	{"page", "messaging_policy_enforcement", "", inMessaging, `{"recipient":{"id":"900"},"timestamp":1790000000000,"policy_enforcement":{"action":"block"}}`, byData, append([]string{`block`, `unblock`}, aMillisecond...)},
	{"page", "messaging_policy_enforcement", "", inMessaging, `{"recipient":{"id":"900"},"timestamp":1790000000000,"policy-enforcement":{"action":"block"}}`, byData, append([]string{`block`, `unblock`}, aMillisecond...)},
	{"page", "messaging_payments", "", inMessaging, item(`"payment":{"payload":"p"}`), byData, append([]string{`"p"`, `"q"`}, aMillisecond...)},
	{"page", "messaging_pre_checkouts", "", inMessaging, item(`"pre_checkout":{"payload":"p"}`), byData, aMillisecond},
	{"page", "messaging_checkout_updates", "", inMessaging, item(`"checkout_update":{"payload":"p"}`), byData, aMillisecond},
	{"page", "messaging_game_plays", "", inMessaging, item(`"game_play":{"game_id":"1"}`), byData, aMillisecond},
	{"page", "messaging_feedback", "", inMessaging, item(`"messaging_feedback":{"feedback_screens":[]}`), byData, aMillisecond},
	{"page", "response_feedback", "", inMessaging, item(`"response_feedback":{"feedback":"Good response","mid":"m"}`), byData, append([]string{`Good`, `Bad`, `"m"`, `"n"`}, aMillisecond...)},
	{"page", "messaging_customer_information", "", inMessaging, item(`"messaging_customer_information":{"screens":[]}`), byData, aMillisecond},
	{"page", "messaging_in_thread_lead_form_submit", "", inMessaging, item(`"lead_form":{"form_id":"1"}`), byData, append([]string{`"1"`, `"2"`}, aMillisecond...)},
	{"page", "send_cart", "", inMessaging, item(`"order":{"products":[]}`), byData, aMillisecond},
	{"page", "call_permission_reply", "", inMessaging, item(`"call_permission_reply":{"response":"approve"}`), byData, append([]string{`approve`, `reject`}, aMillisecond...)},
	{"page", "call_settings_update", "", inMessaging, item(`"call_settings_update":{}`), byData, aMillisecond},
	{"page", "message_context", "", inMessaging, item(`"message_context":{}`), byData, aMillisecond},
	{"page", "messaging_integrity", "", inMessaging, item(`"messaging_integrity":{}`), byData, aMillisecond},
	{"page", "inbox_labels", "", inMessaging, item(`"inbox_labels":{}`), byData, aMillisecond},
	{"page", "business_integrity", "", inMessaging, `{"timestamp":1790000000,"status":"restricted","violations":[{"type":"A"}],"restrictions":[]}`, byData, append([]string{`"A"`, `"B"`, `restricted`, `good`}, aSecond...)},
	{"page", "marketing_message_delivery_failed", "", inMessaging, `{"messenger_subscription_token":"1","timestamp":1790000000,"error_message":"e","message_id":"2"}`, byData, append([]string{`"2"`, `"3"`}, aSecond...)},
	{"page", "calls", "id and event", inCalls, `{"id":"c","event":"connect","from":"77","to":"900","timestamp":1790000000}`, byKey, []string{`"c"`, `"d"`, `connect`, `terminate`}},
	{"page", "calls", "id, event and version", inCalls, `{"id":"c","event":"media_update","session":{"version":1}}`, byKey, []string{`"c"`, `"d"`, `:1`, `:2`}},
	{"page", "calls", "id, event and status", inCalls, `{"id":"c","event":"call_status","call_status":"ringing"}`, byKey, []string{`ringing`, `accepted`}},
	{"page", "standby", "mid", inStandby, item(`"message":{"mid":"m"}`), byKey, []string{`"m"`, `"n"`, `"mid"`, `"is_echo":true,"mid"`, `"message"`, `"postback"`}},
	{"page", "standby", "mid", inStandby, item(`"postback":{"mid":"m","title":"t"}`), byKey, []string{`"m"`, `"n"`}},
	{"page", "standby", "sender and watermark", inStandby, item(`"read":{"watermark":5}`), byKey, append([]string{`:5`, `:6`, `"read"`, `"delivery"`}, aSender...)},

	{"page", "feed", "", inChanges, `{"item":"like","verb":"add","post_id":"1_2","from":{"id":"7"},"created_time":1790000000}`, byData, append([]string{`"add"`, `"remove"`, `"1_2"`, `"1_3"`}, aSecond...)},
	{"page", "feed", "", inChanges, `{"item":"comment","verb":"add","comment_id":"1_3","post_id":"1_2","message":"a"}`, byData, []string{`"1_3"`, `"1_4"`, `"add"`, `"remove"`}},
	{"page", "feed", "the entry's time", inChanges, `{"item":"comment","verb":"edited","comment_id":"1_3","message":"a","created_time":1790000000}`, byTime, []string{`"a"`, `"b"`}},
	{"page", "feed", "the entry's time", inChanges, `{"item":"post","verb":"hide","post_id":"1_2","created_time":1790000000}`, byTime, []string{`hide`, `unhide`}},
	{"page", "feed", "the entry's time", inChanges, `{"item":"like","verb":"add","comment_id":"1_3"}`, byTime, []string{`add`, `remove`}},
	{"page", "group_feed", "", inChanges, `{"item":"post","verb":"add","post_id":"1_2","created_time":1790000000}`, byData, aSecond},
	{"page", "mention", "", inChanges, `{"item":"post","verb":"add","post_id":"1_2","created_time":1790000000}`, byData, aSecond},
	{"page", "ratings", "", inChanges, `{"item":"rating","verb":"add","open_graph_story_id":"1","created_time":1790000000}`, byData, aSecond},
	{"page", "leadgen", "leadgen_id", inChanges, `{"leadgen_id":"4","form_id":"5","created_time":1790000000}`, byKey, []string{`"4"`, `"6"`}},
	{"page", "leadgen_update", "the entry's time", inChanges, `{"leadgen_id":"4"}`, byTime, []string{`"4"`, `"6"`}},
	{"group", "group_feed", "", inChanges, `{"item":"post","verb":"add","post_id":"1_2","created_time":1790000000}`, byData, aSecond},

	{"instagram", "messages", "mid", inMessaging, item(`"message":{"mid":"m"}`), byKey, []string{`"m"`, `"n"`}},
	{"instagram", "messages", "mid", inChanges, item(`"message":{"mid":"m"}`), byKey, []string{`"m"`, `"n"`, `"mid"`, `"is_echo":true,"mid"`, `"mid"`, `"is_deleted":true,"mid"`}},
	{"instagram", "message_edit", "mid and number", inChanges, item(`"message_edit":{"mid":"m","num_edit":1}`), byKey, []string{`"m"`, `"n"`, `:1}`, `:2}`}},
	{"instagram", "message_reactions", "mid, sender, action, emoji and second", inChanges, item(`"reaction":{"mid":"m","action":"react","emoji":"x"}`), byKey, append([]string{`"m"`, `"n"`, `"x"`, `"y"`}, slices.Concat(aMillisecond, aSender)...)},
	{"instagram", "messaging_postbacks", "mid", inChanges, item(`"postback":{"mid":"m","payload":"p"}`), byKey, []string{`"m"`, `"n"`}},
	{"instagram", "messaging_seen", "sender and mid", inChanges, item(`"read":{"mid":"m"}`), byKey, append([]string{`"m"`, `"n"`}, aSender...)},
	{"instagram", "messaging_handover", "", inChanges, item(`"pass_thread_control":{}`), byData, aMillisecond},
	{"instagram", "messaging_referral", "", inChanges, item(`"referral":{"ref":"r"}`), byData, aMillisecond},
	{"instagram", "messaging_optins", "", inChanges, item(`"optin":{"ref":"r"}`), byData, aMillisecond},
	{"instagram", "standby", "mid", inChanges, item(`"message":{"mid":"m"}`), byKey, []string{`"m"`, `"n"`}},
	{"instagram", "comments", "id", inChanges, `{"id":"c","text":"a","media":{"id":"m"}}`, byKey, []string{`"c"`, `"d"`}},
	{"instagram", "live_comments", "id", inChanges, `{"id":"c","text":"a"}`, byKey, []string{`"c"`, `"d"`}},
	{"instagram", "mentions", "", inChanges, `{"media_id":"m","comment_id":"c"}`, byData, []string{`"c"`, `"d"`}},
	{"instagram", "mentions", "the entry's time", inChanges, `{"media_id":"m"}`, byTime, []string{`"m"`, `"n"`}},
	{"instagram", "story_insights", "", inChanges, `{"media_id":"m","reach":1}`, byData, []string{`"m"`, `"n"`, `:1`, `:2`}},

	{"threads", "replies", "", inThreads, `{"id":"r","text":"a","timestamp":"2026-08-04T10:33:16+0000"}`, byData, []string{`"r"`, `"s"`, `:16`, `:17`, `"a"`, `"b"`}},
	{"threads", "mentions", "", inThreads, `{"id":"r","text":"a","timestamp":"2026-08-04T10:33:16+0000"}`, byData, []string{`"r"`, `"s"`}},
	{"threads", "publish", "", inThreads, `{"id":"r"}`, byData, []string{`"r"`, `"s"`}},
	{"threads", "delete", "", inThreads, `{"id":"r","deleted_at":"2026-09-04T10:33:16+0000","timestamp":"2024-08-04T10:33:16+0000"}`, byData, []string{`"r"`, `"s"`}},

	{"whatsapp_business_account", "messages", "phone number and id", "messages", element(`"id":"w","from":"77"`), byKey, []string{`"w"`, `"v"`}},
	{"whatsapp_business_account", "messages", "phone number, id, status, second and recipient", "statuses", element(`"id":"w","status":"sent","recipient_id":"77","pricing":{"billable":true}`), byKey, append([]string{`"w"`, `"v"`, `sent`, `read`, `"77"`, `"78"`, `"status"`, `"recipient_participant_id":"1","status"`, `"status"`, `"payment":{"reference_id":"r"},"status"`}, aSecond...)},
	{"whatsapp_business_account", "messages", "the same and the payment", "statuses", element(`"id":"w","status":"captured","recipient_id":"77","type":"payment","payment":{"reference_id":"r","transaction":{"status":"pending"}}`), byKey, []string{`"r"`, `"s"`, `pending`, `success`}},
	{"whatsapp_business_account", "messages", "the same and the participant", "statuses", element(`"id":"w","status":"read","recipient_id":"g","recipient_type":"group","recipient_participant_id":"1"`), byKey, []string{`"1"`, `"2"`, `"recipient_participant_id"`, `"recipient_participant_user_id"`}},
	{"whatsapp_business_account", "messages", "the user id where there is no number", "statuses", element(`"id":"w","status":"read","recipient_user_id":"US.1"`), byKey, []string{`US.1`, `US.2`}},
	{"whatsapp_business_account", "messages", "", "user_actions", element(`"action_type":"marketing_messages_link_click","marketing_messages_link_click_data":{"click_id":"c"}`), byData, append([]string{`"c"`, `"d"`}, aSecond...)},
	{"whatsapp_business_account", "messages", "neither has a time", "errors", `{"code":130429,"title":"t"}`, byNone, []string{`130429`, `130430`}},
	{"whatsapp_business_account", "calls", "phone number, id and event", "calls", element(`"id":"w","event":"connect","from":"77"`), byKey, []string{`"w"`, `"v"`, `connect`, `terminate`}},
	{"whatsapp_business_account", "calls", "phone number, id and status", "statuses", element(`"id":"w","type":"call","status":"RINGING","recipient_id":"77"`), byKey, append([]string{`RINGING`, `ACCEPTED`}, aSecond...)},
	{"whatsapp_business_account", "message_echoes", "phone number and id", "message_echoes", element(`"id":"w","to":"77"`), byKey, []string{`"w"`, `"v"`}},
	{"whatsapp_business_account", "smb_message_echoes", "phone number and id", "message_echoes", element(`"id":"w","to":"77"`), byKey, []string{`"w"`, `"v"`}},
	{"whatsapp_business_account", "smb_app_state_sync", "", "state_sync", `{"type":"contact","action":"add","contact":{"phone_number":"1"},"metadata":{"timestamp":"1790000000"}}`, byData, append([]string{`add`, `remove`}, aSecond...)},
	{"whatsapp_business_account", "user_preferences", "", "user_preferences", element(`"wa_id":"77","value":"stop"`), byData, append([]string{`stop`, `resume`, `"77"`, `"78"`}, aSecond...)},
	{"whatsapp_business_account", "user_id_update", "", "user_id_update", element(`"wa_id":"77","user_id":{"previous":"a","current":"b"}`), byData, append([]string{`"b"`, `"c"`}, aSecond...)},
	{"whatsapp_business_account", "automatic_events", "", "automatic_events", element(`"id":"w","event_name":"Purchase"`), byData, append([]string{`Purchase`, `LeadSubmitted`}, aSecond...)},
	{"whatsapp_business_account", "group_lifecycle_update", "", "groups", element(`"group_id":"g","type":"group_create"`), byData, append([]string{`group_create`, `group_delete`}, aSecond...)},
	{"whatsapp_business_account", "group_participants_update", "", "groups", element(`"group_id":"g","type":"group_participants_add"`), byData, aSecond},
	{"whatsapp_business_account", "group_settings_update", "", "groups", element(`"group_id":"g","type":"group_settings_update"`), byData, aSecond},
	{"whatsapp_business_account", "group_status_update", "", "groups", element(`"group_id":"g","type":"group_suspend"`), byData, aSecond},
	{"whatsapp_business_account", "standby", "phone number and id", "standby.messages", element(`"id":"w","from":"77"`), byKey, []string{`"w"`, `"v"`}},
	{"whatsapp_business_account", "standby", "phone number, id, status, second and recipient", "standby.statuses", element(`"id":"w","status":"sent","recipient_id":"77"`), byKey, append([]string{`sent`, `read`}, aSecond...)},
	{"whatsapp_business_account", "standby", "", "standby.groups", element(`"group_id":"g"`), byData, aSecond},
	{"whatsapp_business_account", "messaging_handovers", "", inChanges, `{"sender":{"phone_number":"77"},"recipient":{"phone_number_id":"5"},"timestamp":"1790000000","type":"control_passed"}`, byData, append([]string{`passed`, `taken`}, aSecond...)},
	{"whatsapp_business_account", "history", "", inChanges, `{"metadata":{"phone_number_id":"5"},"history":[{"metadata":{"phase":0,"chunk_order":1},"threads":[{"id":"77","messages":[{"id":"w"}]}]}]}`, byData, []string{`:1`, `:2`, `"w"`, `"v"`}},
	{"whatsapp_business_account", "history", "the entry's time", inChanges, `{"metadata":{"phone_number_id":"5"},"history":[{"errors":[{"code":2593109}]}]}`, byTime, nil},
	{"whatsapp_business_account", "account_settings_update", "", inChanges, `{"messaging_product":"whatsapp","timestamp":"1790000000","type":"phone_number_settings"}`, byData, aSecond},
	{"whatsapp_business_account", "account_update", "", inChanges, `{"event":"VOLUME_BASED_PRICING_TIER_UPDATE","volume_tier_info":{"tier_update_time":1790000000}}`, byData, aSecond},
	{"whatsapp_business_account", "account_update", "the entry's time", inChanges, `{"event":"PARTNER_ADDED","waba_info":{"waba_id":"1"}}`, byTime, []string{`ADDED`, `REMOVED`}},
	{"whatsapp_business_account", "payment_configuration_update", "", inChanges, `{"configuration_name":"c","status":"Active","created_timestamp":1,"updated_timestamp":1790000000}`, byData, aSecond},

	{"certificate_transparency", "certificate", "", inChanges, `{"certificate_id":"5","cert_hash_sha256":"f"}`, byData, []string{`"5"`, `"6"`}},
	{"certificate_transparency", "phishing", "", inChanges, `{"phishing_domains":["a"],"ct_cert":{"id":"9"}}`, byData, []string{`"9"`, `"8"`, `"a"`, `"b"`}},
	{"workplace_security", "admin_activity", "", inChanges, `{"event":"e","event_time":1790000000}`, byData, aSecond},
	{"application", "plugin_comment", "", inChanges, `{"id":"1","message":"a","created_time":"2026-08-04T10:33:16+0000"}`, byData, []string{`:16`, `:17`}},
	{"application", "plugin_comment_reply", "", inChanges, `{"id":"1","message":"a","created_time":"2026-08-04T10:33:16+0000"}`, byData, []string{`:16`, `:17`}},
	{"payments", "actions", "the entry's time", inFields, `"actions"`, byTime, nil},
	{"permissions", "email", "the entry's time", inChanges, `{"verb":"granted","target_ids":["13"]}`, byTime, []string{`granted`, `revoked`}},
}

// plainFields are told apart by their data and their entry's time: they say
// neither when something happened nor of which there is only one.
var plainFields = map[string]string{
	"ad_account": `
		ads_async_creation_request creative_fatigue ad_recommendations in_process_ad_objects product_set_issue
		with_issues_ad_objects`,
	"application": `
		ad_account ads_rules_engine async_requests async_sessions dev_alerts group_install
		oe_reseller_onboarding_request_created`,
	"catalog":   `items_batch product_feed`,
	"instagram": `creator_marketplace_projects follow follow_comment share_to_story story_reactions`,
	"page": `
		message_mention message_template_status_update affiliation attire awards birthday category page_change_proposal
		company_overview conversations culinary_team current_location description email founded general_info
		general_manager hometown hours invoice_access_invoice_draft_change live_videos location members mission name
		parking payment_options personal_info personal_interests phone picture price_range product_review products
		public_transit page_upcoming_change videos website`,
	"payments":    `disputes payment_subscriptions`,
	"permissions": `events friends hometown likes location manage_fundraisers photos public_profile user_friends`,
	"user": `
		about birthday books email events feed friends hometown likes location movies music name photos public_profile
		status television videos`,
	"whatsapp_business_account": `
		account_alerts account_review_update business_capability_update business_status_update business_username_updates
		consumer_profile flows message_template_components_update message_template_quality_update
		message_template_status_update partner_solutions phone_number_name_update phone_number_quality_update security
		template_category_update template_correct_category_detection tracking_events`,
	"workplace_security": `password_changes password_recovery`,
}

// allFieldRows returns the rows of all fields.
func allFieldRows() []fieldRow {
	rows := slices.Clone(fieldRows)
	for _, object := range slices.Sorted(maps.Keys(plainFields)) {
		for field := range strings.FieldsSeq(plainFields[object]) {
			rows = append(rows, fieldRow{object, field, "the entry's time", inChanges, `{"a":1}`, byTime, []string{`1`, `2`}})
		}
	}
	return rows
}

func TestEveryDocumentedFieldHasARow(t *testing.T) {
	t.Parallel()
	rows := make(map[string][]string)
	for _, row := range allFieldRows() {
		if !slices.Contains(rows[row.object], row.field) {
			rows[row.object] = append(rows[row.object], row.field)
		}
	}
	documented := event.Documented()
	for object, fields := range documented {
		slices.Sort(rows[object])
		if got := rows[object]; !slices.Equal(got, fields) {
			t.Errorf("%s: fields with a row: got %v, want %v", object, got, fields)
		}
	}
	for object := range rows {
		if _, ok := documented[object]; !ok {
			t.Errorf("documented objects: got no %s, want one", object)
		}
	}
}

// notification makes one of some updates of the row, each in an entry of its
// own or all in one, and sent at a time.
func (r fieldRow) notification(at int, cut bool, updates ...string) string {
	if cut {
		var all []string
		for _, u := range updates {
			all = append(all, r.notification(at, false, u))
		}
		return "[" + strings.Join(all, ",") + "]"
	}
	if r.list == inThreads {
		for i, u := range updates {
			updates[i] = fmt.Sprintf(`{"value":%s,"field":%q}`, u, r.field)
		}
		return fmt.Sprintf(`{"app_id":"1","target_id":"900","time":%d,"values":[%s]}`, at, strings.Join(updates, ","))
	}
	list, all := r.list, strings.Join(updates, ",")
	switch r.list {
	case inMessaging, inStandby, inFields:
	case inCalls:
		list = "calls"
	default:
		list, all = inChanges, ""
		for i, value := range r.values(updates) {
			if i > 0 {
				all += ","
			}
			all += fmt.Sprintf(`{"value":%s,"field":%q}`, value, r.field)
		}
	}
	stamp := fmt.Sprintf(`"time":%d,`, at)
	if r.rule == byNone {
		stamp = ""
	}
	return fmt.Sprintf(`{"object":%q,"entry":[{"id":"900",%s%q:[%s]}]}`, r.object, stamp, list, all)
}

// values returns the values of changes with the updates in them.
func (r fieldRow) values(updates []string) []string {
	if r.list == inChanges {
		return updates
	}
	var contacts []string
	for i := range updates {
		contacts = append(contacts, fmt.Sprintf(`{"wa_id":"%d"}`, i))
	}
	lists := fmt.Sprintf(`%q:[%s]`, r.list, strings.Join(updates, ","))
	if array, in := strings.CutPrefix(r.list, "standby."); in {
		lists = fmt.Sprintf(`"standby":{%q:[%s]}`, array, strings.Join(updates, ","))
	}
	return []string{fmt.Sprintf(`{"metadata":{"phone_number_id":"5"},"contacts":[%s],%s}`, strings.Join(contacts, ","), lists)}
}

// another makes other updates for company.
func (r fieldRow) another(n int) string {
	if r.list == inFields {
		return fmt.Sprintf(`"other%d"`, n)
	}
	return fmt.Sprintf(`{"id":"other%d","timestamp":"17900000%02d","message":{"mid":"other%d"}}`, n, n, n)
}

func TestEveryDocumentedFieldIsToldApart(t *testing.T) {
	t.Parallel()
	const at, later = 1790000100, 1790000900
	for i, row := range allFieldRows() {
		t.Run(fmt.Sprintf("%s %s %d", row.object, row.field, i), func(t *testing.T) {
			t.Parallel()
			body := row.notification(at, false, row.update)
			ev := parseOne(t, body)
			id := ev.ID()
			if ev.Object() != row.object || ev.Field() != row.field {
				t.Errorf("Parse(%s): got object %s and field %s, want %s and %s", body, ev.Object(), ev.Field(), row.object, row.field)
			}
			root, err := readDocument([]byte(body))
			if err != nil {
				t.Fatal(err)
			}
			if got := reference(root)[0].rule(); got != row.rule {
				t.Errorf("%s: told apart by %s, want %s", body, got, row.rule)
			}
			retry := parseOne(t, row.notification(later, false, row.update)).ID()
			if got, want := retry == id, row.rule != byTime; got != want {
				t.Errorf("id of the same, sent later: got %s and %s, want one: %t", id, retry, want)
			}
			retention := event.RetainWindow
			if row.rule == byNone {
				retention = event.RetainBriefly
			}
			if got := ev.Retention(); got != retention {
				t.Errorf("retention: got %d, want %d", got, retention)
			}
			company := []string{row.another(1), row.another(2), row.update, row.another(3)}
			for _, cut := range []bool{false, true} {
				events := parse(t, row.notification(at, cut, slices.Clone(company)...))
				if len(events) != len(company) {
					t.Fatalf("events in company: got%s\nwant %d", lines(summarizeAll(events)), len(company))
				}
				if got := events[2].ID(); got != id {
					t.Errorf("id in company, in entries of their own: %t: got %s, want %s", cut, got, id)
				}
				if got, want := events[2].Conversation(), ev.Conversation(); got != want {
					t.Errorf("conversation in company, in entries of their own: %t: got %s, want %s", cut, got, want)
				}
			}
			for i := 0; i < len(row.differ); i += 2 {
				other := strings.Replace(row.update, row.differ[i], row.differ[i+1], 1)
				if other == row.update {
					t.Fatalf("%s does not hold %s", row.update, row.differ[i])
				}
				if got := parseOne(t, row.notification(at, false, other)).ID(); got == id {
					t.Errorf("id of another update: got %s for both, want two\n%s\n%s", id, row.update, other)
				}
			}
			test := strings.Replace(body, `"900"`, `"0"`, 1)
			if got := parseOne(t, test).Retention(); got != event.RetainNever {
				t.Errorf("retention of the sample of a test: got %d, want %d", got, event.RetainNever)
			}
		})
	}
}

func TestKindsAreTheFieldsAndWhatIsToldApartInThem(t *testing.T) {
	t.Parallel()
	kinds := event.Kinds()
	if !slices.IsSorted(kinds) || len(slices.Compact(slices.Clone(kinds))) != len(kinds) {
		t.Errorf("got %v, want each once, in order", kinds)
	}
	for _, row := range allFieldRows() {
		if ev := parseOne(t, row.notification(1, false, row.update)); !slices.Contains(kinds, ev.Kind()) {
			t.Errorf("kinds: got no %s, want it", ev.Kind())
		}
	}
	for _, kind := range []string{"unrecognized", "messaging", "statuses", "groups"} {
		if !slices.Contains(kinds, kind) {
			t.Errorf("kinds: got no %s, want it", kind)
		}
	}
	all := event.Documented()
	clear(all)
	if got := event.Documented(); len(got) == 0 {
		t.Errorf("documented objects after the map was cleared: got none, want them all")
	}
}
