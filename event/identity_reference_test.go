package event_test

import "fmt"

// referenceKey says once more what makes an update's identity: its object,
// entry and kind, and its natural key or else its data and when the entry was
// sent. How many of the latter there are in a notification is for the caller.
func referenceKey(s summary, sent string) string {
	origin := s.entry
	if origin == "" {
		origin = s.uid
	}
	if key := naturalKeyOf(s); key != nil {
		return fmt.Sprintf("key %q %q %q %q", s.object, origin, s.kind, key)
	}
	return fmt.Sprintf("data %q %q %q %q %q", s.object, origin, s.kind, sent, s.data)
}

// entryTime returns when the only entry of a notification was sent.
func entryTime(n *tree) string {
	switch entry := n.get("entry"); {
	case entry.isList():
		return said(entry.values[0].get("time"))
	case entry.isObject():
		return said(entry.get("time"))
	case n.get("target_id").text() != "" && (n.get("values").isList() || n.get("values").isObject()):
		return said(n.get("time"))
	}
	return said(nil)
}

// naturalKeyOf finds the natural key in an event's data, or nil if a part of
// it is missing.
func naturalKeyOf(s summary) []string {
	if s.data == "" {
		return nil
	}
	data, err := readDocument([]byte(s.data))
	if err != nil {
		return nil
	}
	if list := data.get(s.kind); s.object == "whatsapp_business_account" && list.isList() && len(list.values) == 1 && list.values[0].isObject() {
		phone, e := data.get("metadata", "phone_number_id"), list.values[0]
		switch s.kind {
		case "messages", "message_echoes":
			return whole(phone, e.get("id"))
		case "statuses":
			key := whole(phone, e.get("id"), e.get("status"), e.get("timestamp"), e.get("recipient_id"))
			return with(key, e.get("recipient_participant_id"))
		case "calls":
			if key := whole(phone, e.get("id"), e.get("event")); key != nil {
				return key
			}
			return whole(phone, e.get("id"), e.get("status"))
		}
		return nil
	}
	sender := data.get("sender", "id")
	value := data
	if inner := data.get("value"); inner != nil { // an old verb change
		value = inner
	}
	switch s.kind {
	case "messages", "message_echoes":
		return with(whole(data.get("message", "mid")), data.get("message", "is_deleted"))
	case "standby":
		return with(whole(data.get("message", "mid")), data.get("message", "is_deleted"), data.get("message", "is_echo"))
	case "message_edits":
		return whole(data.get("message_edit", "mid"), data.get("message_edit", "num_edit"))
	case "message_reactions":
		r := data.get("reaction")
		return with(whole(r.get("mid"), sender, r.get("action"), data.get("timestamp")), r.get("emoji"))
	case "messaging_postbacks":
		if key := whole(data.get("postback", "mid")); key != nil {
			return key
		}
		return whole(sender, data.get("timestamp"), data.get("postback", "payload"))
	case "message_deliveries":
		return with(whole(sender, data.get("delivery", "watermark")), data.get("delivery", "mids"))
	case "message_reads":
		if key := whole(sender, data.get("read", "watermark")); key != nil {
			return with(key, data.get("read", "mid"))
		}
		return whole(sender, data.get("read", "mid"))
	case "leadgen":
		return whole(value.get("leadgen_id"))
	case "comments", "live_comments":
		if s.object == "instagram" {
			return whole(value.get("id"))
		}
	}
	return nil
}

// whole returns what the parts of a key say, or nil unless all are there.
func whole(parts ...*tree) (key []string) {
	for _, part := range parts {
		if part == nil || part.scalar == "null" || part.scalar == `""` {
			return nil
		}
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
