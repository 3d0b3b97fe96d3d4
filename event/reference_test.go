package event_test

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// This file says once more, slowly and plainly, what events a notification
// holds. It builds a tree of the whole notification first and then walks it.

// A tree is a JSON value with its members in order and its literals as they
// are written.
type tree struct {
	open   byte     // '{', '[', or 0 for what is neither
	scalar string   // the literal of what is neither
	names  []string // of an object's members, as literals
	values []*tree  // of an object's members or a list's elements
}

// readDocument reads exactly one JSON text.
func readDocument(body []byte) (*tree, error) {
	dec := jsontext.NewDecoder(bytes.NewReader(body), jsontext.AllowInvalidUTF8(true))
	root, err := readTree(dec)
	if err != nil {
		return nil, err
	}
	if _, err := dec.ReadToken(); err != io.EOF {
		return nil, errors.New("something behind the value")
	}
	return root, nil
}

func readTree(dec *jsontext.Decoder) (*tree, error) {
	open := dec.PeekKind()
	if open != '{' && open != '[' {
		literal, err := dec.ReadValue()
		return &tree{scalar: string(literal)}, err
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, err
	}
	t := &tree{open: byte(open)}
	for {
		if k := dec.PeekKind(); k == '}' || k == ']' {
			_, err := dec.ReadToken()
			return t, err
		}
		if open == '{' {
			name, err := dec.ReadValue()
			if err != nil {
				return nil, err
			}
			t.names = append(t.names, string(name))
		}
		value, err := readTree(dec)
		if err != nil {
			return nil, err
		}
		t.values = append(t.values, value)
	}
}

// compact writes the value without white space.
func (t *tree) compact() string {
	var b strings.Builder
	t.write(&b)
	return b.String()
}

func (t *tree) write(b *strings.Builder) {
	if t.open == 0 {
		b.WriteString(t.scalar)
		return
	}
	b.WriteByte(t.open)
	for i, value := range t.values {
		if i > 0 {
			b.WriteByte(',')
		}
		if t.open == '{' {
			b.WriteString(t.names[i] + ":")
		}
		value.write(b)
	}
	b.WriteByte(t.open + 2) // ] and } stand two behind [ and {
}

// get returns what stands at the path, or nil.
func (t *tree) get(path ...string) *tree {
	for _, name := range path {
		if name == "0" && t.isList() && len(t.values) > 0 {
			t = t.values[0]
			continue
		}
		if t == nil || t.open != '{' {
			return nil
		}
		i := slices.IndexFunc(t.names, func(literal string) bool { return unquoted(literal) == name })
		if i < 0 {
			return nil
		}
		t = t.values[i]
	}
	return t
}

// without returns an object without some of its members.
func (t *tree) without(drop ...string) *tree {
	kept := &tree{open: '{'}
	for i, name := range t.names {
		if !slices.Contains(drop, unquoted(name)) {
			kept.names = append(kept.names, name)
			kept.values = append(kept.values, t.values[i])
		}
	}
	return kept
}

// text returns what a string or a number says, and nothing for all else.
func (t *tree) text() string {
	switch {
	case t == nil || t.open != 0 || strings.Contains("tfn", t.scalar[:1]):
		return ""
	case t.scalar[0] == '"':
		return unquoted(t.scalar)
	}
	return t.scalar
}

func (t *tree) isString() bool { return t != nil && t.open == 0 && t.scalar[0] == '"' }

func (t *tree) isName() bool { return t.isString() && t.scalar != `""` }

func (t *tree) isObject() bool { return t != nil && t.open == '{' }

func (t *tree) isList() bool { return t != nil && t.open == '[' }

func unquoted(literal string) string {
	text, err := jsontext.AppendUnquote(nil, literal)
	if err != nil { // half a surrogate pair
		return literal[1 : len(literal)-1]
	}
	return string(text)
}

// A told is what an event says, and what makes its identity and conversation.
type told struct {
	summary
	identity
	sides
}

// reference returns what the events of a notification say. Data is compact.
func reference(root *tree) (all []told) {
	notifications := []*tree{root}
	if root.isList() {
		notifications = root.values
	}
	for _, n := range notifications {
		all = append(all, referenceNotification(n)...)
	}
	return all
}

// summaries returns what the events say, without their identity.
func summaries(all []told) (s []summary) {
	for _, t := range all {
		s = append(s, t.summary)
	}
	return s
}

func referenceNotification(n *tree) (all []told) {
	from := told{summary: summary{object: "unknown"}}
	if object := n.get("object"); object.isName() {
		from.object = object.text()
	}
	entries, values := n.get("entry"), n.get("values")
	switch {
	case entries.isList():
		for _, e := range entries.values {
			all = append(all, referenceEntry(from, e)...)
		}
	case entries.isObject():
		all = referenceEntry(from, entries)
	case (values.isList() || values.isObject()) && n.get("target_id").text() != "":
		from = told{
			summary:  summary{object: "threads", entry: n.get("target_id").text(), time: referenceTime(n.get("time"))},
			identity: identity{origin: n.get("target_id"), sent: n.get("time")},
		}
		list := []*tree{values}
		if values.isList() {
			list = values.values
		}
		for _, v := range list {
			all = append(all, referenceChange(from, v)...)
		}
		return append(all, leftOver(from, n.without(
			"object", "app_id", "topic", "target_id", "time", "subscription_id", "has_uid_field", "values"))...)
	default:
		return []told{unrecognized(from, n)}
	}
	return append(all, leftOver(from, n.without("object", "entry"))...)
}

// leftOver returns the event of what no other event holds.
func leftOver(from told, rest *tree) []told {
	if len(rest.names) == 0 {
		return nil
	}
	return []told{unrecognized(from, rest)}
}

func unrecognized(from told, data *tree) told {
	from.kind, from.data = "unrecognized", data.compact()
	return from
}

func referenceEntry(from told, e *tree) (all []told) {
	if !e.isObject() {
		return []told{unrecognized(from, e)}
	}
	from.entry, from.uid, from.time = e.get("id").text(), e.get("uid").text(), referenceTime(e.get("time"))
	from.origin, from.sent = e.get("id"), e.get("time")
	if from.entry == "" && from.uid != "" {
		from.origin = e.get("uid")
	}
	known, recognized := []string{"id", "uid", "time"}, false
	for i, literal := range e.names {
		read, list := listReaders[unquoted(literal)], e.values[i]
		if read == nil || !list.isList() {
			continue
		}
		recognized = true
		known = append(known, unquoted(literal))
		for _, update := range list.values {
			all = append(all, read(from, update)...)
		}
	}
	if e.get("field").isName() && e.get("value") != nil {
		recognized = true
		known = append(known, "field", "value")
		flat := &tree{open: '{', names: []string{`"field"`, `"value"`}, values: []*tree{e.get("field"), e.get("value")}}
		all = append(all, referenceChange(from, flat)...)
	}
	if !recognized {
		return []told{unrecognized(from, e)}
	}
	return append(all, leftOver(from, e.without(known...))...)
}

var listReaders map[string]func(from told, update *tree) []told

func init() {
	listReaders = map[string]func(from told, update *tree) []told{
		"changes": referenceChange, "changed_fields": referenceChangedField,
		"messaging": referenceItem, "standby": referenceStandby, "calls": referenceCall,
	}
}

func referenceChange(from told, change *tree) (all []told) {
	if !change.isObject() {
		return []told{unrecognized(from, change)}
	}
	field, value, others := change.get("field"), change.get("value"), change.without("field", "value")
	from.field, from.kind, from.fieldIs = field.text(), field.text(), field
	if !field.isName() {
		from.kind = "unrecognized"
	} else if places := splitArrays(from.object, value); len(places) > 0 {
		all = referenceElements(from, value, places)
		return append(all, leftOver(from, others)...)
	}
	if len(others.names) > 0 {
		from.data = change.without("field").compact()
	} else if value != nil {
		from.data = value.compact()
	}
	verb := value.get("verb")
	if verb == nil {
		verb = change.get("verb")
	}
	from.once = verb == nil || verb.text() == "add" || verb.text() == "remove"
	from.itsTime = changeTime(value, from.once)
	if at := referenceTime(from.itsTime); at != "" {
		from.time = at
	}
	from.subject = first(value, "leadgen_id", "comment_id", "post_id", "id", "certificate_id").text()
	switch {
	case from.kind == "unrecognized":
	case from.object == "whatsapp_business_account":
		_, from.ownID = fieldKey(from, value)
		if phone := first(value, "recipient.phone_number_id"); phone != nil {
			from.sides = between(phone, first(value, "sender.phone_number", "sender.user_id", "sender.id"), "/")
		}
	case slices.Contains(conversationFields, from.field):
		if mid := first(value, "message.mid", "message_edit.mid", "postback.mid"); mid != nil {
			from.subject = mid.text()
		}
		from.key = itemKey(contentOf(value), value)
		from.sides = itemSides(from.origin, value)
	default:
		from.key, from.ownID = fieldKey(from, value)
		from.sides = aboutSides(from, value)
	}
	return []told{from}
}

// changeTime returns when a change says that it happened.
func changeTime(value *tree, once bool) *tree {
	for _, path := range []string{
		"deleted_at", "timestamp", "created_time", "time", "event_time", "updated_timestamp", "volume_tier_info.tier_update_time",
	} {
		if at := first(value, path); at != nil {
			if path == "created_time" && !once {
				return nil
			}
			return at
		}
	}
	return nil
}

func referenceChangedField(from told, name *tree) []told {
	if !name.isName() {
		return []told{unrecognized(from, name)}
	}
	from.kind, from.field, from.fieldIs = name.text(), name.text(), name
	return []told{from}
}

func referenceItem(from told, item *tree) []told { return referenceItemOf(from, item, contentOf(item)) }

func referenceStandby(from told, item *tree) []told { return referenceItemOf(from, item, "standby") }

func referenceItemOf(from told, item *tree, kind string) []told {
	if !item.isObject() {
		return []told{unrecognized(from, item)}
	}
	from.kind, from.field, from.data = kind, kind, item.compact()
	from.subject = first(item, "message.mid", "message_edit.mid", "postback.mid").text()
	from.itsTime = first(item, "timestamp")
	if own := referenceTime(from.itsTime); own != "" {
		from.time = own
	}
	from.key = itemKey(contentOf(item), item)
	from.sides = itemSides(from.origin, item)
	return []told{from}
}

// contentOf returns the kind of what an item holds.
func contentOf(item *tree) string {
	if echo := item.get("message", "is_echo"); echo != nil && echo.scalar == "true" {
		return "message_echoes"
	}
	for _, k := range [][2]string{
		{"message", "messages"},
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
		{"policy-enforcement", "messaging_policy_enforcement"},
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
		{"violations", "business_integrity"},
		{"restrictions", "business_integrity"},
		{"messenger_subscription_token", "marketing_message_delivery_failed"},
	} {
		if item.get(k[0]) != nil {
			return k[1]
		}
	}
	return "messaging"
}

func referenceCall(from told, call *tree) []told {
	if !call.isObject() {
		return []told{unrecognized(from, call)}
	}
	from.kind, from.field, from.data = "calls", "calls", call.compact()
	from.subject = first(call, "id", "marketing_messages_link_click_data.click_id").text()
	from.itsTime = first(call, "timestamp", "metadata.timestamp")
	if own := referenceTime(from.itsTime); own != "" {
		from.time = own
	}
	from.key = callKey(call)
	from.sides = customerOf(from.origin, first(call, "from"), first(call, "to", "recipient_id"), false)
	return []told{from}
}

// first returns the first of the values at the paths that says something, or
// nil. A 0 in a path is the first element of a list.
func first(t *tree, paths ...string) *tree {
	for _, path := range paths {
		if at := t.get(strings.Split(path, ".")...); at.text() != "" {
			return at
		}
	}
	return nil
}

var decimal = regexp.MustCompile(`^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$`)

func referenceTime(t *tree) string {
	text := t.text()
	var at time.Time
	if decimal.MatchString(text) {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || n < 0 || n >= 253402300800_000 {
			return ""
		}
		if n < 1e11 {
			n *= 1000
		}
		at = time.UnixMilli(int64(n))
	} else if iso, err := time.Parse(time.RFC3339, text); err == nil {
		at = iso
	} else if iso, err := time.Parse("2006-01-02T15:04:05-0700", text); err == nil {
		at = iso
	} else {
		return ""
	}
	if at = at.UTC(); at.Unix() < 0 || at.Year() > 9999 {
		return ""
	}
	return at.Format(time.RFC3339Nano)
}
