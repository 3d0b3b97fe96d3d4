package event

import "slices"

// What Meta's products call things. Everything that this package knows about
// a single product stands in the tables: here, what there is and where it
// stands; in tables_keys.go, what tells updates apart and what order is kept
// in; in documented.go, the names of objects and fields. The code beside them
// only follows them.

const (
	objectWhatsApp  = "whatsapp_business_account"
	objectInstagram = "instagram"
	objectThreads   = "threads"
	objectApp       = "app" // what Meta signs for an app's other callback URLs
	objectUnknown   = "unknown"
)

// What no member of a notification names, as literals like what one names.
var (
	threadsLiteral = quoted(objectThreads)
	unknownLiteral = quoted(objectUnknown)
)

// quoted makes a literal of a string that needs no escapes.
func quoted(s string) literal { return literal(`"` + s + `"`) }

// A kind is what happened: the field of a change, or one of kindLiterals.
type kind uint8

const (
	kindOfField kind = iota
	kindUnrecognized
	kindStandby
	kindMessaging
	kindEcho
	firstItemKind // those of messagingKinds begin here; those of whatsAppArrays follow
)

var (
	firstArrayKind = firstItemKind + kind(len(messagingKinds))
	statusesKind   = arrayKind(whatsAppStatuses)
	errorsKind     = arrayKind(whatsAppErrors)
	callsKind      = arrayKind(whatsAppCalls)
)

func arrayKind(name string) kind { return firstArrayKind + kind(slices.Index(whatsAppArrays, name)) }

// kindLiterals are the kinds as JSON strings.
var kindLiterals = func() []literal {
	kinds := make([]literal, 0, int(firstArrayKind)+len(whatsAppArrays))
	kinds = append(kinds, nil, quoted("unrecognized"), quoted("standby"), quoted("messaging"), quoted("message_echoes"))
	for _, k := range messagingKinds {
		kinds = append(kinds, quoted(k.kind))
	}
	for _, name := range whatsAppArrays {
		kinds = append(kinds, quoted(name))
	}
	return kinds
}()

// messagingKinds names the kind of an item of messaging[] by the member it
// holds, in the words of Meta's subscription fields. The first one that the
// item holds counts.
var messagingKinds = []struct{ member, kind string }{
	{"message", "messages"}, // message_echoes if is_echo
	{"message_edit", "message_edits"},
	{"reaction", "message_reactions"},
	{"postback", "messaging_postbacks"},
	{"delivery", "message_deliveries"},
	{"read", "message_reads"},
	{"optin", "messaging_optins"},
	{"optout", "messaging_optouts"},
	{"referral", "messaging_referrals"},
	{"account_linking", "messaging_account_linking"},
	{"pass_thread_control", "messaging_handovers"},
	{"take_thread_control", "messaging_handovers"},
	{"request_thread_control", "messaging_handovers"},
	{"app_roles", "messaging_handovers"},
	{"policy_enforcement", "messaging_policy_enforcement"},
	{"policy-enforcement", "messaging_policy_enforcement"}, // until 2026
	{"payment", "messaging_payments"},
	{"pre_checkout", "messaging_pre_checkouts"},
	{"checkout_update", "messaging_checkout_updates"},
	{"game_play", "messaging_game_plays"},
	{"messaging_feedback", "messaging_feedback"},
	{"response_feedback", "response_feedback"},
	{"messaging_customer_information", "messaging_customer_information"},
	{"messaging_in_thread_lead_form_submit", "messaging_in_thread_lead_form_submit"},
	{"lead_form", "messaging_in_thread_lead_form_submit"},
	{"order", "send_cart"},
	{"call_permission_reply", "call_permission_reply"},
	{"call_settings_update", "call_settings_update"},
	{"message_context", "message_context"},
	{"messaging_integrity", "messaging_integrity"},
	{"inbox_labels", "inbox_labels"},
	{"marketing_message_delivery_failed", "marketing_message_delivery_failed"},
	// These are members of the whole shape, which has no name.
	{"violations", "business_integrity"},
	{"restrictions", "business_integrity"},
	{"messenger_subscription_token", "marketing_message_delivery_failed"},
}

// whatsAppArrays are the lists in the value of a WhatsApp change that give an
// event for each element. errors is one only where it stands alone; beside
// one of the others it describes that one. In the value of the field standby,
// the lists stand in a member of that name.
var whatsAppArrays = []string{
	"messages", whatsAppStatuses, whatsAppErrors, whatsAppCalls, "groups",
	"message_echoes", "state_sync", "user_preferences", "user_id_update",
	"automatic_events", "user_actions",
}

const (
	whatsAppStatuses = "statuses"
	whatsAppErrors   = "errors"
	whatsAppCalls    = "calls" // and Messenger's, which stand in the entry
	whatsAppStandby  = "standby"
)

// neighbours names the member of a WhatsApp value that speaks of all the
// elements of its lists, and so depends on which of them come together.
const neighbours = "contacts"

// entryLists are the lists of an entry that hold updates.
var entryLists = []string{"changes", "messaging", "standby", "changed_fields", whatsAppCalls}

// What an entry, and a notification of Threads, say of themselves. It is no
// update.
var (
	entryNames   = []string{"id", "uid", "time"}
	threadsNames = []string{"object", "app_id", "topic", "target_id", "time", "subscription_id", "has_uid_field", "values"}
)

// A member is something in an update that the tables speak of. These are those
// of an item of messaging[] or standby[].
type member uint8

const (
	_ member = iota // where the tables do not speak of it

	timestamp // of an item, a value or an element

	senderID
	senderRef
	senderPhone
	senderUserID
	addressee
	optinRef
	messageMID
	messageIsEcho
	messageIsDeleted
	messageNumber
	editMID
	editNumber
	reactionMID
	reactionAction
	reactionEmoji
	postbackMID
	postbackPayload
	deliveryWatermark
	deliveryMIDs
	readWatermark
	readMID
	readMIDs

	itemMemberCount
)

// Those of the value of a change, beside an item's.
const (
	createdTime member = iota + itemMemberCount
	valueTime
	eventTime
	updatedTime
	tierTime
	deletedAt
	issuedAt
	signedUserID
	valueVerb
	valueItem
	valueID
	leadgenID
	commentID
	postID
	mediaID
	mediaObjectID
	certificateID
	phishingID
	historyID
	phoneNumberID

	memberCount
)

// Those of an element of one of the whatsAppArrays, beside timestamp. They need
// not differ from those of an item.
const (
	metadataTimestamp member = iota + timestamp + 1
	elementID
	elementEvent
	elementStatus
	callStatus
	callDirection
	sessionVersion
	clickID
	groupID
	fromID
	fromUserID
	toID
	toUserID
	recipientID
	recipientUserID
	recipientParticipantID
	recipientParticipantUserID
	waID
	userID
	currentUserID
	novelty // any member that the table does not know

	elementMemberCount
)

// Where the members stand: in an item of messaging[] or standby[], in the
// value of a change, in an element of one of the whatsAppArrays. The value of
// a messaging field is an item, so all places of an item are also places of a
// value. The number 0 stands for the first element of a list.
var (
	itemMembers = map[string]member{
		"timestamp":             timestamp,
		"sender.id":             senderID,
		"sender.user_ref":       senderRef,
		"recipient":             addressee, // looked into only where the sender is not the customer
		"optin.user_ref":        optinRef,
		"message.mid":           messageMID,
		"message.is_echo":       messageIsEcho,
		"message.is_deleted":    messageIsDeleted,
		"message.num_edit":      messageNumber,
		"message_edit.mid":      editMID,
		"message_edit.num_edit": editNumber,
		"reaction.mid":          reactionMID,
		"reaction.action":       reactionAction,
		"reaction.emoji":        reactionEmoji,
		"postback.mid":          postbackMID,
		"postback.payload":      postbackPayload,
		"delivery.watermark":    deliveryWatermark,
		"delivery.mids":         deliveryMIDs,
		"read.watermark":        readWatermark,
		"read.mid":              readMID,
		"read.mids":             readMIDs,
		"sender.phone_number":   senderPhone, // of WhatsApp's messaging_handovers, like the next
		"sender.user_id":        senderUserID,
	}
	valueMembers = map[string]member{
		"created_time":                      createdTime,
		"time":                              valueTime,
		"event_time":                        eventTime,
		"updated_timestamp":                 updatedTime,
		"volume_tier_info.tier_update_time": tierTime,
		"deleted_at":                        deletedAt,
		"issued_at":                         issuedAt, // of signed requests, like the next
		"user_id":                           signedUserID,
		"verb":                              valueVerb,
		"item":                              valueItem,
		"id":                                valueID,
		"leadgen_id":                        leadgenID,
		"comment_id":                        commentID,
		"post_id":                           postID,
		"media_id":                          mediaID,
		"media.id":                          mediaObjectID,
		"certificate_id":                    certificateID,
		"ct_cert.id":                        phishingID,
		"history.0.threads.0.messages.0.id": historyID,
		"metadata.phone_number_id":          phoneNumberID,
	}
	elementMembers = map[string]member{
		"timestamp":                     timestamp,
		"metadata.timestamp":            metadataTimestamp,
		"id":                            elementID,
		"event":                         elementEvent,
		"status":                        elementStatus,
		"call_status":                   callStatus,
		"direction":                     callDirection,
		"session.version":               sessionVersion,
		"group_id":                      groupID,
		"from":                          fromID,
		"from_user_id":                  fromUserID,
		"to":                            toID,
		"to_user_id":                    toUserID,
		"recipient_id":                  recipientID,
		"recipient_user_id":             recipientUserID,
		"recipient_participant_id":      recipientParticipantID,
		"recipient_participant_user_id": recipientParticipantUserID,
		"wa_id":                         waID,
		"user_id":                       userID,
		"user_id.current":               currentUserID,
		"marketing_messages_link_click_data.click_id": clickID,
	}
	// statusMembers are all that a status may hold without being another than
	// its natural key tells.
	statusMembers = append([]string{
		"type", "conversation", "pricing", "errors", "biz_opaque_callback_data", "recipient_type",
		"parent_recipient_user_id", "recipient_parent_user_id", "recipient_participant_parent_user_id",
	}, "id", "status", "timestamp", "recipient_id", "recipient_user_id", "recipient_participant_id", "recipient_participant_user_id")
)

// When an update happened, for the time of its event: the first one there is.
// What counts only with some verbs is the time of the thing that the update is
// about.
var (
	itemTimes    = []member{timestamp}
	valueTimes   = []member{deletedAt, timestamp, createdTime, valueTime, eventTime, updatedTime, tierTime, issuedAt}
	elementTimes = []member{timestamp, metadataTimestamp}
)

// The update's own id, for the subject of its event: the first one there is.
var (
	itemSubjects    = []member{messageMID, editMID, postbackMID}
	valueSubjects   = []member{leadgenID, commentID, postID, valueID, certificateID}
	elementSubjects = []member{elementID, clickID}
)
