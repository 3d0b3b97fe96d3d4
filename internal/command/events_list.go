package command

import (
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/admin"
)

type eventsListCommand struct {
	admin     adminFlags
	selection selectionFlags
	limit     int
	json      bool
}

func newEventsListCommand() *cobra.Command {
	var l eventsListCommand
	cmd := &cobra.Command{
		Use:   "list [--state <state>] [--destination <name>] [--since <duration>] [--limit <events>]",
		Short: "Lists stored events, the latest first",
		Long: `
Prints a line for each delivery of an event to a destination, the latest first.
Each condition has to be met. LAST is the status of the last attempt's answer, or
the cause of its failure.
`,
		Example: `  caddy meta-webhook events list --state waiting --destination crm
  caddy meta-webhook events list --kind messages --since 2h --limit 1000 --json`,
		Args: cobra.NoArgs,
		RunE: run(l.run),
	}
	l.admin.register(cmd)
	l.selection.register(cmd, &l.admin)
	cmd.Flags().IntVar(&l.limit, "limit", 50, "How many events to list at most")
	cmd.Flags().BoolVar(&l.json, "json", false, "Print each event as a line of JSON")
	return cmd
}

func (l *eventsListCommand) run(cmd *cobra.Command) error {
	if l.limit < 1 {
		return errors.New("--limit: must be at least 1")
	}
	query, err := l.selection.query(nil)
	if err != nil {
		return err
	}
	var all []admin.Event
	more := true
	for left := l.limit; left > 0 && more; left = l.limit - len(all) {
		query.Set("limit", strconv.Itoa(min(left, admin.MaxLimit)))
		var page admin.Events
		if err := l.admin.get(admin.EventsPath, query, &page); err != nil {
			return err
		}
		all = append(all, page.Events...)
		query.Set("cursor", page.Next)
		more = page.Next != ""
	}
	if l.json {
		for i := range all {
			if err := printJSON(cmd, &all[i]); err != nil {
				return err
			}
		}
	} else if len(all) == 0 {
		cmd.PrintErrln("No stored event fits.")
	} else if err := printEvents(cmd.OutOrStdout(), all, time.Now()); err != nil {
		return err
	}
	if more && len(all) > 0 {
		cmd.PrintErrln("There may be more; --limit says how many are listed.")
	}
	return nil
}

// printEvents prints events as a table.
func printEvents(w io.Writer, all []admin.Event, now time.Time) error {
	t := newTable("ID!", "STATE!", "DESTINATION", "RECEIVED!", "KIND", "TRIED!", "LAST", "CONVERSATION", "SUBJECT")
	for i := range all {
		e := &all[i]
		t.add(e.ID, e.State, e.Destination, ago(e.Received, now), e.Kind, strconv.Itoa(e.Attempts), lastOf(e), e.Conversation, e.Subject)
	}
	return t.print(w)
}

// lastOf returns what became of the last attempt.
func lastOf(e *admin.Event) string {
	switch {
	case e.Attempts == 0:
		return "-"
	case e.Cause != "":
		return e.Cause
	}
	return strconv.Itoa(e.Status)
}
