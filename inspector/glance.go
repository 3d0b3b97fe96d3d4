package inspector

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// Where events say who has sent them, and what. The first path counts that
// leads to a text.
var (
	senderPaths = []string{
		"contacts.0.profile.name", "messages.0.from", "message_echoes.0.to", "statuses.0.recipient_id", "calls.0.from",
		"from.name", "from.username", "sender.name", "sender_name", "username", "sender.id", "sender.user_ref", "from.id",
	}
	numberPaths = []string{"messages.0.from", "statuses.0.recipient_id", "calls.0.from"} // of a sender with a name
	textPaths   = []string{
		"messages.0.text.body", "messages.0.button.text", "messages.0.interactive.button_reply.title", "messages.0.interactive.list_reply.title",
		"messages.0.image.caption", "messages.0.video.caption", "messages.0.document.caption", "messages.0.document.filename",
		"messages.0.reaction.emoji", "message_echoes.0.text.body", "errors.0.title",
		"message.text", "message_edit.text", "postback.title", "postback.payload", "reaction.emoji", "optin.title",
		"message", "text", "comment", "title",
	}
	typePaths = []string{ // what it is where there is no text
		"messages.0.type", "message_echoes.0.type", "statuses.0.status", "calls.0.event", "calls.0.status",
		"message.attachments.0.type", "attachment.type", "media.media_product_type", "event", "verb", "item", "leadgen_id",
	}
)

// longest is how many characters are shown of a text at a glance.
const longest = 200

// glance returns what a person wants to know of an event at once: who has sent
// it, and what it says. The event is a CloudEvent in JSON.
func glance(body []byte) (sender, text string) {
	var e struct {
		Data json.RawMessage `json:"data"`
	}
	if json.Unmarshal(body, &e) != nil || len(e.Data) == 0 {
		return "", ""
	}
	sender = first(e.Data, senderPaths)
	if number := first(e.Data, numberPaths); number != "" && sender != "" && number != sender {
		sender += " (" + number + ")"
	}
	if text = first(e.Data, textPaths); text == "" {
		if text = first(e.Data, typePaths); text != "" {
			text = "[" + text + "]"
		}
	}
	return sender, text
}

// glanceAt does the same with what a destination gets: an event, or a whole
// notification.
func glanceAt(body []byte, isNotification bool) (sender, text string) {
	if !isNotification {
		return glance(body)
	}
	switch events, err := event.Parse(body); {
	case err != nil:
		return "", ""
	case len(events) == 1:
		return glance(events[0].AppendJSON(nil))
	default:
		return "", "[" + strconv.Itoa(len(events)) + " events]"
	}
}

// first returns the first text that one of the paths leads to, on one line.
func first(data []byte, paths []string) string {
	for _, path := range paths {
		value, ok := event.Lookup(data, path)
		if !ok || value == "null" || strings.HasPrefix(value, "{") && json.Valid([]byte(value)) || strings.HasPrefix(value, "[") && json.Valid([]byte(value)) {
			continue
		}
		if line := oneLine(value); line != "" {
			return line
		}
	}
	return ""
}

// oneLine returns the start of a text, with single blanks for all white space.
func oneLine(text string) string {
	const room = longest * utf8.UTFMax
	cut := len(text) > room
	if cut {
		text = strings.ToValidUTF8(text[:room], "")
	}
	var line strings.Builder
	characters, blank := 0, false
	for _, r := range text {
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			blank = characters > 0
			continue
		}
		if characters >= longest {
			cut = true
			break
		}
		if blank {
			line.WriteByte(' ')
			characters++
			blank = false
		}
		line.WriteRune(r)
		characters++
	}
	if cut {
		line.WriteString("…")
	}
	return line.String()
}
