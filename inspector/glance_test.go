package inspector

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

func TestEventsAtAGlance(t *testing.T) {
	whatsapp := func(value string) string {
		return `{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":` + value + `}]}]}`
	}
	messaging := func(object, item string) string {
		return `{"object":"` + object + `","entry":[{"id":"7","time":1,"messaging":[` + item + `]}]}`
	}
	change := func(object, field, value string) string {
		return `{"object":"` + object + `","entry":[{"id":"7","time":1,"changes":[{"field":"` + field + `","value":` + value + `}]}]}`
	}
	for name, tc := range map[string]struct{ notification, sender, text string }{
		"WhatsApp text":        {whatsapp(`{"contacts":[{"profile":{"name":"Anna"},"wa_id":"49"}],"messages":[{"from":"49","id":"a","type":"text","text":{"body":"Hello\n there"}}]}`), "Anna (49)", "Hello there"},
		"WhatsApp image":       {whatsapp(`{"messages":[{"from":"49","id":"a","type":"image","image":{"id":"1"}}]}`), "49", "[image]"},
		"WhatsApp caption":     {whatsapp(`{"messages":[{"from":"49","id":"a","type":"image","image":{"caption":"Look"}}]}`), "49", "Look"},
		"WhatsApp button":      {whatsapp(`{"messages":[{"from":"49","id":"a","type":"button","button":{"text":"Yes","payload":"y"}}]}`), "49", "Yes"},
		"WhatsApp status":      {whatsapp(`{"statuses":[{"id":"a","status":"read","recipient_id":"49","timestamp":"1"}]}`), "49", "[read]"},
		"Messenger text":       {messaging("page", `{"sender":{"id":"5"},"recipient":{"id":"7"},"timestamp":1,"message":{"mid":"m","text":"Hi"}}`), "5", "Hi"},
		"Messenger attachment": {messaging("page", `{"sender":{"id":"5"},"message":{"mid":"m","attachments":[{"type":"video"}]}}`), "5", "[video]"},
		"Messenger postback":   {messaging("page", `{"sender":{"id":"5"},"timestamp":1,"postback":{"title":"Start","payload":"p"}}`), "5", "Start"},
		"Instagram comment":    {change("instagram", "comments", `{"from":{"id":"5","username":"anna"},"id":"c","text":"Nice"}`), "anna", "Nice"},
		"feed":                 {change("page", "feed", `{"from":{"id":"5","name":"Anna"},"item":"post","verb":"add","message":"News"}`), "Anna", "News"},
		"feed without a text":  {change("page", "feed", `{"from":{"id":"5","name":"Anna"},"item":"like","verb":"add"}`), "Anna", "[add]"},
		"lead":                 {change("page", "leadgen", `{"leadgen_id":"44","form_id":"5"}`), "", "[44]"},
		"numbers for ids":      {change("page", "leadgen", `{"leadgen_id":44}`), "", "[44]"},
		"an object for a text": {change("page", "feed", `{"message":{"a":1},"text":null,"title":"T"}`), "", "T"},
		"nothing":              {`{"object":"page","entry":[{"id":"7","time":1,"changed_fields":["name"]}]}`, "", ""},
		"right to left":        {change("page", "feed", `{"from":{"name":"\u202e\u0000evil"},"message":" \u2028 "}`), "\u202e evil", ""},
	} {
		t.Run(name, func(t *testing.T) {
			events, err := event.Parse([]byte(tc.notification))
			if err != nil || len(events) != 1 {
				t.Fatalf("got %d events and %v, want 1", len(events), err)
			}
			if sender, text := glance(events[0].AppendJSON(nil)); sender != tc.sender || text != tc.text {
				t.Errorf("got %q and %q, want %q and %q", sender, text, tc.sender, tc.text)
			}
			if sender, text := glanceAt([]byte(tc.notification), true); sender != tc.sender || text != tc.text {
				t.Errorf("of the notification: got %q and %q, want %q and %q", sender, text, tc.sender, tc.text)
			}
		})
	}
	for _, body := range []string{"", "{", "no JSON", "[]", `{"data":null}`, `{"data":1}`, `{"data":"x"}`} {
		if sender, text := glance([]byte(body)); sender != "" || text != "" {
			t.Errorf("%q: got %q and %q, want nothing", body, sender, text)
		}
	}
	if _, text := glanceAt([]byte(`{"object":"page","entry":[{"id":"7","time":1,"changed_fields":["name","phone"]}]}`), true); text != "[2 events]" {
		t.Errorf("got %q, want that there are two", text)
	}
}

func TestLineIsShort(t *testing.T) {
	for _, text := range []string{strings.Repeat("x", 1000), strings.Repeat("\u00e9", 1000), strings.Repeat("\U0001F600", 1000), strings.Repeat(" \n", 1000) + "x"} {
		if got := oneLine(text); utf8.RuneCountInString(got) > longest+1 || !utf8.ValidString(got) || strings.ContainsAny(got, "\n\t") {
			t.Errorf("got %d characters, want at most %d: %q", utf8.RuneCountInString(got), longest+1, got)
		}
	}
}

func TestTextIsFoundInWhateverCaseAndEscape(t *testing.T) {
	body := []byte(`{"a":"Caf\u00e9 \ud83d\ude00 \"x\" \/ \\n \n end","b":"Stra\u00DFe"}`)
	for text, want := range map[string]bool{
		"": true, "CAF\u00c9": true, "\U0001F600": true, `"x"`: true, "/ ": true, `\u00e9`: true, "stra\u00dfe": true, "missing": false, "cafe": false,
	} {
		if got := needleOf(text).in(body); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
	for _, broken := range []string{`\`, `\u`, `\u12`, `\u12345`, `\ud83d`, `\ud83d\u`, `\ud83dx`, `\x`} {
		_ = unescaped([]byte(broken)) // and does not panic
	}
}
