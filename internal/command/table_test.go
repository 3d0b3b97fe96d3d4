package command

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file"
)

// TestStrangersDoNotReachTheTerminal has names of folders, and answers, that would
// make a terminal do something.
func TestStrangersDoNotReachTheTerminal(t *testing.T) {
	const evil = "\x1b]0;evil\a\u202e\x9b2J"
	var out, errs strings.Builder
	part := file.Part{
		Folder: "/x/queue-" + evil, Queue: true, Handler: evil, Copies: []string{evil},
		Destinations: []store.DestinationStats{{Destination: evil, Dead: map[string]int64{evil: 1}}}, SetAside: []file.Damage{{File: evil}},
	}
	printPart(&out, &part, "", "")
	part.Err = errors.New(evil)
	printPart(&out, &part, "", "")
	for _, err := range []error{errors.New(evil), problem{errors.New(evil)}} {
		cmd := &cobra.Command{Use: "x", RunE: run(func(*cobra.Command) error { return err }), SilenceUsage: true}
		cmd.SetArgs(nil)
		cmd.SetErr(&errs)
		cmd.SetOut(&errs)
		if cmd.Execute() == nil {
			t.Error("got no error, want one")
		}
	}
	cmd := &cobra.Command{}
	cmd.SetErr(&errs)
	(&listenPrinter{cmd: cmd}).notice(evil)
	for _, got := range []string{out.String(), errs.String()} {
		if strings.ContainsAny(got, "\x1b\a\u202e") || !utf8.ValidString(got) || strings.Count(got, "evil") < 3 {
			t.Errorf("got %q, want it shown and not obeyed", got)
		}
	}
}

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
