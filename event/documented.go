package event

import (
	"slices"
	"strings"
)

// documented holds each object that Meta documents and its fields, as of
// version 26 of the Graph API: a field to a word.
var documented = map[string]string{
	"ad_account": `
		ad_recommendations ads_async_creation_request creative_fatigue in_process_ad_objects product_set_issue
		with_issues_ad_objects`,
	"application": `
		ad_account ads_rules_engine async_requests async_sessions dev_alerts group_install
		oe_reseller_onboarding_request_created plugin_comment plugin_comment_reply`,
	"catalog":                  `items_batch product_feed`,
	"certificate_transparency": `certificate phishing`,
	"group":                    `group_feed`,
	objectInstagram: `
		comments creator_marketplace_projects follow follow_comment live_comments mentions message_edit message_reactions
		messages messaging_handover messaging_optins messaging_postbacks messaging_referral messaging_seen
		share_to_story standby story_insights story_reactions`,
	"managed_meta_account": ``,
	"page": `
		business_integrity call_permission_reply call_settings_update calls group_feed inbox_labels
		marketing_message_delivery_failed message_context message_deliveries message_echoes message_edits message_mention
		message_reactions message_reads message_template_status_update messages messaging_account_linking
		messaging_checkout_updates messaging_customer_information messaging_feedback messaging_game_plays
		messaging_handovers messaging_in_thread_lead_form_submit messaging_integrity messaging_optins messaging_optouts
		messaging_payments messaging_policy_enforcement messaging_postbacks messaging_pre_checkouts messaging_referrals
		response_feedback send_cart standby

		affiliation attire awards birthday category company_overview conversations culinary_team current_location
		description email feed founded general_info general_manager hometown hours invoice_access_invoice_draft_change
		leadgen leadgen_update live_videos location members mention mission name page_change_proposal
		page_upcoming_change parking payment_options personal_info personal_interests phone picture price_range
		product_review products public_transit ratings videos website`,
	"payments": `actions disputes payment_subscriptions`,
	"permissions": `
		email events friends hometown likes location manage_fundraisers photos public_profile user_friends`,
	objectThreads: `delete mentions publish replies`,
	"user": `
		about birthday books email events feed friends hometown likes location movies music name photos public_profile
		status television videos`,
	objectWhatsApp: `
		account_alerts account_review_update account_settings_update account_update automatic_events
		business_capability_update business_status_update business_username_updates calls consumer_profile flows
		group_lifecycle_update group_participants_update group_settings_update group_status_update history
		message_echoes message_template_components_update message_template_quality_update
		message_template_status_update messages messaging_handovers partner_solutions payment_configuration_update
		phone_number_name_update phone_number_quality_update security smb_app_state_sync smb_message_echoes standby
		template_category_update template_correct_category_detection tracking_events user_id_update user_preferences`,
	"workplace_security": `admin_activity password_changes password_recovery`,
}

// Documented returns the objects that Meta documents, each with its fields in
// the order of the alphabet. There are few enough of both for labels of
// metrics. [Event.Object] also returns unknown, and what else Meta may send.
func Documented() map[string][]string {
	all := make(map[string][]string, len(documented))
	for object, fields := range documented {
		all[object] = slices.Sorted(strings.FieldsSeq(fields))
	}
	return all
}

// Kinds returns the kinds that events of the documented objects may have, in
// the order of the alphabet: each field, and what this package tells apart
// within one.
func Kinds() []string {
	var all []string
	for _, fields := range documented {
		all = slices.AppendSeq(all, strings.FieldsSeq(fields))
	}
	for _, l := range kindLiterals[kindUnrecognized:] {
		all = append(all, string(l.text()))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// words are the kinds and the documented objects by their literals.
var words = func() map[string]string {
	words := map[string]string{string(unknownLiteral): objectUnknown}
	for _, kind := range Kinds() {
		words[string(quoted(kind))] = kind
	}
	for object := range documented {
		words[string(quoted(object))] = object
	}
	return words
}()
