// Package command provides caddy meta-webhook, the commands that try out and
// debug a gateway.
package command

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "meta-webhook",
		Usage: "<command>",
		Short: "Tries out and debugs Meta's webhooks",
		Long: `
Sends what Meta would send, says what is wrong with the answer, and looks after
an app's subscriptions.

Without options, the commands fit the example.Caddyfile of the meta_webhook
plugin: they speak to http://localhost:8080/webhooks with its token and secret
for development. For another host than this machine they want your own. Secrets
come from the environment or from files, never from the command line:

  META_APP_SECRET     or --secret-file         the app secret
  META_VERIFY_TOKEN   or --verify-token-file   the verify token
  META_ACCESS_TOKEN   or --access-token-file   the app access token
  META_APP_ID         or --app-id              the app's id

Exit codes:

  0   All is well.
  1   The command cannot be run so: an option, a secret or a file is missing
      or wrong. Nothing was sent.
  2   It was run, and something is wrong: no answer, an answer other than 200,
      a verification that fails, an error of the Graph API, a body that is no
      notification.
`,
		CobraFunc: setUpCommand,
	})
}

func setUpCommand(cmd *cobra.Command) {
	cmd.Example = `  caddy meta-webhook send --sample whatsapp-message
  caddy meta-webhook verify --url https://webhooks.example.com/
  caddy meta-webhook subscriptions list`
	group(
		cmd,
		newEventsCommand(),
		newSendCommand(),
		newSignCommand(),
		newStatusCommand(),
		newSubscriptionsCommand(),
		newVerifyCommand(),
	)
}

// group makes a command that does nothing but hold others. It is an error to
// name one that is not there.
func group(cmd *cobra.Command, commands ...*cobra.Command) {
	cmd.AddCommand(commands...)
	cmd.Args = cobra.NoArgs
	cmd.DisableFlagsInUseLine = true
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
}

// exitUnsuccessful is the exit code of a command that was run and has found
// something wrong. Every other error is of how it was called.
const exitUnsuccessful = 2

// unsuccessful marks an error as what a command has found.
type unsuccessful struct{ error }

// Unwrap returns the error itself.
func (u unsuccessful) Unwrap() error { return u.error }

// run makes a command's RunE of a function. Errors go to stderr.
func run(f func(*cobra.Command) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		err := f(cmd)
		if _, ok := errors.AsType[unsuccessful](err); !ok {
			return err // which cobra prints; the exit code is 1
		}
		cmd.PrintErrln(cmd.ErrPrefix(), err.Error())
		cmd.SilenceErrors = true
		// Caddy takes an exit code above 1 only in an error of its own making.
		exit := func(caddycmd.Flags) (int, error) { return exitUnsuccessful, nil }
		return caddycmd.WrapCommandFuncForCobra(exit)(cmd, args)
	}
}

// printJSON prints v on a line of stdout.
func printJSON(cmd *cobra.Command, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", text)
	return err
}
