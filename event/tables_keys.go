package event

// What tells updates apart, what they say of when they happened, and what
// order is kept in.

// A naturalKey tells an update of one kind from all others of its object,
// entry, field and kind, however often and whenever Meta sends it. It counts
// where all of must are there; a missing one of may is a value like any other.
//
// The order of the keys of one kind, and of the members of each, is a part of
// the IDs: what is new comes last.
type naturalKey struct {
	kind      string
	must, may []member
}

var (
	// Those of an item of messaging[] or standby[], and of the value of a
	// messaging field.
	itemKeys = []naturalKey{
		{kind: "messages", must: []member{messageMID}, may: []member{messageIsDeleted, messageNumber}}, // an unsend reuses the mid
		{kind: "message_echoes", must: []member{messageMID}, may: []member{messageIsDeleted, messageNumber}},
		{kind: "message_edits", must: []member{editMID, editNumber}},
		{kind: "message_reactions", must: []member{reactionMID, senderID, reactionAction, timestamp}, may: []member{reactionEmoji}},
		{kind: "message_reactions", must: []member{reactionMID, senderRef, reactionAction, timestamp}, may: []member{reactionEmoji}},
		{kind: "messaging_postbacks", must: []member{postbackMID}},
		{kind: "messaging_postbacks", must: []member{senderID, timestamp, postbackPayload}},
		{kind: "messaging_postbacks", must: []member{senderRef, timestamp, postbackPayload}},
		{kind: "message_deliveries", must: []member{senderID, deliveryWatermark}, may: []member{deliveryMIDs}},
		{kind: "message_deliveries", must: []member{senderRef, deliveryWatermark}, may: []member{deliveryMIDs}},
		{kind: "message_reads", must: []member{senderID, readWatermark}, may: []member{readMID, readMIDs}},
		{kind: "message_reads", must: []member{senderID, readMID}},
		{kind: "message_reads", must: []member{senderRef, readWatermark}, may: []member{readMID, readMIDs}},
		{kind: "message_reads", must: []member{senderRef, readMID}},
	}
	// Those of an element of one of the whatsAppArrays. The value's
	// phone_number_id is a part of each. The status of a message to a group is
	// about one participant of it.
	elementKeys = []naturalKey{
		{kind: "messages", must: []member{elementID}},
		{kind: "message_echoes", must: []member{elementID}},
		{kind: "statuses", must: []member{elementID, elementStatus, timestamp, recipientID}, may: participant},
		{kind: "statuses", must: []member{elementID, elementStatus, timestamp, recipientUserID}, may: participant},
		{kind: "calls", must: []member{elementID, elementEvent}, may: callState},
		{kind: "calls", must: []member{elementID, elementStatus}, may: callState},
	}
	participant = []member{recipientUserID, recipientParticipantID, recipientParticipantUserID}
	callState   = []member{elementStatus, callStatus, sessionVersion} // of Messenger, where one event may come several times
)

// keysOfKind are the natural keys of each kind that is no field.
var keysOfKind = func() [][]naturalKey {
	all := make([][]naturalKey, 0, len(kindLiterals))
	for k, literal := range kindLiterals {
		keys := itemKeys
		if kind(k) >= firstArrayKind {
			keys = elementKeys
		}
		all = append(all, keysOf(keys, literal.text()))
	}
	return all
}()

// keysOf returns the keys of one kind, which stand together.
func keysOf(keys []naturalKey, kind []byte) []naturalKey {
	from := 0
	for from < len(keys) && keys[from].kind != string(kind) {
		from++
	}
	to := from
	for to < len(keys) && keys[to].kind == string(kind) {
		to++
	}
	return keys[from:to]
}

// A changeField is what is known of the updates of one field in changes[].
type changeField struct {
	object, field string       // object is empty where it does not matter
	item          bool         // the value is what an item of messaging[] is
	keys          []naturalKey // of the value, if it is no item
	own           []member     // an id that no other update of the field has with the same value
	subject       []member     // the subject, where it is not among valueSubjects
	about         []member     // the post or the media that is commented on: the first one there is
}

// changeFields says what is known of each field. A field that is not here is
// told apart by its value, and by when its entry was sent unless the value
// says when it happened.
var changeFields = []changeField{
	{field: "feed", own: []member{commentID}, about: post},
	{field: "group_feed", own: []member{commentID}, about: post},
	{field: "mention", own: []member{commentID}, about: post},
	{field: "ratings", own: []member{commentID}, about: post},
	{field: "leadgen", keys: []naturalKey{{must: []member{leadgenID}}}},

	{object: objectInstagram, field: "comments", keys: []naturalKey{{must: []member{valueID}}}, about: media},
	{object: objectInstagram, field: "live_comments", keys: []naturalKey{{must: []member{valueID}}}, about: media},
	{object: objectInstagram, field: "mentions", own: []member{commentID}, about: media},
	{object: objectInstagram, field: "story_insights", own: []member{mediaID}},

	{object: objectThreads, own: []member{valueID}}, // of all fields
	{object: objectWhatsApp, field: "history", own: []member{historyID}},
	{object: objectWhatsApp, field: "messaging_handovers"},
	{object: objectApp, subject: []member{signedUserID}}, // of all fields
	{object: "certificate_transparency", field: "certificate", own: []member{certificateID}},
	{object: "certificate_transparency", field: "phishing", own: []member{phishingID}},

	{field: "calls", item: true},
	{field: "call_permission_reply", item: true},
	{field: "call_settings_update", item: true},
	{field: "marketing_message_delivery_failed", item: true},
	{field: "message_context", item: true},
	{field: "message_deliveries", item: true},
	{field: "message_echoes", item: true},
	{field: "message_edit", item: true},
	{field: "message_edits", item: true},
	{field: "message_reactions", item: true},
	{field: "message_reads", item: true},
	{field: "messages", item: true},
	{field: "messaging_account_linking", item: true},
	{field: "messaging_checkout_updates", item: true},
	{field: "messaging_customer_information", item: true},
	{field: "messaging_feedback", item: true},
	{field: "messaging_game_plays", item: true},
	{field: "messaging_handover", item: true},
	{field: "messaging_handovers", item: true},
	{field: "messaging_in_thread_lead_form_submit", item: true},
	{field: "messaging_integrity", item: true},
	{field: "messaging_optins", item: true},
	{field: "messaging_optouts", item: true},
	{field: "messaging_payments", item: true},
	{field: "messaging_policy_enforcement", item: true},
	{field: "messaging_postbacks", item: true},
	{field: "messaging_pre_checkouts", item: true},
	{field: "messaging_referral", item: true},
	{field: "messaging_referrals", item: true},
	{field: "messaging_seen", item: true},
	{field: "response_feedback", item: true},
	{field: "send_cart", item: true},
	{field: "standby", item: true},
}

var (
	post  = []member{postID}
	media = []member{mediaObjectID, mediaID}
)

// The verbs of what happens to a thing at most once. With them created_time
// says when it happened, and comment_id says what; with others, such as edited
// and hide, both only say which thing it is that was there before, and what
// happened to it may happen again.
var onceVerbs = []string{"add", "remove"}

// commentItem is the only item whose comment_id is its own. A like has that of
// the comment which is liked.
const commentItem = "comment"

// whoOf says who the customer is, by the kind of an element of the
// whatsAppArrays: the first of the members that says something. A group is the
// other side of what is said in it. For an element without, order is kept
// among all that has none.
var whoOf = map[string][]member{
	"messages":         {groupID, fromID, fromUserID},
	"statuses":         {recipientID, recipientUserID}, // of a message to a group, recipient_id is the group's
	"calls":            {groupID, fromID, fromUserID},  // that the customer makes
	"groups":           {groupID},
	"message_echoes":   {groupID, toID, toUserID},
	"user_preferences": {waID, userID},
	"user_id_update":   {waID, currentUserID},
	"user_actions":     {waID, fromID, fromUserID, userID},
	"automatic_events": {waID, fromID, fromUserID, userID},
}

// whoIsCalled is the customer in a call of this direction.
var whoIsCalled = []member{groupID, toID, toUserID}

const businessInitiated = "BUSINESS_INITIATED"

// Who an item, or the value of a messaging field, comes from, and who it goes
// to: members of its recipient. Where one is the entry itself, the other is the
// customer.
var (
	itemFrom = []member{senderID, senderRef, optinRef}
	itemTo   = []string{"id", "user_ref"}
	// Messenger's calls.
	callFrom = []member{fromID}
	callTo   = []member{toID, recipientID}
	// WhatsApp's messaging_handovers.
	handoverFrom = []member{senderPhone, senderUserID, senderID}
	handoverTo   = []string{"phone_number_id"}
)

// whoOfKind is whoOf by the kind.
var whoOfKind = func() [][]member {
	all := make([][]member, len(kindLiterals))
	for k := firstArrayKind; int(k) < len(all); k++ {
		all[k] = whoOf[string(kindLiterals[k].text())]
	}
	return all
}()

// fieldsByName are the changeFields by their names, with those of one object
// before those of any.
var fieldsByName = func() map[string][]*changeField {
	all := make(map[string][]*changeField)
	for _, objects := range []bool{true, false} {
		for i := range changeFields {
			if f := &changeFields[i]; (f.object != "") == objects {
				all[f.field] = append(all[f.field], f)
			}
		}
	}
	return all
}()
