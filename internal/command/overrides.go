package command

import (
	"cmp"
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/graph"
)

func newOverridesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:        "overrides <command>",
		Short:      "Manages the callback URLs of WhatsApp accounts and numbers",
		SuggestFor: []string{"webhook_configuration"},
		Long: `
Manages the callback URLs that replace that of the app, for one WhatsApp Business
Account or one phone number. The URL of the number counts first, then that of the
account, then that of the app.

Overrides apply to messages, message_echoes, calls, consumer_profile,
messaging_handovers, standby, group_*, smb_message_echoes, smb_app_state_sync,
history and account_settings_update. All other fields, such as those of templates
and account_update, go to the callback URL of the app.

The access token in META_ACCESS_TOKEN or --access-token-file must have the
permission whatsapp_business_management. It decides for which app the override is.
`,
		Example: `  caddy meta-webhook subscriptions overrides list --waba-id 102290129340398
  caddy meta-webhook subscriptions overrides set --phone-number-id 106540352242922 \
      --callback https://webhooks.example.com/berlin
  caddy meta-webhook subscriptions overrides remove --phone-number-id 106540352242922`,
	}
	group(cmd, newListOverridesCommand(), newSetOverrideCommand(), newRemoveOverrideCommand())
	return cmd
}

type listOverridesCommand struct {
	to   connectionFlags
	json bool
}

func newListOverridesCommand() *cobra.Command {
	var l listOverridesCommand
	cmd := &cobra.Command{
		Use:   "list (--waba-id <id> | --phone-number-id <id>)",
		Short: "Lists the callback URLs of an app, an account and its numbers",
		Example: `  caddy meta-webhook subscriptions overrides list --waba-id 102290129340398
  caddy meta-webhook subscriptions overrides list --phone-number-id 106540352242922 --json`,
		Args: cobra.NoArgs,
		RunE: run(l.run),
	}
	l.to.register(cmd, accountFlag, numberFlag)
	cmd.Flags().BoolVar(&l.json, "json", false, "Print each phone number as a line of JSON")
	return cmd
}

func (l *listOverridesCommand) run(cmd *cobra.Command) error {
	client, err := l.to.open()
	if err != nil {
		return err
	}
	numbers := make([]graph.PhoneNumber, 1)
	if l.to.account != "" {
		numbers, err = client.PhoneNumbers(cmd.Context(), l.to.account)
	} else {
		numbers[0], err = client.PhoneNumber(cmd.Context(), l.to.number)
	}
	if err != nil {
		return problem{err}
	}
	if l.json {
		for _, n := range numbers {
			if err := printJSON(cmd, n); err != nil {
				return err
			}
		}
		return nil
	}
	if len(numbers) == 0 {
		cmd.PrintErrf("%s has no phone numbers.\n", &l.to)
		return nil
	}
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "LEVEL\tID\tPHONE NUMBER\tCALLBACK")
	row := func(level, id, number, callback string) {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", level, cmp.Or(id, "-"), cmp.Or(number, "-"), cmp.Or(callback, "-"))
	}
	common := numbers[0].Callbacks
	row("app", client.AppID, "", common.App)
	row("account", l.to.account, "", common.Account)
	for _, n := range numbers {
		row("number", n.ID, n.Number, n.Callbacks.PhoneNumber)
	}
	return table.Flush()
}

type setOverrideCommand struct {
	to       connectionFlags
	token    secretFlag
	callback string
}

func newSetOverrideCommand() *cobra.Command {
	s := setOverrideCommand{token: verifyTokenFlag()}
	cmd := &cobra.Command{
		Use:   "set (--waba-id <id> | --phone-number-id <id>) --callback <url>",
		Short: "Sets the callback URL of a WhatsApp account or number",
		Long: `
Sets the callback URL of a WhatsApp Business Account or a phone number. Meta
verifies it with the verify token at once, so the gateway must be running. The
app must already be subscribed to the account: see caddy meta-webhook
subscriptions apps.
`,
		Example: `  caddy meta-webhook subscriptions overrides set --waba-id 102290129340398 \
      --callback https://webhooks.example.com/berlin`,
		Args: cobra.NoArgs,
		RunE: run(s.run),
	}
	s.to.register(cmd, accountFlag, numberFlag)
	s.token.register(cmd)
	cmd.Flags().StringVar(&s.callback, "callback", "", "Callback URL (required)")
	_ = cmd.MarkFlagRequired("callback")
	return cmd
}

func (s *setOverrideCommand) run(cmd *cobra.Command) error {
	if err := checkCallback(cmd, s.callback); err != nil {
		return err
	}
	if len(s.callback) > graph.MaxOverride {
		return fmt.Errorf("--callback: must be at most %d characters", graph.MaxOverride)
	}
	client, err := s.to.open()
	if err != nil {
		return err
	}
	token, _, err := s.token.read()
	if err != nil {
		return err
	}
	override := graph.Override{URL: s.callback, VerifyToken: token}
	if s.to.account != "" {
		err = client.OverrideAccount(cmd.Context(), s.to.account, override)
	} else {
		err = client.OverridePhoneNumber(cmd.Context(), s.to.number, override)
	}
	if err != nil {
		return problem{err}
	}
	fmt.Fprintf(cmd.OutOrStdout(), "Meta sends notifications of %s to %s\n", &s.to, s.callback)
	return nil
}

type removeOverrideCommand struct{ to connectionFlags }

func newRemoveOverrideCommand() *cobra.Command {
	var r removeOverrideCommand
	cmd := &cobra.Command{
		Use:     "remove (--waba-id <id> | --phone-number-id <id>)",
		Short:   "Removes the callback URL of a WhatsApp account or number",
		Example: `  caddy meta-webhook subscriptions overrides remove --phone-number-id 106540352242922`,
		Args:    cobra.NoArgs,
		RunE:    run(r.run),
	}
	r.to.register(cmd, accountFlag, numberFlag)
	return cmd
}

func (r *removeOverrideCommand) run(cmd *cobra.Command) error {
	remove := r.fromNumber
	if r.to.account != "" {
		remove = r.fromAccount
	}
	if err := remove(cmd.Context()); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "The override of %s is removed\n", &r.to)
	return nil
}

func (r *removeOverrideCommand) fromNumber(ctx context.Context) error {
	client, err := r.to.open()
	if err != nil {
		return err
	}
	if err := client.OverridePhoneNumber(ctx, r.to.number, graph.Override{}); err != nil {
		return problem{err}
	}
	return nil
}

// fromAccount removes the override of an account. The call that does so would
// also subscribe an app that is not subscribed to the account.
func (r *removeOverrideCommand) fromAccount(ctx context.Context) error {
	client, err := r.to.openForApp()
	if err != nil {
		return err
	}
	apps, err := client.SubscribedApps(ctx, r.to.account)
	if err != nil {
		return problem{err}
	}
	if app := find(apps, client.AppID); app == nil || app.Override == "" {
		return problem{fmt.Errorf("app %s has no override for %s", client.AppID, &r.to)}
	}
	if err := client.SubscribeToAccount(ctx, r.to.account); err != nil {
		return problem{err}
	}
	return nil
}
