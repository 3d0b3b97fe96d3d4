package command

import (
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/admin"
)

// A pauseCommand pauses a destination, or resumes it.
type pauseCommand struct {
	admin   adminFlags
	handler string
	verb    string // pause or resume
	done    string
}

func newPauseCommand() *cobra.Command {
	p := &pauseCommand{verb: "pause", done: "Paused"}
	return p.command(&cobra.Command{
		Use:   "pause <destination>",
		Short: "Keeps a destination from being delivered to",
		Long: `
Begins no new attempt to deliver to a destination, until it is resumed. Attempts
that are under way come to their end. Its events are stored as always.
`,
		Example: `  caddy meta-webhook destinations pause crm`,
	})
}

func newResumeCommand() *cobra.Command {
	p := &pauseCommand{verb: "resume", done: "Resumed"}
	return p.command(&cobra.Command{
		Use:     "resume <destination>",
		Short:   "Delivers to a destination that was paused",
		Example: `  caddy meta-webhook destinations resume crm`,
	})
}

func (p *pauseCommand) command(cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.ExactArgs(1)
	cmd.RunE = runArgs(func(cmd *cobra.Command, args []string) error { return p.run(cmd, args[0]) })
	p.admin.register(cmd)
	cmd.Flags().StringVar(&p.handler, "handler", "", "Name of the handler, where several have destinations")
	p.admin.completeNames(cmd, "handler", handlerOf)
	cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return p.admin.names(destinationOf), cobra.ShellCompDirectiveNoFileComp
	}
	return cmd
}

func (p *pauseCommand) run(cmd *cobra.Command, destination string) error {
	query := url.Values{"destination": {destination}}
	if p.handler != "" {
		query.Set("handler", p.handler)
	}
	var now admin.Destination
	if err := p.admin.post(admin.DestinationsPath+"/"+p.verb, query, &now); err != nil {
		return err
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s %s of handler %s: %s, %d waiting, %d under way\n",
		p.done, printable(now.Destination, ""), now.Handler, now.State, now.Waiting, now.UnderWay)
	return err
}
