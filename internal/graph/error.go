package graph

import (
	"fmt"
	"strings"
)

// An Error is an error that the Graph API returned.
type Error struct {
	Status int `json:"-"` // HTTP status code

	Message   string `json:"message"`
	Type      string `json:"type"`
	Code      int    `json:"code"`
	Subcode   int    `json:"error_subcode"`
	UserTitle string `json:"error_user_title"`
	UserText  string `json:"error_user_msg"`
	TraceID   string `json:"fbtrace_id"`

	hint string // what to do; may be empty
}

// Error codes with a usual cause.
const (
	codeUnpermitted  = 10
	codeParameter    = 100
	codeToken        = 190
	codePermission   = 200
	codePageToken    = 210
	codeVerification = 2200
)

const verificationHint = "Meta did not get its challenge back. Run caddy meta-webhook verify to see why."

// Error implements error. It returns up to three lines: the error, Meta's text
// for users, and a hint.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Meta answered %d: %s", e.Status, printable(e.Message))
	detail := []string{}
	if e.Type != "" {
		detail = append(detail, printable(e.Type))
	}
	detail = append(detail, fmt.Sprintf("code %d", e.Code))
	if e.Subcode != 0 {
		detail = append(detail, fmt.Sprintf("subcode %d", e.Subcode))
	}
	if e.TraceID != "" {
		detail = append(detail, "fbtrace_id "+printable(e.TraceID))
	}
	fmt.Fprintf(&b, " (%s)", strings.Join(detail, ", "))
	if text := strings.TrimSpace(e.UserTitle + "\n" + e.UserText); text != "" {
		b.WriteString("\n" + printable(strings.Replace(text, "\n", ": ", 1)))
	}
	if e.hint != "" {
		b.WriteString("\n" + e.hint)
	}
	return b.String()
}

func (e *Error) scrub(scrub func(string) string) {
	for _, text := range []*string{&e.Message, &e.Type, &e.UserTitle, &e.UserText, &e.TraceID} {
		*text = scrub(*text)
	}
}

// printable replaces control characters, which could change the state of a
// terminal, with spaces.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
}
