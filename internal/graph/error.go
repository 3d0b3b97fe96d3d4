package graph

import (
	"fmt"
	"strings"
)

// An Error is one of the Graph API.
type Error struct {
	Status int `json:"-"` // of the answer

	Message   string `json:"message"`
	Type      string `json:"type"`
	Code      int    `json:"code"`
	Subcode   int    `json:"error_subcode"`
	UserTitle string `json:"error_user_title"`
	UserText  string `json:"error_user_msg"`
	TraceID   string `json:"fbtrace_id"`
}

// Codes of errors that have a usual cause.
const (
	codeParameter    = 100
	codePermission   = 200
	codeToken        = 190
	codeVerification = 2200
)

// Error implements error, in up to three lines: what is wrong, what Meta adds
// for people, and what to do.
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
	if hint := e.hint(); hint != "" {
		b.WriteString("\n" + hint)
	}
	return b.String()
}

func (e *Error) hint() string {
	switch e.Code {
	case codeParameter:
		return "The object or a field may be misspelt, or be none that this app's products have."
	case codePermission:
		return "This edge wants an app access token, not that of a user or a page."
	case codeToken:
		return "The app id or the app secret may be another app's, or the secret was reset."
	case codeVerification:
		return "Meta did not get its challenge back. caddy meta-webhook verify says what is wrong."
	}
	return ""
}

func (e *Error) scrub(scrub func(string) string) {
	for _, text := range []*string{&e.Message, &e.Type, &e.UserTitle, &e.UserText, &e.TraceID} {
		*text = scrub(*text)
	}
}

// printable returns a text without what a terminal would take for a command.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
}
