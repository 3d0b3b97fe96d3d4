package command

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTableFitsTheTerminal(t *testing.T) {
	build := func() *table {
		table := newTable("ID!", "KIND", "CONVERSATION")
		table.add("0123456789", "messages", "page 7 customer 1234567890")
		table.add("0123456789", "message_reactions", "\x1b]0;title\x07x")
		return table
	}
	for _, test := range []struct {
		width int
		want  string
	}{
		{0, "ID          KIND               CONVERSATION\n" +
			"0123456789  messages           page 7 customer 1234567890\n" +
			"0123456789  message_reactions  \ufffd]0;title\ufffdx\n"},
		{58, "ID          KIND               CONVERSATION\n" +
			"0123456789  messages           page 7 customer 1234567890\n" +
			"0123456789  message_reactions  \ufffd]0;title\ufffdx\n"},
		{40, ""},
		{25, ""},
	} {
		var got strings.Builder
		if err := build().printIn(&got, test.width); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(got.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); test.width > 0 && n > test.width {
				t.Errorf("width %d: got %q of %d characters", test.width, line, n)
			}
		}
		if test.want != "" && got.String() != test.want {
			t.Errorf("width %d: got\n%swant\n%s", test.width, &got, test.want)
		}
		if test.want == "" && (!strings.Contains(got.String(), "0123456789") || !strings.Contains(got.String(), "…")) {
			t.Errorf("width %d: got\n%swant whole ids, and other cells cut short", test.width, &got)
		}
	}
}
