package event_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// An updateOf is an update of an entry, in whatever notification it comes.
type updateOf struct {
	object, entry string
	list          string // changes, messaging, standby or values
	field         string // of a change
	phone, array  string // of a WhatsApp element
	json          string // an item, a value or an element
	stamped       bool   // its entry's time is a part of what it is
}

// randomUpdate makes an update that is like no other: n is in it. Few pages,
// numbers and customers make for many updates of one conversation.
func randomUpdate(r *rand.Rand, n int) updateOf {
	page, customer, at := fmt.Sprint(900+r.IntN(2)), fmt.Sprint(70+r.IntN(3)), fmt.Sprint(1790000000000+n)
	second := fmt.Sprint(1790000000 + n)
	item := func(holds string) string {
		return fmt.Sprintf(`{"sender":{"id":%q},"recipient":{"id":%q},"timestamp":%s,%s}`, customer, page, at, holds)
	}
	whatsApp := func(field, array, element string) updateOf {
		return updateOf{
			object: "whatsapp_business_account", entry: "w" + page, list: "changes", field: field,
			phone: fmt.Sprint(55 + r.IntN(2)), array: array, json: fmt.Sprintf(`{"timestamp":%q,%s}`, second, element),
		}
	}
	switch r.IntN(18) {
	case 0:
		return updateOf{object: "page", entry: page, list: "messaging", json: item(fmt.Sprintf(`"message":{"mid":"m%d"}`, n))}
	case 1:
		echo := fmt.Sprintf(`{"sender":{"id":%q},"recipient":{"id":%q},"timestamp":%s,"message":{"mid":"m%d","is_echo":true}}`, page, customer, at, n)
		return updateOf{object: "page", entry: page, list: "messaging", json: echo}
	case 2:
		return updateOf{object: "page", entry: page, list: "messaging", json: item(fmt.Sprintf(`"read":{"watermark":%d}`, n))}
	case 3:
		return updateOf{object: "page", entry: page, list: "messaging", json: item(`"referral":{"ref":"r"}`)}
	case 4:
		return updateOf{object: "page", entry: page, list: "standby", json: item(fmt.Sprintf(`"message":{"mid":"s%d"}`, n))}
	case 5:
		return updateOf{object: "page", entry: page, list: "changes", field: "feed", json: fmt.Sprintf(`{"item":"comment","verb":"add","post_id":"1_%d","comment_id":"c%d"}`, r.IntN(2), n)}
	case 6:
		return updateOf{object: "page", entry: page, list: "changes", field: "feed", json: fmt.Sprintf(`{"item":"like","verb":"add","post_id":"1_2","created_time":%s}`, second)}
	case 7:
		return updateOf{object: "page", entry: page, list: "changes", field: "feed", json: fmt.Sprintf(`{"item":"post","verb":"edited","post_id":"1_2","message":"%d"}`, n), stamped: true}
	case 8:
		return updateOf{object: "page", entry: page, list: "changes", field: "leadgen", json: fmt.Sprintf(`{"leadgen_id":"%d"}`, n)}
	case 9:
		return updateOf{object: "instagram", entry: "i" + page, list: "changes", field: "comments", json: fmt.Sprintf(`{"id":"%d","media":{"id":"p"}}`, n)}
	case 10:
		return updateOf{object: "instagram", entry: "i" + page, list: "changes", field: "messages", json: item(fmt.Sprintf(`"message":{"mid":"i%d"}`, n))}
	case 11:
		return updateOf{object: "threads", entry: "t" + page, list: "values", field: "replies", json: fmt.Sprintf(`{"id":"%d","timestamp":%q}`, n, second)}
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

// A cutter puts updates into notifications as Meta may.
type cutter struct {
	*rand.Rand
	time int // when the notifications are sent
}

// yes is true most of the time, or seldom, so that all sizes come.
func (c cutter) yes() bool { return c.IntN(4) > 0 }

// while returns how many of the updates may stand together, which some of them
// do.
func (c cutter) while(updates []updateOf, together func(a, b updateOf) bool) (n int) {
	for n = 1; n < len(updates) && together(updates[0], updates[n]) && c.yes(); n++ {
	}
	return n
}

// parts makes parts of updates, of as many that may stand together.
func (c cutter) parts(updates []updateOf, together func(a, b updateOf) bool, part func(updates []updateOf) string) string {
	var all []string
	for len(updates) > 0 {
		n := c.while(updates, together)
		all = append(all, part(updates[:n]))
		updates = updates[n:]
	}
	return strings.Join(all, ",")
}

// bodies makes the bodies of some notifications.
func (c cutter) bodies(updates []updateOf) (all []string) {
	for len(updates) > 0 {
		n := c.while(updates, func(_, _ updateOf) bool { return true })
		all = append(all, "["+c.parts(updates[:n], func(a, b updateOf) bool {
			return a.object == b.object && (a.list != "values" || a.entry == b.entry)
		}, c.notification)+"]")
		updates = updates[n:]
	}
	return all
}

func (c cutter) notification(updates []updateOf) string {
	u := updates[0]
	if u.list == "values" {
		return fmt.Sprintf(`{"app_id":"1","target_id":%q,"time":%d,"values":[%s]}`, u.entry, c.time, c.changes(updates))
	}
	return fmt.Sprintf(`{"object":%q,"entry":[%s]}`, u.object, c.parts(updates, func(a, b updateOf) bool {
		return a.entry == b.entry && a.stamped == b.stamped
	}, c.entry))
}

func (c cutter) entry(updates []updateOf) string {
	u, members := updates[0], []string{}
	if c.yes() {
		members = append(members, fmt.Sprintf(`"id":%q`, u.entry))
	}
	if u.stamped {
		members = append(members, `"time":1790000000`)
	} else if u.object != "whatsapp_business_account" {
		members = append(members, fmt.Sprintf(`"time":%d`, c.time))
	}
	if len(members) == 0 || !strings.HasPrefix(members[0], `"id"`) {
		members = append(members, fmt.Sprintf(`"id":%q`, u.entry))
	}
	// Each list comes once in an entry, and in the order in which its first
	// update comes. That keeps the order of a conversation where it is in one
	// list; with several, the entry is for one list only.
	list := u.list
	if slices.ContainsFunc(updates, func(other updateOf) bool { return other.list != list }) {
		return c.parts(updates, func(a, b updateOf) bool { return a.list == b.list }, c.entry)
	}
	elements := c.changes(updates)
	if list != "changes" {
		elements = c.parts(updates, func(_, _ updateOf) bool { return false }, func(one []updateOf) string { return one[0].json })
	}
	return "{" + strings.Join(append(members, fmt.Sprintf(`%q:[%s]`, list, elements)), ",") + "}"
}

func (c cutter) changes(updates []updateOf) string {
	return c.parts(updates, func(a, b updateOf) bool {
		return a.array != "" && a.field == b.field && a.array == b.array && a.phone == b.phone
	}, func(updates []updateOf) string {
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

// However Meta cuts, merges and stamps what it sends, each update keeps its
// identity and its conversation, and a conversation its order.
func TestTheCutOfANotificationChangesNothing(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 2))
		updates := make([]updateOf, 2+r.IntN(30))
		for i := range updates {
			updates[i] = randomUpdate(r, i)
		}
		whole := cutter{r, 1790000000}
		ids, order := parseUpdates(t, whole.bodies(updates))
		if got := len(ids); got != len(updates) {
			t.Fatalf("seed %d: events: got %d with ids of their own, want %d", seed, got, len(updates))
		}
		for again := range 5 {
			later := cutter{r, 1790000000 + again}
			gotIDs, gotOrder := parseUpdates(t, later.bodies(updates))
			if !maps.Equal(gotIDs, ids) {
				t.Errorf("seed %d: cut again: got ids and conversations\n%v\nwant\n%v", seed, gotIDs, ids)
			}
			if !maps.EqualFunc(gotOrder, order, slices.Equal) {
				t.Errorf("seed %d: cut again: got the order\n%v\nwant\n%v", seed, gotOrder, order)
			}
			shuffled := slices.Clone(updates)
			r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			if gotIDs, _ := parseUpdates(t, later.bodies(shuffled)); !maps.Equal(gotIDs, ids) {
				t.Errorf("seed %d: in another order: got ids and conversations\n%v\nwant\n%v", seed, gotIDs, ids)
			}
			twice := slices.Concat(updates, shuffled)
			if gotIDs, _ := parseUpdates(t, slices.Concat(later.bodies(updates), later.bodies(shuffled))); !maps.Equal(gotIDs, ids) {
				t.Errorf("seed %d: %d updates, sent twice: got %d ids, want %d", seed, len(twice), len(gotIDs), len(ids))
			}
		}
		for i, u := range updates {
			alone := whole.bodies([]updateOf{u})
			got, _ := parseUpdates(t, alone)
			for id, conversation := range got {
				if ids[id] != conversation {
					t.Errorf("seed %d: update %d alone: got id %s in %s, want one of %v", seed, i, id, conversation, ids)
				}
			}
		}
	}
}

// parseUpdates returns the events' ids with their conversations, and the order
// in each.
func parseUpdates(t *testing.T, bodies []string) (map[event.ID]string, map[string][]event.ID) {
	t.Helper()
	ids, order := make(map[event.ID]string), make(map[string][]event.ID)
	for _, body := range bodies {
		events := parse(t, body)
		for i := range events {
			id, conversation := events[i].ID(), events[i].Conversation()
			if other, taken := ids[id]; taken && other != conversation {
				t.Errorf("Parse(%s): conversations of %s: got %s and %s, want one", body, id, other, conversation)
			}
			ids[id] = conversation
			order[conversation] = append(order[conversation], id)
		}
	}
	return ids, order
}
