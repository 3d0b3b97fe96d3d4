package event_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// An identity is what tells an event from all others.
type identity struct {
	origin, fieldIs, sent *tree    // what the entry says whose it is, the field, when the entry was sent
	key                   []string // the natural key
	itsTime               *tree    // when the data say that it happened
	ownID                 bool     // the data name an id of their own
	once                  bool     // it can happen only once
	essence               string   // the data that only this update has, where they are not all
}

// A rule is how an event is told from others.
type rule string

const (
	byKey  rule = "key"
	byData rule = "data"
	byTime rule = "data and the entry's time"
	byNone rule = "data, and neither has a time"
)

func (t told) rule() rule {
	switch {
	case t.key != nil:
		return byKey
	case t.ownID || tells(t.itsTime):
		return byData
	case tells(t.sent):
		return byTime
	}
	return byNone
}

// whatTells returns all that makes the identity, but for how many equal ones
// came before in the notification.
func (t told) whatTells() string {
	essence := t.data
	if t.essence != "" {
		essence = t.essence
	}
	field := t.field
	if t.fieldIs != nil {
		field = said(t.fieldIs)
	}
	of := fmt.Sprintf("%q %q %q %q", t.object, said(t.origin), field, t.kind)
	switch r := t.rule(); r { //nolint:exhaustive // the others are counted
	case byKey:
		return fmt.Sprintf("%s %s %q", r, of, t.key)
	case byData:
		return fmt.Sprintf("%s %s %s", r, of, essence)
	default:
		return fmt.Sprintf("counted %s %q %s", of, said(t.sent), essence)
	}
}

// counted reports whether equal ones of a notification are told apart.
func (t told) counted() bool { return t.rule() == byTime || t.rule() == byNone }

func (t told) retention() event.Retention {
	switch {
	case t.origin.text() == "0":
		return event.RetainNever
	case t.rule() == byNone:
		return event.RetainBriefly
	}
	return event.RetainWindow
}

// tells reports whether something is a point in time. 0 is none.
func tells(t *tree) bool {
	at := referenceTime(t)
	return at != "" && !strings.HasPrefix(at, "1970-01-01T00:00:00")
}

// conversationFields are the fields whose value is an item.
var conversationFields = strings.Fields(`
	calls call_permission_reply call_settings_update marketing_message_delivery_failed message_context message_deliveries
	message_echoes message_edit message_edits message_reactions message_reads messages messaging_account_linking
	messaging_checkout_updates messaging_customer_information messaging_feedback messaging_game_plays messaging_handover
	messaging_handovers messaging_in_thread_lead_form_submit messaging_integrity messaging_optins messaging_optouts
	messaging_payments messaging_policy_enforcement messaging_postbacks messaging_pre_checkouts messaging_referral
	messaging_referrals messaging_seen response_feedback send_cart standby`)

// itemKey returns the natural key of an item that holds something, or nil.
func itemKey(content string, item *tree) (key []string) {
	switch content {
	case "messages", "message_echoes":
		m := item.get("message")
		key = with(whole(m.get("mid")), m.get("is_deleted"), m.get("num_edit"))
	case "message_edits":
		key = whole(item.get("message_edit", "mid"), item.get("message_edit", "num_edit"))
	case "messaging_postbacks":
		key = whole(item.get("postback", "mid"))
	}
	if key != nil {
		return append(key, content)
	}
	for _, by := range []string{"id", "user_ref"} {
		if key := itemKeyOf(content, item, item.get("sender", by)); key != nil {
			return append(key, content, by)
		}
	}
	return nil
}

// itemKeyOf returns the natural key that the sender is a part of, or nil.
func itemKeyOf(content string, item, sender *tree) []string {
	switch content {
	case "message_reactions":
		r := item.get("reaction")
		return with(whole(r.get("mid"), sender, r.get("action"), item.get("timestamp")), r.get("emoji"))
	case "messaging_postbacks":
		return whole(sender, item.get("timestamp"), item.get("postback", "payload"))
	case "message_deliveries":
		return with(whole(sender, item.get("delivery", "watermark")), item.get("delivery", "mids"))
	case "message_reads":
		r := item.get("read")
		if key := with(whole(sender, r.get("watermark")), r.get("mid"), r.get("mids")); key != nil {
			return key
		}
		return whole(sender, r.get("mid")) // Instagram's
	}
	return nil
}

// fieldKey returns the natural key of a change that is no item, or nil, and
// whether its value names an id of its own.
func fieldKey(from told, value *tree) (key []string, ownID bool) {
	item := value.get("item")
	names := func(id string) bool {
		return first(value, id) != nil && from.once && (item == nil || item.text() == "comment")
	}
	switch from.object + " " + from.field {
	case "instagram comments", "instagram live_comments":
		return whole(value.get("id")), false
	case "instagram mentions":
		return nil, names("comment_id")
	case "instagram story_insights":
		return nil, names("media_id")
	case "certificate_transparency certificate":
		return nil, names("certificate_id")
	case "certificate_transparency phishing":
		return nil, names("ct_cert.id")
	case "whatsapp_business_account history":
		return nil, names("history.0.threads.0.messages.0.id")
	}
	switch from.field {
	case "leadgen":
		return whole(value.get("leadgen_id")), false
	case "feed", "group_feed", "mention", "ratings":
		return nil, names("comment_id")
	}
	return nil, from.object == "threads" && names("id")
}

// Sides are those of a conversation. Without the other one it is about the
// object and the entry.
type sides struct {
	one, other *tree
	separator  string
}

func between(one, other *tree, separator string) sides {
	if other == nil {
		return sides{}
	}
	return sides{one, other, separator}
}

// itemSides returns the sides of an item, or of the value of a messaging
// field.
func itemSides(origin, item *tree) sides {
	echo := item.get("message", "is_echo")
	to := item.get("recipient")
	if to.isObject() {
		to = first(to, "id", "user_ref")
	} else if to.text() == "" {
		to = nil
	}
	return customerOf(origin, first(item, "sender.id", "sender.user_ref", "optin.user_ref"), to, echo != nil && echo.scalar == "true")
}

// customerOf returns the conversation of an entry with who is not the entry.
func customerOf(origin, from, to *tree, echo bool) sides {
	isEntry := func(t *tree) bool { return t.text() != "" && t.text() == origin.text() }
	customer := from
	switch {
	case from == nil, isEntry(from), echo && to != nil && !isEntry(to):
		customer = to
	}
	if customer != nil && isEntry(customer) && (from == nil || isEntry(from)) {
		customer = nil
	}
	return between(origin, customer, "/")
}

// aboutSides returns the conversation of comments.
func aboutSides(from told, value *tree) sides {
	switch from.field {
	case "feed", "group_feed", "mention", "ratings":
		return between(from.origin, first(value, "post_id"), "#")
	case "comments", "live_comments", "mentions":
		if from.object == "instagram" {
			return between(from.origin, first(value, "media.id", "media_id"), "#")
		}
	}
	return sides{}
}

func (t told) conversation() string {
	if t.other == nil {
		return encodeSide(t.object) + ":" + encodeSide(t.origin.text())
	}
	return encodeSide(t.one.text()) + t.separator + encodeSide(t.other.text())
}

func encodeSide(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		if strings.IndexByte("-._~@=+", c) >= 0 || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// present reports whether a value can tell one update from another.
func present(t *tree) bool { return t != nil && t.scalar != "null" && t.scalar != `""` }

// whole returns what the parts of a key say, or nil unless all are there.
func whole(parts ...*tree) (key []string) {
	if slices.ContainsFunc(parts, func(t *tree) bool { return !present(t) }) {
		return nil
	}
	for _, part := range parts {
		key = append(key, said(part))
	}
	return key
}

// with adds parts that may be missing to a key.
func with(key []string, parts ...*tree) []string {
	if key == nil {
		return nil
	}
	for _, part := range parts {
		if part == nil {
			key = append(key, "missing")
		} else {
			key = append(key, "is "+said(part))
		}
	}
	return key
}

// said returns the text of a string or a number, and all else as it is.
func said(t *tree) string {
	switch {
	case t == nil:
		return "missing"
	case t.isString() || t.text() != "":
		return t.text()
	}
	return t.compact()
}
