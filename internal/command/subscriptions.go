package command

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/graph"
)

func newSubscriptionsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "subscriptions <command>",
		Short: "Lists, adds and removes an app's subscriptions",
		Long: `
Manages the webhook subscriptions of an app by the Graph API, as the App
Dashboard does. It speaks for the app with its app access token, META_ACCESS_TOKEN,
or with META_APP_ID and META_APP_SECRET, of which that token is made.
`,
		Example: `  caddy meta-webhook subscriptions list
  caddy meta-webhook subscriptions add --object page --fields feed,mention \
      --callback https://webhooks.example.com/
  caddy meta-webhook subscriptions remove --object page --fields mention`,
	}
	group(cmd, newListCommand(), newAddCommand(), newRemoveCommand())
	return cmd
}

type listCommand struct {
	graph graphFlags
	json  bool
}

func newListCommand() *cobra.Command {
	var l listCommand
	cmd := &cobra.Command{
		Use:     "list [--app-id <id>]",
		Short:   "Lists an app's subscriptions",
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
	subscriptions, err := client.List(cmd.Context())
	if err != nil {
		return unsuccessful{err}
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
		cmd.PrintErrln("This app has no subscriptions.")
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
	graph            graphFlags
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
Subscribes the app to fields of an object, beside those it is subscribed to.
Meta verifies the callback URL with the verify token at once, so the gateway has
to run already. An object has one callback URL: this one replaces another.

That the app is subscribed is one half. Pages and WhatsApp business accounts
have to be connected to the app as well.
`,
		Example: `  caddy meta-webhook subscriptions add --object whatsapp_business_account \
      --fields messages --callback https://webhooks.example.com/`,
		Args: cobra.NoArgs,
		RunE: run(a.run),
	}
	a.graph.register(cmd)
	a.token.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&a.object, "object", "", "The object, such as user, page, whatsapp_business_account (required)")
	flags.StringSliceVar(&a.fields, "fields", nil, "The fields, with commas between them (required)")
	flags.StringVar(&a.callback, "callback", "", "The callback URL (required)")
	flags.BoolVar(&a.includeValues, "include-values", true, "Have Meta send what has changed, and not just the names of fields")
	for _, flag := range []string{"object", "fields", "callback"} {
		_ = cmd.MarkFlagRequired(flag)
	}
	return cmd
}

// errInstagram is about the one object that the Graph API's edge does not take.
var errInstagram = errors.New("--object: Meta takes subscriptions to instagram in the App Dashboard only: " +
	"open the app there, and the webhooks of its Instagram product. The callback URL and the verify token are the same as here")

func (a *addCommand) run(cmd *cobra.Command) error {
	if strings.EqualFold(a.object, "instagram") {
		return errInstagram
	}
	client, err := a.graph.open()
	if err != nil {
		return err
	}
	token, _, err := a.token.read()
	if err != nil {
		return err
	}
	err = client.Add(cmd.Context(), graph.Addition{
		Object:        a.object,
		Fields:        a.fields,
		CallbackURL:   a.callback,
		VerifyToken:   token,
		IncludeValues: a.includeValues,
	})
	if err != nil {
		return unsuccessful{err}
	}
	fmt.Fprintf(cmd.OutOrStdout(), "Subscribed to %s of %s. Meta sends to %s\n", strings.Join(a.fields, ", "), a.object, a.callback)
	return nil
}

type removeCommand struct {
	graph  graphFlags
	object string
	fields []string
}

func newRemoveCommand() *cobra.Command {
	var r removeCommand
	cmd := &cobra.Command{
		Use:   "remove --object <object> [--fields <field,...>]",
		Short: "Ends an app's subscription to an object, or to fields of it",
		Example: `  caddy meta-webhook subscriptions remove --object page --fields mention
  caddy meta-webhook subscriptions remove --object user`,
		Args: cobra.NoArgs,
		RunE: run(r.run),
	}
	r.graph.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&r.object, "object", "", "The object (required)")
	flags.StringSliceVar(&r.fields, "fields", nil, "The fields, with commas between them; none: all of the object's")
	_ = cmd.MarkFlagRequired("object")
	return cmd
}

func (r *removeCommand) run(cmd *cobra.Command) error {
	if strings.EqualFold(r.object, "instagram") {
		return errInstagram
	}
	client, err := r.graph.open()
	if err != nil {
		return err
	}
	if err := client.Remove(cmd.Context(), r.object, r.fields); err != nil {
		return unsuccessful{err}
	}
	what := r.object
	if len(r.fields) > 0 {
		what = strings.Join(r.fields, ", ") + " of " + r.object
	}
	fmt.Fprintf(cmd.OutOrStdout(), "Not subscribed to %s any more\n", what)
	return nil
}
