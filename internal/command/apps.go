package command

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/graph"
)

func newAppsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:        "apps <command>",
		Short:      "Manages the subscribed apps of a Page or a WhatsApp account",
		SuggestFor: []string{"subscribed_apps", "subscribed-apps"},
		Long: `
Manages the subscribed_apps of a Page or a WhatsApp Business Account. An app gets
no events of a Page or an account to which it is not subscribed. This is the most
common reason why a verified callback URL gets none.

The access token in META_ACCESS_TOKEN or --access-token-file must be that of the
Page, with the permission pages_manage_metadata, or of a system user or business
with whatsapp_business_management. It decides which app is meant.
`,
		Example: `  caddy meta-webhook subscriptions apps list --page-id 1067280970047460
  caddy meta-webhook subscriptions apps add --page-id 1067280970047460 --fields feed,messages
  caddy meta-webhook subscriptions apps add --waba-id 102290129340398`,
	}
	group(cmd, newListAppsCommand(), newAddAppCommand(), newRemoveAppCommand())
	return cmd
}

type listAppsCommand struct {
	to   connectionFlags
	json bool
}

func newListAppsCommand() *cobra.Command {
	var l listAppsCommand
	cmd := &cobra.Command{
		Use:     "list (--page-id <id> | --waba-id <id>)",
		Short:   "Lists the apps that get the events of a Page or a WhatsApp account",
		Example: `  caddy meta-webhook subscriptions apps list --waba-id 102290129340398`,
		Args:    cobra.NoArgs,
		RunE:    run(l.run),
	}
	l.to.register(cmd, pageFlag, accountFlag)
	cmd.Flags().BoolVar(&l.json, "json", false, "Print each app as a line of JSON")
	return cmd
}

func (l *listAppsCommand) run(cmd *cobra.Command) error {
	client, err := l.to.open()
	if err != nil {
		return err
	}
	id, _ := l.to.id()
	apps, err := client.SubscribedApps(cmd.Context(), id)
	if err != nil {
		return problem{err}
	}
	if err := l.print(cmd, apps); err != nil {
		return err
	}
	if app := client.AppID; app != "" && find(apps, app) == nil {
		cmd.PrintErrf("App %s is not subscribed to %s and gets none of its events.\n", app, &l.to)
	}
	return nil
}

func (l *listAppsCommand) print(cmd *cobra.Command, apps []graph.App) error {
	if l.json {
		for _, app := range apps {
			if err := printJSON(cmd, app); err != nil {
				return err
			}
		}
		return nil
	}
	if len(apps) == 0 {
		cmd.PrintErrf("No app is subscribed to %s.\n", &l.to)
		return nil
	}
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	if l.to.page != "" {
		fmt.Fprintln(table, "APP ID\tNAME\tFIELDS")
	} else {
		fmt.Fprintln(table, "APP ID\tNAME\tOVERRIDE")
	}
	for _, app := range apps {
		last := app.Override
		if l.to.page != "" {
			last = strings.Join(app.Fields, ", ")
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", app.ID, cmp.Or(app.Name, "-"), cmp.Or(last, "-"))
	}
	return table.Flush()
}

// find returns the app with an ID, or nil if there is none.
func find(apps []graph.App, id string) *graph.App {
	i := slices.IndexFunc(apps, func(a graph.App) bool { return a.ID == id })
	if i < 0 {
		return nil
	}
	return &apps[i]
}

type addAppCommand struct {
	to     connectionFlags
	fields []string
}

func newAddAppCommand() *cobra.Command {
	var a addAppCommand
	cmd := &cobra.Command{
		Use:   "add (--page-id <id> --fields <field,...> | --waba-id <id>)",
		Short: "Subscribes an app to a Page or a WhatsApp account",
		Long: `
Subscribes an app to a Page, for fields in addition to its other ones, or to a
WhatsApp Business Account, for all fields. The app gets only those fields to which
caddy meta-webhook subscriptions add subscribed it.

Subscribing to an account again would remove its override of the callback URL, so
the command leaves an app alone that is already subscribed to it.
`,
		Example: `  caddy meta-webhook subscriptions apps add --page-id 1067280970047460 --fields feed,messages
  caddy meta-webhook subscriptions apps add --waba-id 102290129340398`,
		Args: cobra.NoArgs,
		RunE: run(a.run),
	}
	a.to.register(cmd, pageFlag, accountFlag)
	cmd.Flags().StringSliceVar(&a.fields, "fields", nil, "Fields of the Page, separated by commas (required for a Page)")
	completeFields(cmd, new("page"))
	return cmd
}

func (a *addAppCommand) run(cmd *cobra.Command) error {
	switch {
	case a.to.page != "" && len(a.fields) == 0:
		return fmt.Errorf("--fields: required with --%s", pageFlag)
	case a.to.page == "" && len(a.fields) > 0:
		return fmt.Errorf("--fields: requires --%s; a WhatsApp Business Account has no fields of its own", pageFlag)
	}
	if err := checkFields(a.fields); err != nil {
		return err
	}
	client, err := a.to.openForApp()
	if err != nil {
		return err
	}
	id, _ := a.to.id()
	apps, err := client.SubscribedApps(cmd.Context(), id)
	if err != nil {
		return problem{err}
	}
	add := a.toAccount
	if a.to.page != "" {
		add = a.toPage
	}
	done, err := add(cmd.Context(), client, apps)
	if err != nil {
		return problem{err}
	}
	fmt.Fprintf(cmd.OutOrStdout(), "App %s is %s\n", client.AppID, done)
	return nil
}

// toPage subscribes the app to the fields, and to those that it has: Meta may end
// fields that are left out.
func (a *addAppCommand) toPage(ctx context.Context, client *graph.Client, apps []graph.App) (done string, err error) {
	fields := slices.Clone(a.fields)
	if app := find(apps, client.AppID); app != nil {
		fields = append(fields, app.Fields...)
	}
	slices.Sort(fields)
	fields = slices.Compact(fields)
	return fmt.Sprintf("subscribed to %s of %s", strings.Join(fields, ", "), &a.to), client.SubscribeToPage(ctx, a.to.page, fields)
}

// toAccount subscribes the app unless that could remove an override.
func (a *addAppCommand) toAccount(ctx context.Context, client *graph.Client, apps []graph.App) (done string, err error) {
	if find(apps, client.AppID) != nil {
		return fmt.Sprintf("already subscribed to %s", &a.to), nil
	}
	if i := slices.IndexFunc(apps, func(app graph.App) bool { return app.Override != "" }); i >= 0 {
		return "", fmt.Errorf("the access token may be that of app %s, whose override for %s would be removed; check --app-id", apps[i].ID, &a.to)
	}
	return fmt.Sprintf("subscribed to %s", &a.to), client.SubscribeToAccount(ctx, a.to.account)
}

type removeAppCommand struct{ to connectionFlags }

func newRemoveAppCommand() *cobra.Command {
	var r removeAppCommand
	cmd := &cobra.Command{
		Use:     "remove (--page-id <id> | --waba-id <id>)",
		Short:   "Unsubscribes an app from a Page or a WhatsApp account",
		Long:    "Unsubscribes the app of the access token from a Page or a WhatsApp Business Account.",
		Example: `  caddy meta-webhook subscriptions apps remove --page-id 1067280970047460`,
		Args:    cobra.NoArgs,
		RunE:    run(r.run),
	}
	r.to.register(cmd, pageFlag, accountFlag)
	return cmd
}

func (r *removeAppCommand) run(cmd *cobra.Command) error {
	client, err := r.to.open()
	if err != nil {
		return err
	}
	id, _ := r.to.id()
	if err := client.Unsubscribe(cmd.Context(), id); err != nil {
		return problem{err}
	}
	fmt.Fprintf(cmd.OutOrStdout(), "The app is unsubscribed from %s\n", &r.to)
	return nil
}
