package command

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/admin"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/observe"
)

func newStatusCommand() *cobra.Command {
	var (
		api             adminFlags
		asJSON, checked bool
	)
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Prints the status of the handlers of a running Caddy",
		Long: `
Asks the admin API of a running Caddy for the status of each meta_webhook handler
and prints one line per handler, and one per destination of stored events. Counts
start when a handler's configuration is first loaded. REFUSED counts requests that
failed a check, such as forged ones. With --json, every result has a count of its
own.

With --check, prints a line for each thing that a person has to look at, and exits
with 2 if there is any: no handler; every notification fails, or a destination is
down, for 10 minutes; an event has waited for an hour; dead events; a store that
fails or is damaged.
`,
		Example: `  caddy meta-webhook status
  caddy meta-webhook status --config /etc/caddy/Caddyfile --json
  caddy meta-webhook status --check`,
		Args: cobra.NoArgs,
		RunE: run(func(cmd *cobra.Command) error {
			if asJSON {
				var all json.RawMessage
				if err := api.get(admin.StatusPath, nil, &all); err != nil {
					return err
				}
				return printJSON(cmd, all)
			}
			var all []admin.Status
			if err := api.get(admin.StatusPath, nil, &all); err != nil {
				return err
			}
			if checked {
				return check(cmd, all, time.Now())
			}
			return printStatus(cmd.OutOrStdout(), all, time.Now())
		}),
	}
	api.register(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "Print the answer of the admin API, with a count per result")
	cmd.Flags().BoolVar(&checked, "check", false, "Print only what a person has to look at")
	cmd.MarkFlagsMutuallyExclusive("json", "check")
	return cmd
}

// printStatus prints a table of the handlers, and one of their destinations.
func printStatus(w io.Writer, all []admin.Status, now time.Time) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "No meta_webhook handler is running.")
		return err
	}
	t := newTable("NAME", "LAST NOTIFICATION", "LAST SUCCESS", "FAILING FOR", "IN FLIGHT", "UNDELIVERED", "OLDEST",
		"DELIVERED", "STORED", "DUPLICATE", "FAILED", "REFUSED")
	var destinations []admin.Destination
	for i := range all {
		s := &all[i]
		count := func(outcome string) string { return strconv.FormatUint(s.Events[outcome], 10) }
		t.add(s.Name, ago(s.LastNotification, now), ago(s.LastSuccess, now), lasting(s.FailingSince, now),
			strconv.Itoa(s.InFlight), undelivered(s), lasting(s.OldestUndelivered, now),
			count("delivered"), strconv.FormatUint(s.Events["stored"]+s.Events["unmatched"], 10), count("duplicate"), count("failed"), strconv.FormatUint(refused(s), 10))
		destinations = append(destinations, s.Destinations...)
	}
	if err := t.print(w); err != nil {
		return err
	}
	for i := range all {
		if s := &all[i]; s.StoreError != "" {
			fmt.Fprintf(w, "\nThe store of %s: %s\n", s.Name, printable(s.StoreError, ""))
		}
	}
	if len(destinations) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	return printDestinations(w, destinations, now)
}

// undelivered returns the number of undelivered events, with a + if there may
// be more.
func undelivered(s *admin.Status) string {
	if s.Undelivered >= observe.MostOwed {
		return strconv.Itoa(observe.MostOwed) + "+"
	}
	return strconv.Itoa(s.Undelivered)
}

// refused returns the number of requests that failed a check. All others were
// answered 200, or 5xx so that Meta sends them again.
func refused(s *admin.Status) (n uint64) {
	for _, counts := range []map[string]uint64{s.Verifications, s.Notifications} {
		for result, count := range counts {
			switch result {
			case "ok", "delivery_failed", "in_flight", "overloaded", "store_unavailable", "store_full", "store_busy":
			default:
				n += count
			}
		}
	}
	return n
}

// ago formats the time since t.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return lasting(t, now) + " ago"
}

// lasting formats the duration since a time, to the second.
func lasting(since, now time.Time) string {
	if since.IsZero() {
		return "-"
	}
	return max(0, now.Sub(since)).Round(time.Second).String()
}
