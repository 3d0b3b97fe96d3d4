package command

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/admin"
)

func newDestinationsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "destinations <command>",
		Short: "Shows the destinations of stored events, pauses and resumes them",
		Long: `
Asks the admin API of a running Caddy for the destinations that its meta_webhook
handlers store events for. A destination that is paused gets nothing, while its
events are stored as always. A pause holds over restarts.
`,
		Example: `  caddy meta-webhook destinations list
  caddy meta-webhook destinations pause crm
  caddy meta-webhook destinations resume crm`,
	}
	group(cmd, newDestinationsListCommand(), newPauseCommand(), newResumeCommand())
	return cmd
}

type destinationsListCommand struct {
	admin   adminFlags
	handler string
	json    bool
}

func newDestinationsListCommand() *cobra.Command {
	var l destinationsListCommand
	cmd := &cobra.Command{
		Use:   "list [--handler <name>]",
		Short: "Lists the destinations and what waits there",
		Long: `
Prints a line for each destination: its state, the events that wait, that are
under way and that are dead, how long the oldest has been waiting, and how many
events are delivered in a second, lately.

  open           it is delivered to
  probing        it is down; one attempt at a time goes out until one succeeds
  paused         a person has paused it
  unconfigured   it is in no configuration; its events wait
`,
		Example: `  caddy meta-webhook destinations list
  caddy meta-webhook destinations list --json`,
		Args: cobra.NoArgs,
		RunE: run(l.run),
	}
	l.admin.register(cmd)
	cmd.Flags().StringVar(&l.handler, "handler", "", "Only destinations of this handler")
	cmd.Flags().BoolVar(&l.json, "json", false, "Print each destination as a line of JSON")
	l.admin.completeNames(cmd, "handler", handlerOf)
	return cmd
}

func (l *destinationsListCommand) run(cmd *cobra.Command) error {
	all, err := l.admin.destinations(l.handler)
	if err != nil {
		return err
	}
	if l.json {
		for i := range all {
			if err := printJSON(cmd, &all[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if len(all) == 0 {
		cmd.PrintErrln("No destination is configured, and nothing is stored.")
		return nil
	}
	return printDestinations(cmd.OutOrStdout(), all, time.Now())
}

// printDestinations prints destinations as a table.
func printDestinations(w io.Writer, all []admin.Destination, now time.Time) error {
	t := newTable("HANDLER", "DESTINATION", "STATE!", "WAITING!", "UNDER WAY!", "OLDEST!", "RATE!", "DEAD!", "CAUSES")
	for i := range all {
		d := &all[i]
		t.add(d.Handler, d.Destination, d.State, number(d.Waiting), number(d.UnderWay), lasting(d.Oldest, now),
			fmt.Sprintf("%.3g/s", d.Rate), number(d.Dead), causesOf(d))
	}
	return t.print(w)
}

// causesOf returns why a destination is down, and the causes of its dead, the
// most frequent first.
func causesOf(d *admin.Destination) string {
	var all []string
	if d.Cause != "" {
		all = append(all, "down: "+d.Cause)
	}
	for _, cause := range slices.SortedFunc(maps.Keys(d.Causes), func(a, b string) int {
		if d.Causes[a] != d.Causes[b] {
			return int(d.Causes[b] - d.Causes[a])
		}
		return strings.Compare(a, b)
	}) {
		all = append(all, cause+" "+number(d.Causes[cause]))
	}
	return strings.Join(all, ", ")
}

func number(n int64) string { return strconv.FormatInt(n, 10) }
