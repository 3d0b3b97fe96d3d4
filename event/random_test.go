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
		named{"target_id", m.id}, named{"time", m.time},
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
	return m.pick(`"messages"`, `"feed"`, `"leadgen"`, `"comments"`, `"live_comments"`, `"f\u00e4"`)
}

func (m maker) change() string {
	members := []named{{"field", m.field}, {"value", m.value}}
	if m.IntN(5) == 0 {
		members = append(members, named{"verb", m.one(`"add"`, `"remove"`)})
	}
	return m.object(members...)
}

func (m maker) value() string {
	if m.IntN(20) == 0 {
		return m.anything()
	}
	arrays := []named{{"errors", func() string { return m.list(func() string { return m.object(named{"code", m.id}) }) }}}
	for _, name := range []string{"messages", "statuses", "calls", "groups", "message_echoes", "state_sync", "user_preferences", "user_id_update"} {
		arrays = append(arrays, named{name, func() string { return m.list(m.element) }})
	}
	m.Shuffle(len(arrays), func(i, j int) { arrays[i], arrays[j] = arrays[j], arrays[i] })
	members := []named{{"id", m.id}, {"leadgen_id", m.id}, {"comment_id", m.id}, {"post_id", m.id}, {"timestamp", m.time}, {"contacts", m.anything}}
	rest := m.object(append(members, arrays[:m.IntN(4)]...)...)
	comma := ","
	if rest = strings.TrimSpace(rest[1:]); rest == "}" {
		comma = ""
	}
	return `{"metadata":{"phone_number_id":` + m.pick(`"55"`, `"66"`) + `}` + comma + rest
}

func (m maker) element() string {
	rest := m.object(
		named{"id", m.id}, named{"status", m.one(`"sent"`, `"read"`)}, named{"timestamp", m.time},
		named{"event", m.one(`"connect"`, `"terminate"`)}, named{"recipient_participant_id", m.id},
	)
	comma := ","
	if rest = strings.TrimSpace(rest[1:]); rest == "}" {
		comma = ""
	}
	return `{"recipient_id":` + m.pick(`"7"`, `"8"`) + comma + rest
}

func (m maker) item() string {
	mid := named{"mid", m.id}
	holds := []named{
		{"message", func() string {
			return m.object(mid, named{"is_echo", m.one(`true`, `false`)}, named{"is_deleted", m.one(`true`, `false`)})
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
		{"optin", m.anything},
		{"referral", m.anything},
		{"app_roles", m.anything},
		{"policy-enforcement", m.anything},
	}
	m.Shuffle(len(holds), func(i, j int) { holds[i], holds[j] = holds[j], holds[i] })
	members := []named{{"timestamp", m.time}, {"sender", func() string { return m.object(named{"id", m.id}) }}}
	return m.object(append(members, holds[:1+m.IntN(2)]...)...)
}

func TestRandomNotificationsReadLikeTheReference(t *testing.T) {
	t.Parallel()
	const n = 10_000
	keyOf, idOf := make(map[event.ID]string), make(map[string]event.ID)
	for seed := range uint64(n) {
		m := maker{rand.New(rand.NewPCG(seed, 0))}
		body := m.notification(m.pick("page", "instagram", "whatsapp_business_account", "whatsapp_business_account"))
		root, err := readDocument([]byte(body))
		if err != nil {
			t.Fatalf("seed %d: %s: %v", seed, body, err)
		}
		want := reference(root)
		events := parseGently(t, body)
		if got := compactAll(t, events); !slices.Equal(got, want) {
			t.Fatalf("seed %d: Parse(%s)\ngot%s\nwant%s", seed, body, lines(got), lines(want))
		}
		sent := entryTime(root)
		count := make(map[string]int)
		for i := range events {
			id, key := events[i].ID(), referenceKey(want[i], sent)
			if strings.HasPrefix(key, "data") {
				count[key]++
				key += fmt.Sprint(" number ", count[key])
			}
			if other, taken := keyOf[id]; taken && other != key {
				t.Fatalf("id %s: got it for both, want two\n%s\n%s", id, other, key)
			}
			// An entry that does not say whose it is may do so in several ways.
			if other, taken := idOf[key]; taken && other != id && want[i].entry+want[i].uid != "" {
				t.Fatalf("ids of %s: got %s and %s, want one", key, other, id)
			}
			keyOf[id], idOf[key] = key, id
		}
	}
	if len(idOf) < n/2 {
		t.Errorf("updates that were told apart: got %d, want more of %d notifications", len(idOf), n)
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
