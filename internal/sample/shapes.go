package sample

// All holds all samples. Texts are escaped like Meta's, so that a receiver that
// decodes and re-encodes a notification before it checks the signature fails.
var All = []Sample{
	{
		Name:   "user-photos",
		Type:   "com.facebook.user.photos",
		around: `{"object":"user","entry":[{"id":"10210299214172187","uid":"10210299214172187","time":{seconds},"changes":[{updates}]}]}`,
		update: `{"field":"photos","value":{"verb":"update","object_id":"{id}"}}`,
	},
	{
		Name:   "page-feed",
		Type:   "com.facebook.page.feed",
		around: `{"object":"page","entry":[{"id":"1067280970047460","time":{seconds},"changes":[{updates}]}]}`,
		update: `{"field":"feed","value":{"from":{"id":"2420183648391057","name":"Ada Lovelace"},"item":"comment",` +
			`"comment_id":"122104683092301776_{id}","post_id":"1067280970047460_122104683092301776",` +
			`"parent_id":"1067280970047460_122104683092301776","created_time":{seconds},"verb":"add",` +
			`"message":"Sch\u00f6n! Is it still available?"}}`,
	},
	{
		Name:   "messenger-message",
		Type:   "com.facebook.page.messages",
		around: `{"object":"page","entry":[{"id":"1067280970047460","time":{millis},"messaging":[{updates}]}]}`,
		update: `{"sender":{"id":"2420183648391057"},"recipient":{"id":"1067280970047460"},"timestamp":{millis},` +
			`"message":{"mid":"m_{token}","text":"Hello \ud83d\udc4b"}}`,
	},
	{
		Name:   "instagram-comment",
		Type:   "com.facebook.instagram.comments",
		around: `{"object":"instagram","entry":[{"id":"17841405822304914","time":{seconds},"changes":[{updates}]}]}`,
		update: `{"field":"comments","value":{"from":{"id":"2420183648391057","username":"ada"},` +
			`"media":{"id":"17887498072083520","media_product_type":"FEED"},"id":"17{id}","text":"Sch\u00f6n \u2764\ufe0f"}}`,
	},
	{
		Name: "whatsapp-message",
		Type: "com.facebook.whatsapp_business_account.messages",
		around: `{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":{"messaging_product":"whatsapp",` +
			`"metadata":{"display_phone_number":"15550783881","phone_number_id":"106540352242922"},` +
			`"contacts":[{"profile":{"name":"Ada Lovelace"},"wa_id":"16505551234"}],"messages":[{updates}]},"field":"messages"}]}]}`,
		update: `{"from":"16505551234","id":"wamid.{token}","timestamp":"{seconds}","text":{"body":"Gr\u00fc\u00dfe \ud83d\udc4b"},"type":"text"}`,
	},
	{
		Name: "whatsapp-status",
		Type: "com.facebook.whatsapp_business_account.statuses",
		around: `{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":{"messaging_product":"whatsapp",` +
			`"metadata":{"display_phone_number":"15550783881","phone_number_id":"106540352242922"},` +
			`"statuses":[{updates}]},"field":"messages"}]}]}`,
		update: `{"id":"wamid.{token}","status":"delivered","timestamp":"{seconds}","recipient_id":"16505551234",` +
			`"pricing":{"billable":true,"pricing_model":"PMP","category":"service","type":"regular"}}`,
	},
	{
		Name: "threads-mention",
		Type: "com.facebook.threads.mentions",
		around: `{"app_id":"1234567890123456","topic":"interaction","target_id":"26311790478467489","time":{seconds},` +
			`"subscription_id":"864128379453172","has_uid_field":false,"values":[{updates}]}`,
		update: `{"value":{"id":"17{id}","username":"ada","text":"Hello @caddy \ud83d\udc4b","media_type":"TEXT_POST",` +
			`"permalink":"https:\/\/www.threads.net\/@ada\/post\/{token}","timestamp":"{iso}","shortcode":"{token}"},"field":"mentions"}`,
	},
}
