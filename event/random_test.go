package event_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// A maker puts notifications together at random, from the names that the
// contract speaks of and few enough values for updates to meet again.
type maker struct{ *rand.Rand }

// A named is a member of an object that may be there.
type named struct {
	name string
	make func() string
}

func (m maker) pick(of ...string) string { return of[m.IntN(len(of))] }

func (m maker) one(of ...string) func() string { return func() string { return m.pick(of...) } }

// object leaves a member out one time in five, and puts them in any order.
func (m maker) object(members ...named) string {
	var b []string
	for _, member := range members {
		if m.IntN(5) > 0 {
			b = append(b, m.space()+m.spell(member.name)+m.space()+":"+m.space()+member.make()+m.space())
		}
	}
	m.Shuffle(len(b), func(i, j int) { b[i], b[j] = b[j], b[i] })
	return "{" + strings.Join(b, ",") + m.space() + "}"
}

// list makes up to two elements, and something else where they should be one
// time in thirty.
func (m maker) list(element func() string) string {
	if m.IntN(30) == 0 {
		return m.anything()
	}
	var b []string
	for range m.IntN(3) {
		if m.IntN(30) == 0 {
			b = append(b, m.anything())
		} else {
			b = append(b, m.space()+element()+m.space())
		}
	}
	return "[" + m.space() + strings.Join(b, ",") + "]"
}

func (m maker) space() string {
	if m.IntN(10) > 0 {
		return ""
	}
	return m.pick(" ", "\n", "\t", "\r\n  ")
}

// spell writes a name, with its first letter escaped one time in twenty.
func (m maker) spell(name string) string {
	if m.IntN(20) > 0 {
		return `"` + name + `"`
	}
	return fmt.Sprintf(`"\u%04x%s"`, name[0], name[1:])
}

func (m maker) anything() string {
	return m.pick(`null`, `true`, `1`, `-0`, `1e400`, `"x"`, `""`, `"\ud800"`, `{}`, `[]`, `[{}]`, `{"a":[1,"b c"]}`)
}

func (m maker) id() string { return m.pick(`"1"`, `"2"`, `"3\/"`, `4`, `null`, `""`) }

func (m maker) time() string {
	return m.pick(`1600000000`, `"1600000001"`, `1600000000123`, `"2020-09-13T12:26:40+0000"`, `"soon"`, `null`, `{}`)
}

func (m maker) notification(object string) string {
	return m.object(
		named{"object", m.one(`"`+object+`"`, `""`, `5`)},
		named{"entry", func() string {
			if m.IntN(2) == 0 {
				return m.entry()
			}
			return "[" + m.entry() + "]"
		}},
		named{"target_id", m.id}, named{"time", m.time}, named{"app_id", m.id},
		named{"values", func() string {
			if m.IntN(2) == 0 {
				return m.change()
			}
			return m.list(m.change)
		}},
	)
}

func (m maker) entry() string {
	lists := []named{
		{"calls", func() string { return m.list(m.element) }},
		{"changes", func() string { return m.list(m.change) }},
		{"changed_fields", func() string { return m.list(m.field) }},
		{"messaging", func() string { return m.list(m.item) }},
		{"standby", func() string { return m.list(m.item) }},
		{"field", m.field},
		{"value", m.value},
	}
	m.Shuffle(len(lists), func(i, j int) { lists[i], lists[j] = lists[j], lists[i] })
	members := []named{{"id", m.id}, {"uid", m.id}, {"time", m.time}, {"novelty", m.anything}}
	return m.object(append(members, lists[:m.IntN(4)]...)...)
}

func (m maker) field() string {
	return m.pick(
		`"messages"`, `"messaging_postbacks"`, `"message_edit"`, `"standby"`, `"feed"`, `"mentions"`, `"leadgen"`, `"comments"`,
		`"live_comments"`, `"story_insights"`, `"history"`, `"messaging_handovers"`, `"f\u00e4"`,
	)
}

func (m maker) change() string {
	members := []named{{"field", m.field}, {"value", m.value}}
	if m.IntN(5) == 0 {
		members = append(members, named{"verb", m.one(`"add"`, `"remove"`)})
	}
	return m.object(members...)
}

func (m maker) value() string {
	switch m.IntN(20) {
	case 0:
		return m.anything()
	case 1, 2, 3, 4:
		return m.item()
	}
	arrays := m.arrays()
	m.Shuffle(len(arrays), func(i, j int) { arrays[i], arrays[j] = arrays[j], arrays[i] })
	members := []named{
		{"id", m.id},
		{"leadgen_id", m.id},
		{"comment_id", m.id},
		{"post_id", m.id},
		{"media", func() string { return m.object(named{"id", m.id}) }},
		{"contacts", m.anything},
	}
	m.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	members = append(members[:m.IntN(4)], m.times()...)
	if m.IntN(4) == 0 {
		members = append(members, named{"standby", func() string { return m.object(m.arrays()[:1+m.IntN(3)]...) }})
	}
	if m.IntN(4) == 0 {
		members = append(members,
			named{"verb", m.one(`"add"`, `"remove"`, `"edited"`, `null`)}, named{"item", m.one(`"comment"`, `"like"`)},
			named{"history", m.one(`[]`, `[{"threads":[{"messages":[{"id":"h"},{}]}]}]`, `[{"threads":[]}]`)},
			named{"sender", m.sender}, named{"recipient", m.recipient},
		)
	}
	members = append(members, arrays[:m.IntN(4)]...)
	return m.after(`"metadata":{"phone_number_id":`+m.pick(`"55"`, `"66"`, `null`)+`}`, m.object(members...))
}

// after puts a member before those of an object.
func (m maker) after(member, object string) string {
	comma := ","
	if object = strings.TrimSpace(object[1:]); object == "}" {
		comma = ""
	}
	return `{` + member + comma + object
}

// times makes up to one of the members that say when something happened.
func (m maker) times() []named {
	name := m.pick("timestamp", "timestamp", "created_time", "time", "event_time", "updated_timestamp", "deleted_at", "")
	if name == "" {
		return nil
	}
	return []named{{name, m.time}}
}

func (m maker) arrays() []named {
	arrays := []named{{"errors", func() string { return m.list(func() string { return m.object(named{"code", m.id}) }) }}}
	for _, name := range []string{
		"messages", "statuses", "calls", "groups", "message_echoes", "state_sync", "user_preferences", "user_id_update",
		"automatic_events", "user_actions",
	} {
		arrays = append(arrays, named{name, func() string { return m.list(m.element) }})
	}
	m.Shuffle(len(arrays), func(i, j int) { arrays[i], arrays[j] = arrays[j], arrays[i] })
	return arrays
}

func (m maker) element() string {
	members := []named{
		{"id", m.id},
		{"status", m.one(`"sent"`, `"read"`)},
		{"timestamp", m.time},
		{"event", m.one(`"connect"`, `"terminate"`)},
		{"recipient_participant_id", m.id},
		{"pricing", m.anything},
	}
	more := []named{
		{"payment", m.anything},
		{"from", m.id},
		{"to", m.id},
		{"group_id", m.id},
		{"from_user_id", m.id},
		{"wa_id", m.id},
		{"direction", m.one(`"BUSINESS_INITIATED"`, `"USER_INITIATED"`)},
		{"metadata", func() string { return m.object(named{"timestamp", m.time}) }},
		{"user_id", m.one(`"9"`, `{"previous":"8","current":"9"}`)},
	}
	m.Shuffle(len(more), func(i, j int) { more[i], more[j] = more[j], more[i] })
	return m.after(`"recipient_id":`+m.pick(`"7"`, `"8"`), m.object(append(members, more[:m.IntN(4)]...)...))
}

// sender is 1 where the entry may be, or someone else.
func (m maker) sender() string {
	return m.pick(`{"id":"1"}`, `{"id":"7"}`, `{"id":7}`, `{"user_ref":"r"}`, `{"phone_number":"49"}`, `{}`, `null`)
}

func (m maker) recipient() string {
	return m.pick(`{"id":"1"}`, `{"id":"7"}`, `{ "user_ref" : "q" }`, `{"phone_number_id":"55"}`, `{}`, `null`, `"1"`)
}

func (m maker) item() string {
	mid := named{"mid", m.id}
	holds := []named{
		{"message", func() string {
			return m.object(
				mid, named{"is_echo", m.one(`true`, `false`)}, named{"is_deleted", m.one(`true`, `false`)}, named{"num_edit", m.one(`1`)},
			)
		}},
		{"message_edit", func() string { return m.object(mid, named{"num_edit", m.one(`1`, `2`)}) }},
		{"reaction", func() string {
			return m.object(mid, named{"action", m.one(`"react"`, `"unreact"`)}, named{"emoji", m.one(`"\u2764"`, `"x"`)})
		}},
		{"postback", func() string { return m.object(mid, named{"payload", m.one(`"p"`, `"q"`)}) }},
		{"delivery", func() string {
			return m.object(named{"watermark", m.one(`1`, `2`)}, named{"mids", m.one(`["a", "b"]`, `["a"]`)})
		}},
		{"read", func() string { return m.object(mid, named{"watermark", m.one(`1`, `2`)}) }},
		{"optin", m.one(`{}`, `{"user_ref":"o"}`, `7`)},
		{"referral", m.anything},
		{"app_roles", m.anything},
		{"policy-enforcement", m.anything},
		{"response_feedback", m.anything},
		{"order", m.anything},
		{"violations", m.anything},
	}
	m.Shuffle(len(holds), func(i, j int) { holds[i], holds[j] = holds[j], holds[i] })
	members := []named{{"timestamp", m.time}, {"sender", m.sender}, {"recipient", m.recipient}}
	return m.object(append(members, holds[:1+m.IntN(2)]...)...)
}

func TestRandomNotificationsReadLikeTheReference(t *testing.T) {
	t.Parallel()
	const n = 10_000
	toldOf, idOf, rules := make(map[event.ID]string), make(map[string]event.ID), make(map[rule]int)
	for seed := range uint64(n) {
		m := maker{rand.New(rand.NewPCG(seed, 0))}
		body := m.notification(m.pick("page", "instagram", "whatsapp_business_account", "whatsapp_business_account"))
		root, err := readDocument([]byte(body))
		if err != nil {
			t.Fatalf("seed %d: %s: %v", seed, body, err)
		}
		want := reference(root)
		events := parseGently(t, body)
		if got, want := compactAll(t, events), summaries(want); !slices.Equal(got, want) {
			t.Fatalf("seed %d: Parse(%s)\ngot%s\nwant%s", seed, body, lines(got), lines(want))
		}
		count := make(map[string]int)
		for i := range events {
			ev, want := &events[i], want[i]
			if got, want := ev.Conversation(), want.conversation(); got != want {
				t.Fatalf("seed %d: Parse(%s)\nevent %d: conversation: got %s, want %s", seed, body, i, got, want)
			}
			if got, want := ev.Retention(), want.retention(); got != want {
				t.Fatalf("seed %d: Parse(%s)\nevent %d: retention: got %d, want %d", seed, body, i, got, want)
			}
			rules[want.rule()]++
			id, tells := ev.ID(), want.whatTells()
			if want.counted() {
				count[tells]++
				tells += fmt.Sprint(" number ", count[tells])
			}
			if other, taken := toldOf[id]; taken && other != tells {
				t.Fatalf("id %s: got it for both, want two\n%s\n%s", id, other, tells)
			}
			if other, taken := idOf[tells]; taken && other != id {
				t.Fatalf("seed %d: Parse(%s)\nids of %s: got %s and %s, want one", seed, body, tells, other, id)
			}
			toldOf[id], idOf[tells] = tells, id
		}
	}
	if len(idOf) < n/2 {
		t.Errorf("updates that were told apart: got %d, want more of %d notifications", len(idOf), n)
	}
	for _, r := range []rule{byKey, byData, byTime, byNone} {
		if rules[r] < n/50 {
			t.Errorf("updates told apart by %s: got %d of %d notifications, want more", r, rules[r], n)
		}
	}
}

// parseGently makes an error of a panic.
func parseGently(t *testing.T, body string) []event.Event {
	t.Helper()
	defer func() {
		if r := recover(); r != nil {
			t.Fatalf("Parse(%s): got a panic: %v", body, r)
		}
	}()
	return parse(t, body)
}
