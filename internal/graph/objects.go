package graph

import (
	"maps"
	"slices"
	"strings"
)

// objects are the webhook objects that Meta documents, and their fields as of
// version 26 of the Graph API.
var objects = map[string]string{
	"ad_account": `ad_recommendations ads_async_creation_request creative_fatigue in_process_ad_objects product_set_issue
		with_issues_ad_objects`,
	"application": `ad_account ads_rules_engine async_requests dev_alerts group_install
		oe_reseller_onboarding_request_created plugin_comment plugin_comment_reply`,
	"catalog":                  `items_batch product_feed`,
	"certificate_transparency": `certificate phishing`,
	"group":                    ``,
	"instagram": `comments live_comments mentions message_edit message_reactions messages messaging_handover
		messaging_postbacks messaging_referral messaging_seen standby story_insights`,
	"managed_meta_account": ``,
	"page": `affiliation attire awards birthday business_integrity call_permission_reply call_settings_update calls
		category company_overview culinary_team current_location description email feed founded general_info
		general_manager group_feed hometown hours inbox_labels invoice_access_invoice_draft_change leadgen live_videos
		location marketing_message_delivery_failed members mention message_context message_deliveries message_echoes
		message_edits message_reactions message_reads message_template_status_update messages messaging_account_linking
		messaging_customer_information messaging_handovers messaging_in_thread_lead_form_submit messaging_integrity
		messaging_optins messaging_optouts messaging_policy_enforcement messaging_postbacks messaging_referrals mission
		name page_change_proposal page_upcoming_change parking payment_options personal_info personal_interests phone
		picture price_range product_review products public_transit ratings response_feedback send_cart standby videos
		website`,
	"payment_subscriptions": ``,
	"payments":              `actions disputes`,
	"permissions":           ``,
	"threads":               `delete mentions publish replies`,
	"user":                  `birthday email events feed friends hometown likes location photos status television`,
	"whatsapp_business_account": `account_alerts account_review_update account_settings_update account_update
		automatic_events business_capability_update business_status_update business_username_updates calls
		consumer_profile flows group_lifecycle_update group_participants_update group_settings_update
		group_status_update history message_echoes message_template_components_update
		message_template_quality_update message_template_status_update messages messaging_handovers partner_solutions
		payment_configuration_update phone_number_name_update phone_number_quality_update security smb_app_state_sync
		smb_message_echoes standby template_category_update template_correct_category_detection tracking_events
		user_id_update user_preferences`,
	"workplace_security": `admin_activity password_changes password_recovery`,
}

// Objects returns the names of the objects that the Graph API takes
// subscriptions to, sorted. Those to instagram are made in the App Dashboard.
func Objects() []string {
	names := slices.Sorted(maps.Keys(objects))
	return slices.DeleteFunc(names, func(name string) bool { return name == "instagram" })
}

// Fields returns the documented fields of an object, sorted. Meta adds fields all
// the time, so that there may be others.
func Fields(object string) []string { return strings.Fields(objects[object]) }
