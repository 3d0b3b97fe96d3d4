package event_test

import (
	"fmt"
	"slices"
)

// A listed is an array of a WhatsApp value whose elements are updates.
type listed struct {
	path []string // of member names
	list *tree
}

func (l listed) name() string { return l.path[len(l.path)-1] }

// splitArrays returns the arrays of WhatsApp's value whose elements are
// updates.
func splitArrays(object string, value *tree) (all []listed) {
	if object != "whatsapp_business_account" {
		return nil
	}
	all = splitArraysOf(value)
	for _, l := range splitArraysOf(value.get("standby")) {
		if l.name() != "errors" {
			all = append(all, listed{append([]string{"standby"}, l.path...), l.list})
		}
	}
	// in the order in which they stand in the value
	slices.SortStableFunc(all, func(a, b listed) int { return value.index(a.path[0]) - value.index(b.path[0]) })
	if len(all) > 1 {
		all = slices.DeleteFunc(all, func(l listed) bool { return l.name() == "errors" })
	}
	return all
}

func splitArraysOf(value *tree) (all []listed) {
	if !value.isObject() {
		return nil
	}
	for i, literal := range value.names {
		name, list := unquoted(literal), value.values[i]
		switch name {
		case "messages", "statuses", "errors", "calls", "groups", "message_echoes", "state_sync", "user_preferences",
			"user_id_update", "automatic_events", "user_actions":
			if list.isList() && len(list.values) > 0 && !slices.ContainsFunc(list.values, func(e *tree) bool { return !e.isObject() }) {
				all = append(all, listed{[]string{name}, list})
			}
		}
	}
	return all
}

func (t *tree) index(name string) int {
	return slices.IndexFunc(t.names, func(literal string) bool { return unquoted(literal) == name })
}

// referenceElements makes the events of the elements of the arrays.
func referenceElements(from told, value *tree, arrays []listed) (all []told) {
	for _, l := range arrays {
		for _, element := range l.list.values {
			all = append(all, referenceElement(from, value, l, arrays, element))
		}
	}
	return all
}

func referenceElement(from told, value *tree, of listed, arrays []listed, e *tree) told {
	from.kind, from.data = of.name(), reduced(value, nil, of, arrays, e).compact()
	if len(of.path) > 1 {
		from.kind = "standby"
	}
	from.subject, from.itsTime = first(e, "id").text(), first(e, "timestamp")
	if of.name() != "statuses" && from.itsTime == nil {
		from.itsTime = first(e, "metadata.timestamp")
	}
	if of.name() != "statuses" && from.subject == "" {
		from.subject = first(e, "marketing_messages_link_click_data.click_id").text()
	}
	if own := referenceTime(from.itsTime); own != "" {
		from.time = own
	}
	phone := value.get("metadata", "phone_number_id")
	if key := elementKey(of.name(), e); key != nil && present(phone) {
		from.key = append([]string{of.name(), said(phone)}, key...)
	}
	// What tells it apart otherwise: itself, and what is beside the arrays.
	rest := reduced(value, nil, listed{}, arrays, nil).without("contacts")
	from.essence = fmt.Sprintf("%s %s %s", of.name(), rest.compact(), e.compact())
	if present(phone) {
		from.sides = between(phone, customerOfElement(of.name(), e), "/")
	}
	return from
}

// reduced returns a value with one of the arrays in it reduced to an element,
// and without the others.
func reduced(value *tree, above []string, keep listed, arrays []listed, e *tree) *tree {
	short := &tree{open: '{'}
	for i, literal := range value.names {
		path, member := append(slices.Clone(above), unquoted(literal)), value.values[i]
		is := func(l listed) bool { return slices.Equal(l.path, path) }
		switch {
		case is(keep):
			member = &tree{open: '[', values: []*tree{e}}
		case slices.ContainsFunc(arrays, is):
			continue
		case len(path) == 1 && path[0] == "standby" && member.isObject():
			member = reduced(member, path, keep, arrays, e)
		}
		short.names = append(short.names, literal)
		short.values = append(short.values, member)
	}
	return short
}

// elementKey returns the natural key of an element beside the phone number, or
// nil.
func elementKey(array string, e *tree) (key []string) {
	switch array {
	case "messages", "message_echoes":
		return whole(e.get("id"))
	case "calls":
		return callKey(e)
	case "statuses":
		participant := []*tree{
			e.get("recipient_user_id"), e.get("recipient_participant_id"), e.get("recipient_participant_user_id"),
		}
		if key = whole(e.get("id"), e.get("status"), e.get("timestamp"), e.get("recipient_id")); key == nil {
			key = whole(e.get("id"), e.get("status"), e.get("timestamp"), e.get("recipient_user_id"))
		}
		key = with(key, participant...)
		known := []string{
			"id", "status", "timestamp", "recipient_id", "recipient_user_id", "recipient_participant_id",
			"recipient_participant_user_id", "type", "conversation", "pricing", "errors", "biz_opaque_callback_data",
			"recipient_type", "parent_recipient_user_id", "recipient_parent_user_id", "recipient_participant_parent_user_id",
		}
		if key != nil && len(e.without(known...).names) > 0 {
			key = append(key, e.compact())
		}
	}
	return key
}

func callKey(e *tree) []string {
	state := []*tree{e.get("status"), e.get("call_status"), e.get("session", "version")}
	if key := whole(e.get("id"), e.get("event")); key != nil {
		return append(with(key, state...), "by event")
	}
	return with(whole(e.get("id"), e.get("status")), state...)
}

// customerOfElement returns whom an element is about, or nil.
func customerOfElement(array string, e *tree) *tree {
	switch array {
	case "messages":
		return first(e, "group_id", "from", "from_user_id")
	case "statuses":
		return first(e, "recipient_id", "recipient_user_id")
	case "message_echoes":
		return first(e, "group_id", "to", "to_user_id")
	case "groups":
		return first(e, "group_id")
	case "calls":
		if e.get("direction").text() == "BUSINESS_INITIATED" {
			return first(e, "group_id", "to", "to_user_id")
		}
		return first(e, "group_id", "from", "from_user_id")
	case "user_preferences":
		return first(e, "wa_id", "user_id")
	case "user_id_update":
		return first(e, "wa_id", "user_id.current")
	case "user_actions", "automatic_events":
		return first(e, "wa_id", "from", "from_user_id", "user_id")
	}
	return nil
}
