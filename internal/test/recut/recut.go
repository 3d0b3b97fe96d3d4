// Package recut makes random updates for tests, and notifications that hold them
// cut, merged and stamped in every way in which Meta may send them.
package recut

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// An Update is an update of an entry, in whatever notification it comes.
type Update struct {
	object, entry string
	list          string // changes, messaging, standby or values
	field         string // of a change
	phone, array  string // of a WhatsApp element
	json          string // an item, a value or an element
	stamped       bool   // its entry's time is a part of what it is
}

// Random makes an update that is like no other: n is in it. Few pages,
// numbers and customers make for many updates of one conversation.
func Random(r *rand.Rand, n int) Update {
	page, customer, at := fmt.Sprint(900+r.IntN(2)), fmt.Sprint(70+r.IntN(3)), fmt.Sprint(1790000000000+n)
	second := fmt.Sprint(1790000000 + n)
	item := func(holds string) string {
		return fmt.Sprintf(`{"sender":{"id":%q},"recipient":{"id":%q},"timestamp":%s,%s}`, customer, page, at, holds)
	}
	whatsApp := func(field, array, element string) Update {
		return Update{
			object: "whatsapp_business_account", entry: "w" + page, list: "changes", field: field,
			phone: fmt.Sprint(55 + r.IntN(2)), array: array, json: fmt.Sprintf(`{"timestamp":%q,%s}`, second, element),
		}
	}
	switch r.IntN(18) {
	case 0:
		return Update{object: "page", entry: page, list: "messaging", json: item(fmt.Sprintf(`"message":{"mid":"m%d"}`, n))}
	case 1:
		echo := fmt.Sprintf(`{"sender":{"id":%q},"recipient":{"id":%q},"timestamp":%s,"message":{"mid":"m%d","is_echo":true}}`, page, customer, at, n)
		return Update{object: "page", entry: page, list: "messaging", json: echo}
	case 2:
		return Update{object: "page", entry: page, list: "messaging", json: item(fmt.Sprintf(`"read":{"watermark":%d}`, n))}
	case 3:
		return Update{object: "page", entry: page, list: "messaging", json: item(`"referral":{"ref":"r"}`)}
	case 4:
		return Update{object: "page", entry: page, list: "standby", json: item(fmt.Sprintf(`"message":{"mid":"s%d"}`, n))}
	case 5:
		return Update{object: "page", entry: page, list: "changes", field: "feed", json: fmt.Sprintf(`{"item":"comment","verb":"add","post_id":"1_%d","comment_id":"c%d"}`, r.IntN(2), n)}
	case 6:
		return Update{object: "page", entry: page, list: "changes", field: "feed", json: fmt.Sprintf(`{"item":"like","verb":"add","post_id":"1_2","created_time":%s}`, second)}
	case 7:
		return Update{object: "page", entry: page, list: "changes", field: "feed", json: fmt.Sprintf(`{"item":"post","verb":"edited","post_id":"1_2","message":"%d"}`, n), stamped: true}
	case 8:
		return Update{object: "page", entry: page, list: "changes", field: "leadgen", json: fmt.Sprintf(`{"leadgen_id":"%d"}`, n)}
	case 9:
		return Update{object: "instagram", entry: "i" + page, list: "changes", field: "comments", json: fmt.Sprintf(`{"id":"%d","media":{"id":"p"}}`, n)}
	case 10:
		return Update{object: "instagram", entry: "i" + page, list: "changes", field: "messages", json: item(fmt.Sprintf(`"message":{"mid":"i%d"}`, n))}
	case 11:
		return Update{object: "threads", entry: "t" + page, list: "values", field: "replies", json: fmt.Sprintf(`{"id":"%d","timestamp":%q}`, n, second)}
	case 12:
		return whatsApp("messages", "statuses", fmt.Sprintf(`"id":"w","status":"sent","recipient_id":%q`, customer))
	case 13:
		return whatsApp("messages", "statuses", fmt.Sprintf(`"id":"w%d","status":"captured","recipient_id":%q,"payment":{"reference_id":"%d"}`, n/7, customer, n))
	case 14:
		return whatsApp("user_preferences", "user_preferences", fmt.Sprintf(`"wa_id":%q,"value":"stop"`, customer))
	case 15:
		return whatsApp("group_status_update", "groups", fmt.Sprintf(`"group_id":"g%s"`, customer))
	case 16:
		return whatsApp("smb_message_echoes", "message_echoes", fmt.Sprintf(`"id":"e%d","to":%q`, n, customer))
	default:
		return whatsApp("messages", "messages", fmt.Sprintf(`"id":"w%d","from":%q`, n, customer))
	}
}

// A Cutter puts updates into notifications as Meta may.
type Cutter struct {
	*rand.Rand
	Time int // when the notifications are sent, in seconds
}

// yes is true most of the time, or seldom, so that all sizes come.
func (c Cutter) yes() bool { return c.IntN(4) > 0 }

// while returns how many of the updates may stand together, which some of them
// do.
func (c Cutter) while(updates []Update, together func(a, b Update) bool) (n int) {
	for n = 1; n < len(updates) && together(updates[0], updates[n]) && c.yes(); n++ {
	}
	return n
}

// parts makes parts of updates, of as many that may stand together.
func (c Cutter) parts(updates []Update, together func(a, b Update) bool, part func(updates []Update) string) string {
	var all []string
	for len(updates) > 0 {
		n := c.while(updates, together)
		all = append(all, part(updates[:n]))
		updates = updates[n:]
	}
	return strings.Join(all, ",")
}

// Bodies makes the bodies of notifications that hold the updates, in their order.
func (c Cutter) Bodies(updates []Update) (all []string) {
	for len(updates) > 0 {
		n := c.while(updates, func(_, _ Update) bool { return true })
		all = append(all, "["+c.parts(updates[:n], func(a, b Update) bool {
			return a.object == b.object && (a.list != "values" || a.entry == b.entry)
		}, c.notification)+"]")
		updates = updates[n:]
	}
	return all
}

func (c Cutter) notification(updates []Update) string {
	u := updates[0]
	if u.list == "values" {
		return fmt.Sprintf(`{"app_id":"1","target_id":%q,"time":%d,"values":[%s]}`, u.entry, c.Time, c.changes(updates))
	}
	return fmt.Sprintf(`{"object":%q,"entry":[%s]}`, u.object, c.parts(updates, func(a, b Update) bool {
		return a.entry == b.entry && a.stamped == b.stamped
	}, c.entry))
}

func (c Cutter) entry(updates []Update) string {
	u, members := updates[0], []string{}
	if c.yes() {
		members = append(members, fmt.Sprintf(`"id":%q`, u.entry))
	}
	if u.stamped {
		members = append(members, `"time":1790000000`)
	} else if u.object != "whatsapp_business_account" {
		members = append(members, fmt.Sprintf(`"time":%d`, c.Time))
	}
	if len(members) == 0 || !strings.HasPrefix(members[0], `"id"`) {
		members = append(members, fmt.Sprintf(`"id":%q`, u.entry))
	}
	// Each list comes once in an entry, and in the order in which its first
	// update comes. That keeps the order of a conversation where it is in one
	// list; with several, the entry is for one list only.
	list := u.list
	if slices.ContainsFunc(updates, func(other Update) bool { return other.list != list }) {
		return c.parts(updates, func(a, b Update) bool { return a.list == b.list }, c.entry)
	}
	elements := c.changes(updates)
	if list != "changes" {
		elements = c.parts(updates, func(_, _ Update) bool { return false }, func(one []Update) string { return one[0].json })
	}
	return "{" + strings.Join(append(members, fmt.Sprintf(`%q:[%s]`, list, elements)), ",") + "}"
}

func (c Cutter) changes(updates []Update) string {
	return c.parts(updates, func(a, b Update) bool {
		return a.array != "" && a.field == b.field && a.array == b.array && a.phone == b.phone
	}, func(updates []Update) string {
		u := updates[0]
		value := u.json
		if u.array != "" {
			var elements, contacts []string
			for i, u := range updates {
				elements = append(elements, u.json)
				contacts = append(contacts, fmt.Sprintf(`{"wa_id":"%d","profile":{"name":"%d"}}`, i, c.IntN(3)))
			}
			value = fmt.Sprintf(`{"messaging_product":"whatsapp","metadata":{"phone_number_id":%q},"contacts":[%s],%q:[%s]}`,
				u.phone, strings.Join(contacts, ","), u.array, strings.Join(elements, ","))
		}
		if c.yes() {
			return fmt.Sprintf(`{"field":%q,"value":%s}`, u.field, value)
		}
		return fmt.Sprintf("{ \"value\" : %s ,\n\"field\" : %q }", value, u.field)
	})
}
