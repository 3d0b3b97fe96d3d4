package command

import (
	"github.com/spf13/cobra"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/admin"
)

func newDiscardCommand() *cobra.Command {
	d := changeCommand{path: admin.EventsPath + "/discard", verb: "discard", done: "Discarded", again: "goes on"}
	cmd := &cobra.Command{
		Use:   "discard [<id>...] [--destination <name>] [--state <state>] [--since <duration>] [--dry-run]",
		Short: "Ends the delivery of stored events",
		Long: `
Ends the delivery of events that are waiting or dead: of those with the given ids,
or of those that meet each condition, at every destination or at the one in
--destination. They stay in the store for as long as those that were delivered,
and can be replayed.

The events are counted first. More than 100 have to be confirmed, or take --yes.
`,
		Example: `  caddy meta-webhook events discard 46395c4626bd01418dfd8c1bcd9482d8
  caddy meta-webhook events discard --destination crm --state dead --kind message_reads --dry-run`,
		RunE: runArgs(func(cmd *cobra.Command, ids []string) error {
			query, err := d.query(ids)
			if err != nil {
				return err
			}
			return d.change(cmd, query)
		}),
	}
	d.register(cmd)
	return cmd
}
