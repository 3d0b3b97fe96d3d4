package event

import "slices"

// What Meta's products call things. Everything that this package knows about
// a single product stands in this file; the code beside it only follows the
// tables.

const (
	objectWhatsApp  = "whatsapp_business_account"
	objectInstagram = "instagram"
	objectThreads   = "threads"
	objectUnknown   = "unknown"
)

// What no member of a notification names, as literals like what one names.
var (
	threadsLiteral = quoted(objectThreads)
	unknownLiteral = quoted(objectUnknown)
)

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
	errorsKind     = firstArrayKind + kind(slices.Index(whatsAppArrays, whatsAppErrors))
)

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

// words are the kinds, and those objects and fields that come often, by their
// literals.
var words = func() map[string]string {
	words := make(map[string]string)
	for _, word := range []string{
		objectWhatsApp, objectInstagram, objectThreads, objectUnknown, "page", "user",
		"feed", "mention", "leadgen", "ratings", "comments", "live_comments", "mentions", "story_insights", "replies",
	} {
		words[string(quoted(word))] = word
	}
	for _, l := range kindLiterals[kindUnrecognized:] {
		words[string(l)] = string(l.text())
	}
	return words
}()

// quoted makes a literal of a string that needs no escapes.
func quoted(s string) literal { return literal(`"` + s + `"`) }

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
	{"referral", "messaging_referrals"},
	{"account_linking", "messaging_account_linking"},
	{"pass_thread_control", "messaging_handovers"},
	{"take_thread_control", "messaging_handovers"},
	{"request_thread_control", "messaging_handovers"},
	{"app_roles", "messaging_handovers"},
	{"policy-enforcement", "messaging_policy_enforcement"},
	{"payment", "messaging_payments"},
	{"pre_checkout", "messaging_pre_checkouts"},
	{"checkout_update", "messaging_checkout_updates"},
	{"game_play", "messaging_game_plays"},
	{"messaging_feedback", "messaging_feedback"},
}

// whatsAppArrays are the lists in the value of a WhatsApp change that give an
// event for each element. errors is one only where it stands alone; beside
// one of the others it describes that one.
var whatsAppArrays = []string{
	"messages", "statuses", whatsAppErrors, "calls", "groups",
	"message_echoes", "state_sync", "user_preferences", "user_id_update",
}

const whatsAppErrors = "errors"

// A member is something in an update that the tables below speak of.
type member uint8

const (
	_ member = iota // where the tables do not speak of it

	timestamp // of an item, a value or an element

	senderID
	messageMID
	messageIsEcho
	messageIsDeleted
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

	valueID
	leadgenID
	commentID
	postID
	phoneNumberID

	elementID
	elementEvent
	elementStatus
	recipientID
	recipientUserID
	recipientParticipantID
	recipientParticipantUserID

	memberCount
)

// Where the members stand: in an item of messaging[] or standby[], in the
// value of a change, in an element of one of the whatsAppArrays.
var (
	itemMembers = map[string]member{
		"timestamp":             timestamp,
		"sender.id":             senderID,
		"message.mid":           messageMID,
		"message.is_echo":       messageIsEcho,
		"message.is_deleted":    messageIsDeleted,
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
	}
	valueMembers = map[string]member{
		"timestamp":                timestamp,
		"id":                       valueID,
		"leadgen_id":               leadgenID,
		"comment_id":               commentID,
		"post_id":                  postID,
		"metadata.phone_number_id": phoneNumberID,
	}
	elementMembers = map[string]member{
		"timestamp":                     timestamp,
		"id":                            elementID,
		"event":                         elementEvent,
		"status":                        elementStatus,
		"recipient_id":                  recipientID,
		"recipient_user_id":             recipientUserID,
		"recipient_participant_id":      recipientParticipantID,
		"recipient_participant_user_id": recipientParticipantUserID,
	}
)

// A naturalKey tells an update of one kind from all others of its object,
// entry and kind, however often and whenever Meta sends it. It counts where
// all of must are there; a missing one of may is a value like any other. What
// no natural key fits is told apart by its data and its entry's time, because
// to deliver an update twice is better than to take it for another.
type naturalKey struct {
	kind      string
	object    string // only in notifications of this object; empty: in any
	must, may []member
}

var (
	itemKeys = []naturalKey{
		{kind: "messages", must: []member{messageMID}, may: []member{messageIsDeleted}}, // an unsend reuses the mid
		{kind: "message_echoes", must: []member{messageMID}, may: []member{messageIsDeleted}},
		{kind: "standby", must: []member{messageMID}, may: []member{messageIsDeleted, messageIsEcho}},
		{kind: "message_edits", must: []member{editMID, editNumber}},
		{kind: "message_reactions", must: []member{reactionMID, senderID, reactionAction, timestamp}, may: []member{reactionEmoji}},
		{kind: "messaging_postbacks", must: []member{postbackMID}},
		{kind: "messaging_postbacks", must: []member{senderID, timestamp, postbackPayload}},
		{kind: "message_deliveries", must: []member{senderID, deliveryWatermark}, may: []member{deliveryMIDs}},
		{kind: "message_reads", must: []member{senderID, readWatermark}, may: []member{readMID}},
		{kind: "message_reads", must: []member{senderID, readMID}},
	}
	valueKeys = []naturalKey{
		{kind: "leadgen", must: []member{leadgenID}},
		{kind: "comments", object: objectInstagram, must: []member{valueID}},
		{kind: "live_comments", object: objectInstagram, must: []member{valueID}},
	}
	// The value's phone_number_id is a part of each of these. The status of a
	// message to a group is about one participant of it.
	elementKeys = []naturalKey{
		{kind: "messages", must: []member{elementID}},
		{kind: "message_echoes", must: []member{elementID}},
		{kind: "statuses", must: []member{elementID, elementStatus, timestamp, recipientID}, may: participant},
		{kind: "statuses", must: []member{elementID, elementStatus, timestamp, recipientUserID}, may: participant},
		{kind: "calls", must: []member{elementID, elementEvent}},
		{kind: "calls", must: []member{elementID, elementStatus}},
	}
)

var participant = []member{recipientUserID, recipientParticipantID, recipientParticipantUserID}

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

// The update's own id, for the subject of its event: the first one there is.
var (
	itemSubjects    = []member{messageMID, editMID, postbackMID}
	valueSubjects   = []member{leadgenID, commentID, postID, valueID}
	elementSubjects = []member{elementID}
)
