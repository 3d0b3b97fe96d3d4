package command

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/admin"
)

type replayCommand struct {
	changeCommand
	to string
}

func newReplayCommand() *cobra.Command {
	r := replayCommand{changeCommand: changeCommand{path: admin.EventsPath + "/replay", verb: "replay", done: "Replayed", again: "begins with those again"}}
	cmd := &cobra.Command{
		Use:   "replay [<id>...] [--to <destination>] [--state <state>] [--since <duration>] [--dry-run]",
		Short: "Delivers stored events again",
		Long: `
Puts stored events into the queue of a destination again, the oldest first: those
with the given ids, or those that meet each condition, as far back as the store
keeps them. They keep their ids, have the header Webhook-Replay, and go behind
live events of other conversations. One that waits there already is left alone.

--to is the destination that gets the events. By default it is the one in
--destination, or the only one that there is.

The events are counted first. More than 100 have to be confirmed, or take --yes.
They go in at the destination's replay_rate, 500 a second by default, so that the
app and the gateway have time for live events.
`,
		Example: `  caddy meta-webhook events replay 46395c4626bd01418dfd8c1bcd9482d8
  caddy meta-webhook events replay --destination crm --state dead --since 2h --dry-run
  caddy meta-webhook events replay --destination crm --to crm2 --state done --yes`,
		RunE: runArgs(r.run),
	}
	r.register(cmd)
	cmd.Flags().StringVar(&r.to, "to", "", "Destination that gets the events")
	r.admin.completeNames(cmd, "to", destinationOf)
	return cmd
}

func (r *replayCommand) run(cmd *cobra.Command, ids []string) error {
	query, err := r.query(ids)
	if err != nil {
		return err
	}
	to, err := r.target()
	if err != nil {
		return err
	}
	query.Set("to", to)
	return r.change(cmd, query)
}

// target returns the destination that gets the events.
func (r *replayCommand) target() (string, error) {
	switch {
	case r.to != "":
		return r.to, nil
	case r.selection.destination != "":
		return r.selection.destination, nil
	}
	all, err := r.admin.destinations(r.selection.handler)
	if err != nil {
		return "", err
	}
	var names []string
	for i := range all {
		if all[i].State != admin.StateUnconfigured {
			names = append(names, all[i].Destination)
		}
	}
	if len(names) == 1 {
		return names[0], nil
	}
	return "", fmt.Errorf("--to: name the destination that gets the events: %s", strings.Join(names, ", "))
}

// A changeCommand changes stored events.
type changeCommand struct {
	admin             adminFlags
	selection         selectionFlags
	yes, dryRun, json bool

	path       string // of the admin API
	verb, done string // such as replay, Replayed
	again      string // what the same command does, once some were changed
}

func (c *changeCommand) register(cmd *cobra.Command) {
	c.admin.register(cmd)
	c.selection.register(cmd, &c.admin)
	flags := cmd.Flags()
	flags.BoolVar(&c.yes, "yes", false, "Do not ask, however many events there are")
	flags.BoolVar(&c.dryRun, "dry-run", false, "Only count the events")
	flags.BoolVar(&c.json, "json", false, "Print what was done as a line of JSON")
}

var errEverything = errors.New("this would be every stored event: give ids, or a condition such as --state or --since")

// query returns the query that selects the events.
func (c *changeCommand) query(ids []string) (url.Values, error) {
	query, err := c.selection.query(ids)
	if err == nil && !admin.Narrow(query) {
		err = errEverything
	}
	return query, err
}
