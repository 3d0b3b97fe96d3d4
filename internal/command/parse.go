package command

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

type parseCommand struct {
	input  inputFlag
	pretty bool
}

func newParseCommand() *cobra.Command {
	var p parseCommand
	cmd := &cobra.Command{
		Use:   "parse [--file <path>] [--pretty]",
		Short: "Prints the events in a notification",
		Long: `
Reads a notification and prints the events that meta_webhook would deliver to
the app, as CloudEvents in JSON, one per line. Nothing is sent, and no signature
is needed.

The exit code is 2 if the body is not a valid notification; meta_webhook would
answer it with 400.
`,
		Example: `  caddy meta-webhook parse --file body.json
  caddy meta-webhook send --sample whatsapp-message --print | caddy meta-webhook parse --pretty`,
		Args: cobra.NoArgs,
		RunE: run(p.run),
	}
	p.input.register(cmd)
	cmd.Flags().BoolVar(&p.pretty, "pretty", false, "Indent the JSON")
	return cmd
}

func (p *parseCommand) run(cmd *cobra.Command) error {
	body, err := p.input.read(cmd)
	if err != nil {
		return err
	}
	events, err := event.Parse(body)
	if err != nil {
		return problem{fmt.Errorf("not a valid notification: %w", err)}
	}
	if len(events) == 0 {
		cmd.PrintErrln("The notification holds no events.")
	}
	var text bytes.Buffer
	for i := range events {
		// An event's data is formatted like the notification.
		line := events[i].AppendJSON(nil)
		if p.pretty {
			err = json.Indent(&text, line, "", "  ")
		} else {
			err = json.Compact(&text, line)
		}
		if err != nil {
			return err
		}
		text.WriteByte('\n')
	}
	_, err = text.WriteTo(cmd.OutOrStdout())
	return err
}
