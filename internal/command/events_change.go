package command

import (
	"bufio"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/admin"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/progress"
)

// mostUnasked is how many events are changed without a question.
const mostUnasked = 100

// change counts the events that a query selects, and changes them.
func (c *changeCommand) change(cmd *cobra.Command, query url.Values) error {
	query.Set("limit", strconv.Itoa(admin.MaxLimit))
	query.Set("dry_run", "true")
	total, err := c.pages(query, func(int) {})
	if err != nil {
		return err
	}
	if c.dryRun || total.Events == 0 {
		return c.report(cmd, total)
	}
	if err := c.confirm(cmd, total); err != nil {
		return err
	}
	query.Del("dry_run")
	bar := progress.New(cmd.ErrOrStderr(), total.Events)
	done, err := c.pages(query, bar.Add)
	bar.Clear()
	if err != nil {
		if done.Events > 0 {
			return fmt.Errorf("%w\n%s %d of %d events, the oldest; the same command %s", err, c.done, done.Events, total.Events, c.again)
		}
		return err
	}
	return c.report(cmd, done)
}

// pages has the admin API change the events of a query page by page, or count
// them, and returns the sum. It calls a function after each page.
func (c *changeCommand) pages(query url.Values, each func(events int)) (sum admin.Change, err error) {
	query.Del("cursor")
	for {
		var page admin.Change
		if err := c.admin.post(c.path, query, &page); err != nil {
			return sum, err
		}
		events := page.Events
		page.Events += sum.Events
		if sum = page; page.Next == "" {
			return sum, nil
		}
		each(events)
		query.Set("cursor", page.Next)
	}
}

// confirm asks whether to change that many events.
func (c *changeCommand) confirm(cmd *cobra.Command, total admin.Change) error {
	if c.yes || total.Events <= mostUnasked {
		return nil
	}
	what := fmt.Sprintf("%s %s%s", c.verb, events(total.Events), at(&total))
	in := cmd.InOrStdin()
	if f, ok := in.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		return fmt.Errorf("this would %s: confirm it with --yes", what)
	}
	if !confirmed(in, cmd.ErrOrStderr(), what) {
		return problem{fmt.Errorf("not confirmed: nothing was %s", strings.ToLower(c.done))}
	}
	return nil
}

// confirmed asks a question, to which only yes is a yes.
func confirmed(in io.Reader, out io.Writer, what string) bool {
	fmt.Fprintf(out, "%s%s? [y/N] ", strings.ToUpper(what[:1]), what[1:])
	answer, _ := bufio.NewReader(in).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true
	}
	return false
}

// report prints what was changed, or would be.
func (c *changeCommand) report(cmd *cobra.Command, sum admin.Change) error {
	sum.Next = ""
	if c.json {
		return printJSON(cmd, sum)
	}
	verb := c.done
	if sum.DryRun && sum.Events > 0 {
		verb = "Would have " + strings.ToLower(verb)
	}
	if sum.Events == 0 {
		cmd.PrintErrln("No stored event fits.")
		return nil
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s %s%s\n", verb, events(sum.Events), at(&sum))
	return err
}

func events(n int) string {
	if n == 1 {
		return "1 event"
	}
	return fmt.Sprintf("%d events", n)
}

// at returns where events are changed.
func at(c *admin.Change) string {
	if c.Destination == "" {
		return " of handler " + c.Handler
	}
	return fmt.Sprintf(" at destination %s of handler %s", printable(c.Destination, ""), c.Handler)
}
