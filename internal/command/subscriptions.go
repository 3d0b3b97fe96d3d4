package command

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/graph"
)

func newSubscriptionsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "subscriptions <command>",
		Short: "Manages where Meta sends the webhooks of an app",
		Long: `
Manages the webhook subscriptions of an app through the Graph API. Meta sends an
event to the callback URL of the app only if

  - the app is subscribed to the field of the object: list, add, remove; and
  - the Page or the WhatsApp Business Account has the app among its subscribed
    apps: apps.

A WhatsApp phone number or account may override the callback URL: overrides.

list, add and remove act as the app, with META_APP_ID and META_APP_SECRET, or with
the app access token in META_ACCESS_TOKEN. apps and overrides require the access
token of a Page or a system user in META_ACCESS_TOKEN.
`,
		Example: `  caddy meta-webhook subscriptions list
  caddy meta-webhook subscriptions add --object page --fields feed,mention \
      --callback https://webhooks.example.com/
  caddy meta-webhook subscriptions apps list --waba-id 102290129340398
  caddy meta-webhook subscriptions overrides list --waba-id 102290129340398`,
	}
	group(cmd, newListCommand(), newAddCommand(), newRemoveCommand(), newAppsCommand(), newOverridesCommand())
	return cmd
}

type listCommand struct {
	graph appFlags
	json  bool
}

func newListCommand() *cobra.Command {
	var l listCommand
	cmd := &cobra.Command{
		Use:     "list [--app-id <id>]",
		Short:   "Lists the subscriptions of an app",
		Example: `  caddy meta-webhook subscriptions list --json`,
		Args:    cobra.NoArgs,
		RunE:    run(l.run),
	}
	l.graph.register(cmd)
	cmd.Flags().BoolVar(&l.json, "json", false, "Print each subscription as a line of JSON")
	return cmd
}

func (l *listCommand) run(cmd *cobra.Command) error {
	client, err := l.graph.open()
	if err != nil {
		return err
	}
	subscriptions, err := client.Subscriptions(cmd.Context())
	if err != nil {
		return problem{err}
	}
	if l.json {
		for _, s := range subscriptions {
			if err := printJSON(cmd, s); err != nil {
				return err
			}
		}
		return nil
	}
	if len(subscriptions) == 0 {
		cmd.PrintErrln("The app has no subscriptions.")
		return nil
	}
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "OBJECT\tACTIVE\tCALLBACK\tFIELDS")
	for _, s := range subscriptions {
		fields := make([]string, len(s.Fields))
		for i, field := range s.Fields {
			fields[i] = field.Name
		}
		active := "no"
		if s.Active {
			active = "yes"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", s.Object, active, s.CallbackURL, strings.Join(fields, ", "))
	}
	return table.Flush()
}

type addCommand struct {
	graph            appFlags
	token            secretFlag
	object, callback string
	fields           []string
	includeValues    bool
}

func newAddCommand() *cobra.Command {
	a := addCommand{token: verifyTokenFlag()}
	cmd := &cobra.Command{
		Use:   "add --object <object> --fields <field,...> --callback <url>",
		Short: "Subscribes an app to fields of an object",
		Long: `
Subscribes the app to fields of an object, in addition to its other fields. Meta
verifies the callback URL with the verify token at once, so the gateway must be
running. An object has one callback URL: a new one replaces the old one.

Events arrive only from Pages and WhatsApp Business Accounts to which the app is
subscribed as well: see caddy meta-webhook subscriptions apps.
`,
		Example: `  caddy meta-webhook subscriptions add --object whatsapp_business_account \
      --fields messages --callback https://webhooks.example.com/`,
		Args: cobra.NoArgs,
		RunE: run(a.run),
	}
	a.graph.register(cmd)
	a.token.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&a.object, "object", "", "Object, such as user, page or whatsapp_business_account (required)")
	flags.StringSliceVar(&a.fields, "fields", nil, "Fields, separated by commas (required)")
	flags.StringVar(&a.callback, "callback", "", "Callback URL (required)")
	flags.BoolVar(&a.includeValues, "include-values", true, "Have Meta send the changed values, not only the names of the fields")
	completeWords(cmd, "object", graph.Objects())
	completeFields(cmd, &a.object)
	for _, flag := range []string{"object", "fields", "callback"} {
		_ = cmd.MarkFlagRequired(flag)
	}
	return cmd
}

// errInstagram is the error for the one object that the Graph API does not
// support.
var errInstagram = errors.New("--object: instagram can only be subscribed to in the App Dashboard: " +
	"open the webhooks of the app's Instagram product there, and use the same callback URL and verify token")

// check checks the flags before anything is sent.
func (a *addCommand) check(cmd *cobra.Command) error {
	if strings.EqualFold(a.object, "instagram") {
		return errInstagram
	}
	if !slices.Contains(graph.Objects(), a.object) {
		return unknownWord("object", a.object, graph.Objects())
	}
	if err := checkFields(a.fields); err != nil {
		return err
	}
	return checkCallback(cmd, a.callback)
}

// checkFields trims the names of fields and returns an error if one is empty.
// Meta knows which ones exist.
func checkFields(fields []string) error {
	for i := range fields {
		if fields[i] = strings.TrimSpace(fields[i]); fields[i] == "" {
			return errors.New("--fields: a name is empty")
		}
	}
	return nil
}

func (a *addCommand) run(cmd *cobra.Command) error {
	if err := a.check(cmd); err != nil {
		return err
	}
	client, err := a.graph.open()
	if err != nil {
		return err
	}
	token, _, err := a.token.read()
	if err != nil {
		return err
	}
	err = client.AddSubscription(cmd.Context(), graph.Addition{
		Object:        a.object,
		Fields:        a.fields,
		CallbackURL:   a.callback,
		VerifyToken:   token,
		IncludeValues: a.includeValues,
	})
	if err != nil {
		return problem{err}
	}
	fmt.Fprintf(cmd.OutOrStdout(), "Subscribed to %s of %s. Meta sends notifications to %s\n", strings.Join(a.fields, ", "), a.object, a.callback)
	return nil
}

type removeCommand struct {
	graph  appFlags
	object string
	fields []string
}

func newRemoveCommand() *cobra.Command {
	var r removeCommand
	cmd := &cobra.Command{
		Use:   "remove --object <object> [--fields <field,...>]",
		Short: "Unsubscribes an app from an object, or from fields of it",
		Example: `  caddy meta-webhook subscriptions remove --object page --fields mention
  caddy meta-webhook subscriptions remove --object user`,
		Args: cobra.NoArgs,
		RunE: run(r.run),
	}
	r.graph.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&r.object, "object", "", "Object (required)")
	flags.StringSliceVar(&r.fields, "fields", nil, "Fields, separated by commas (default: all fields of the object)")
	completeWords(cmd, "object", graph.Objects())
	completeFields(cmd, &r.object)
	_ = cmd.MarkFlagRequired("object")
	return cmd
}

func (r *removeCommand) run(cmd *cobra.Command) error {
	if strings.EqualFold(r.object, "instagram") {
		return errInstagram
	}
	if err := checkFields(r.fields); err != nil {
		return err
	}
	client, err := r.graph.open()
	if err != nil {
		return err
	}
	if err := client.RemoveSubscription(cmd.Context(), r.object, r.fields); err != nil {
		return problem{err}
	}
	what := r.object
	if len(r.fields) > 0 {
		what = strings.Join(r.fields, ", ") + " of " + r.object
	}
	fmt.Fprintf(cmd.OutOrStdout(), "Unsubscribed from %s\n", what)
	return nil
}
