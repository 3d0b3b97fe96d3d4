package observe

import "strings"

// otherLabel is what the metrics call what they do not know.
const otherLabel = "other"

// knownObjects are the objects that Meta documents.
var knownObjects = words(`
	ad_account application certificate_transparency group instagram page payments permissions threads unknown user
	whatsapp_business_account workplace_security
`)

// knownKinds are the kinds of conversations, and those of the fields that Meta
// documents which are much used.
var knownKinds = words(`
	unrecognized standby messaging

	messages message_echoes message_edits message_reactions message_deliveries message_reads messaging_postbacks
	messaging_optins messaging_referrals messaging_account_linking messaging_handovers messaging_policy_enforcement
	messaging_payments messaging_pre_checkouts messaging_checkout_updates messaging_game_plays messaging_feedback
	message_context message_mention messaging_customer_information messaging_in_thread_lead_form_submit
	response_feedback

	statuses errors calls groups state_sync user_preferences user_id_update account_alerts account_review_update
	account_settings_update account_update automatic_events business_capability_update business_status_update flows
	group_lifecycle_update group_participants_update group_settings_update group_status_update history
	message_template_components_update message_template_quality_update message_template_status_update
	partner_solutions payment_configuration_update phone_number_name_update phone_number_quality_update security
	smb_app_state_sync smb_message_echoes template_category_update template_correct_category_detection
	tracking_events

	feed mention leadgen leadgen_update ratings videos live_videos conversations inbox_labels group_feed

	comments live_comments mentions story_insights story_reactions share_to_story creator_marketplace_projects
	follow follow_comment

	replies publish delete

	photos friends likes email hometown location television birthday events status public_profile user_friends
	manage_fundraisers

	actions disputes payment_subscriptions

	certificate phishing ads_rules_engine async_requests async_sessions plugin_comment plugin_comment_reply
	in_process_ad_objects with_issues_ad_objects creative_fatigue product_set_issue

	admin_activity password_changes password_recovery
`)

// words returns the set of the words of a text.
func words(text string) map[string]bool {
	set := make(map[string]bool)
	for word := range strings.FieldsSeq(text) {
		set[word] = true
	}
	return set
}

// label returns a word that is known, and other for all that are not: senders
// do not make labels.
func label(known map[string]bool, word string) string {
	if known[word] {
		return word
	}
	return otherLabel
}
