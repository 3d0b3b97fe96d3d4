// Package command provides caddy meta-webhook, the subcommands of Caddy that
// test, debug and operate a gateway.
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
		Short: "Tests, debugs and operates Meta's webhooks",
		Long: `
Sends what Meta would send, explains what is wrong with the answer, manages an
app's webhook subscriptions, shows what a running Caddy stores for destinations,
to pause them and to deliver events again, and checks the folder of a store.

The defaults match the example.Caddyfile of the meta_webhook plugin: the
callback URL http://localhost:8080/webhooks, and the token and secret for
development. Any other host needs your own. Secrets are read from the
environment or from files, never from the command line:

  META_APP_SECRET     or --secret-file         app secret
  META_VERIFY_TOKEN   or --verify-token-file   verify token
  META_ACCESS_TOKEN   or --access-token-file   access token of the Graph API
  META_APP_ID         or --app-id              app ID
  LISTEN_TOKEN        or --token-file          token of a gateway's listen
  WEBHOOK_SECRET      or --secret-file         secret that listen signs with

Exit codes:

  0   Success.
  1   Usage error: a flag, a secret or a file is missing or invalid. Nothing was
      sent.
  2   The command found a problem: no answer, an answer other than 200, a failed
      verification, an error of the Graph API or of the admin API, a body that is
      not a valid notification, a store that is damaged.
`,
		CobraFunc: setUpCommand,
	})
}

func setUpCommand(cmd *cobra.Command) {
	cmd.Example = `  caddy meta-webhook send --sample whatsapp-message
  caddy meta-webhook verify --url https://webhooks.example.com/
  caddy meta-webhook subscriptions list`
	cmd.SetFlagErrorFunc(suggestFlags)
	group(
		cmd,
		newDestinationsCommand(),
		newEventsCommand(),
		newListenCommand(),
		newParseCommand(),
		newSendCommand(),
		newSignCommand(),
		newStatusCommand(),
		newStoreCommand(),
		newSubscriptionsCommand(),
		newVerifyCommand(),
	)
	completeNoFiles(cmd)
}

// group adds subcommands to a command that prints its help when it is run
// without one.
func group(cmd *cobra.Command, commands ...*cobra.Command) {
	cmd.AddCommand(commands...)
	cmd.Args = subcommandsOnly
	cmd.DisableFlagsInUseLine = true
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
}

// exitProblem is the exit code of a command that found a problem. All other
// errors are usage errors.
const exitProblem = 2

// A problem is an error that a command found in what it tests, as opposed to a
// usage error.
type problem struct{ error }

// Unwrap returns the error itself.
func (p problem) Unwrap() error { return p.error }

// run returns f as the RunE of a command without arguments.
func run(f func(*cobra.Command) error) func(*cobra.Command, []string) error {
	return runArgs(func(cmd *cobra.Command, _ []string) error { return f(cmd) })
}

// runArgs returns f as the RunE of a command. Errors are printed to stderr.
func runArgs(f func(*cobra.Command, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		err := f(cmd, args)
		if err != nil {
			err = shown{err}
		}
		if _, ok := errors.AsType[problem](err); !ok {
			return err // cobra prints it, and the exit code is 1
		}
		cmd.PrintErrln(cmd.ErrPrefix(), err.Error())
		cmd.SilenceErrors = true
		// Caddy takes exit codes above 1 only from its own type of error.
		exit := func(caddycmd.Flags) (int, error) { return exitProblem, nil }
		return caddycmd.WrapCommandFuncForCobra(exit)(cmd, args)
	}
}

// A shown error may have a text of strangers in it, which a terminal shows and
// does not obey.
type shown struct{ error }

// Error implements error.
func (s shown) Error() string { return printable(s.error.Error(), "\n\t") }

// Unwrap returns the error itself.
func (s shown) Unwrap() error { return s.error }

// printJSON prints v to stdout, on one line.
func printJSON(cmd *cobra.Command, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", text)
	return err
}
