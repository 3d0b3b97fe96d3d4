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

// reference returns what the events of a notification say. Data is compact.
func reference(root *tree) (all []summary) {
	notifications := []*tree{root}
	if root.isList() {
		notifications = root.values
	}
	for _, n := range notifications {
		all = append(all, referenceNotification(n)...)
	}
	return all
}

func referenceNotification(n *tree) (all []summary) {
	from := summary{object: "unknown"}
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
		return referenceEntry(from, entries)
	case (values.isList() || values.isObject()) && n.get("target_id").text() != "":
		from = summary{object: "threads", entry: n.get("target_id").text(), time: referenceTime(n.get("time"))}
		list := []*tree{values}
		if values.isList() {
			list = values.values
		}
		for _, v := range list {
			all = append(all, referenceChange(from, v)...)
		}
	default:
		return []summary{unrecognized(from, n)}
	}
	return all
}

func referenceEntry(from summary, e *tree) (all []summary) {
	if !e.isObject() {
		return []summary{unrecognized(from, e)}
	}
	from.entry, from.uid, from.time = e.get("id").text(), e.get("uid").text(), referenceTime(e.get("time"))
	known := false
	for i, name := range e.names {
		var read func(from summary, update *tree) []summary
		switch unquoted(name) {
		case "changes":
			read = referenceChange
		case "changed_fields":
			read = referenceChangedField
		case "messaging":
			read = referenceItem
		case "standby":
			read = referenceStandby
		default:
			continue
		}
		if list := e.values[i]; !list.isList() {
			all = append(all, unrecognized(from, list))
		} else {
			known = true
			for _, update := range list.values {
				all = append(all, read(from, update)...)
			}
		}
	}
	if field, value := e.get("field"), e.get("value"); field.isName() && value != nil {
		known = true
		all = append(all, referenceUpdate(from, field, value, value)...)
	}
	if !known {
		return []summary{unrecognized(from, e)}
	}
	return all
}

func unrecognized(from summary, data *tree) summary {
	from.kind, from.data = "unrecognized", data.compact()
	return from
}

func referenceChange(from summary, change *tree) []summary {
	if !change.isObject() {
		return []summary{unrecognized(from, change)}
	}
	field, value := change.get("field"), change.get("value")
	data := value
	if others := change.without("field", "value"); len(others.names) > 0 {
		data = change.without("field")
	}
	return referenceUpdate(from, field, value, data)
}

func referenceUpdate(from summary, field, value, data *tree) (all []summary) {
	from.field, from.kind = field.text(), field.text()
	if !field.isName() {
		from.kind = "unrecognized"
	}
	if split := splitArrays(from.object, value); field.isName() && len(split) > 0 {
		for i, name := range value.names {
			if slices.Contains(split, unquoted(name)) {
				for _, element := range value.values[i].values {
					all = append(all, referenceElement(from, value, i, split, element))
				}
			}
		}
		return all
	}
	from.subject = first(value, []string{"leadgen_id"}, []string{"comment_id"}, []string{"post_id"}, []string{"id"})
	if own := referenceTime(value.get("timestamp")); own != "" {
		from.time = own
	}
	if data != nil {
		from.data = data.compact()
	}
	return []summary{from}
}

// splitArrays names the arrays of WhatsApp's value whose elements are updates.
func splitArrays(object string, value *tree) (names []string) {
	if object != "whatsapp_business_account" || !value.isObject() {
		return nil
	}
	for i, literal := range value.names {
		name, list := unquoted(literal), value.values[i]
		switch name {
		case "messages", "statuses", "errors", "calls", "groups", "message_echoes", "state_sync", "user_preferences", "user_id_update":
			if list.isList() && len(list.values) > 0 && !slices.ContainsFunc(list.values, func(e *tree) bool { return !e.isObject() }) {
				names = append(names, name)
			}
		}
	}
	if len(names) > 1 {
		names = slices.DeleteFunc(names, func(name string) bool { return name == "errors" })
	}
	return names
}

// referenceElement makes the event of one element of the array that is the
// value's member at the index.
func referenceElement(from summary, value *tree, at int, split []string, element *tree) summary {
	reduced := &tree{open: '{'}
	for i, name := range value.names {
		switch {
		case i == at:
			reduced.names = append(reduced.names, name)
			reduced.values = append(reduced.values, &tree{open: '[', values: []*tree{element}})
		case !slices.Contains(split, unquoted(name)):
			reduced.names = append(reduced.names, name)
			reduced.values = append(reduced.values, value.values[i])
		}
	}
	from.kind, from.subject, from.data = unquoted(value.names[at]), element.get("id").text(), reduced.compact()
	if own := referenceTime(element.get("timestamp")); own != "" {
		from.time = own
	}
	return from
}

func referenceChangedField(from summary, name *tree) []summary {
	if !name.isName() {
		return []summary{unrecognized(from, name)}
	}
	from.kind, from.field = name.text(), name.text()
	return []summary{from}
}

func referenceStandby(from summary, item *tree) []summary {
	all := referenceItem(from, item)
	if item.isObject() {
		all[0].kind, all[0].field = "standby", "standby"
	}
	return all
}

func referenceItem(from summary, item *tree) []summary {
	if !item.isObject() {
		return []summary{unrecognized(from, item)}
	}
	from.kind = "messaging"
	for _, k := range [][2]string{
		{"message", "messages"},
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
	} {
		if item.get(k[0]) != nil {
			from.kind = k[1]
			break
		}
	}
	if echo := item.get("message", "is_echo"); echo != nil && echo.scalar == "true" {
		from.kind = "message_echoes"
	}
	from.field, from.data = from.kind, item.compact()
	from.subject = first(item, []string{"message", "mid"}, []string{"message_edit", "mid"}, []string{"postback", "mid"})
	if own := referenceTime(item.get("timestamp")); own != "" {
		from.time = own
	}
	return []summary{from}
}

// first returns the first text at one of the paths.
func first(t *tree, paths ...[]string) string {
	for _, path := range paths {
		if text := t.get(path...).text(); text != "" {
			return text
		}
	}
	return ""
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
