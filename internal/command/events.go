package command

import "github.com/spf13/cobra"

func newEventsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "events <command>",
		Short: "Shows stored events, delivers them again, or ends their delivery",
		Long: `
Asks the admin API of a running Caddy for the events that its meta_webhook
handlers store for destinations. An event at a destination is

  waiting     for its first attempt, for its next one, or for an event before it
              in its conversation
  under_way   being tried
  done        delivered
  dead        given up; it waits for a person to replay or to discard it
  discarded   not to be delivered, as a person has decided
  unmatched   wanted by no destination
`,
		Example: `  caddy meta-webhook events list --state dead
  caddy meta-webhook events show 46395c4626bd01418dfd8c1bcd9482d8
  caddy meta-webhook events replay --destination crm --state dead --since 2h
  caddy meta-webhook events discard 46395c4626bd01418dfd8c1bcd9482d8`,
	}
	group(cmd, newEventsListCommand(), newShowCommand(), newReplayCommand(), newDiscardCommand())
	return cmd
}
