package command

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/caddyserver/caddy/v2"
)

func newStatusCommand() *cobra.Command {
	var (
		c      statusCall
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Prints the status of the handlers of a running Caddy",
		Long: `
Asks the admin API of a running Caddy for the status of each meta_webhook handler
and prints one line per handler. Counts start when a handler's configuration is
first loaded. REFUSED counts requests that failed a check, such as forged ones.
With --json, every result has a count of its own.
`,
		Example: `  caddy meta-webhook status
  caddy meta-webhook status --config /etc/caddy/Caddyfile --json`,
		Args: cobra.NoArgs,
		RunE: run(func(cmd *cobra.Command) error {
			answer, err := c.get()
			if err != nil {
				return err
			}
			defer answer.Close()
			if asJSON {
				_, err = io.Copy(cmd.OutOrStdout(), answer)
				return err
			}
			return printStatus(cmd.OutOrStdout(), answer, time.Now())
		}),
	}
	flags := cmd.Flags()
	flags.BoolVar(&asJSON, "json", false, "Print the answer of the admin API, with a count per result")
	flags.StringVar(&c.address, "address", "", "Address of the admin API (default: from --config, else "+caddy.DefaultAdminListen+")")
	flags.StringVarP(&c.config, "config", "c", "", "Configuration file to read the address of the admin API from")
	flags.StringVarP(&c.adapter, "adapter", "a", "", "Name of the config adapter to apply to --config")
	return cmd
}

// statusPath is the path of the status in the admin API.
const statusPath = "/meta_webhook/status"

// maxUndelivered is the number at which the admin API stops counting
// undelivered events.
const maxUndelivered = 10_000

// A status is that of the handlers of one name, as the admin API reports it.
type status struct {
	Name string `json:"name"`

	LastNotification time.Time `json:"last_notification"`
	LastSuccess      time.Time `json:"last_success"`
	FailingSince     time.Time `json:"failing_since"`

	InFlight          int       `json:"in_flight"`
	Undelivered       int       `json:"undelivered"`
	OldestUndelivered time.Time `json:"oldest_undelivered"`

	Verifications map[string]uint64 `json:"verifications"` // by result
	Notifications map[string]uint64 `json:"notifications"` // by result
	Events        map[string]uint64 `json:"events"`        // by outcome
}

// A statusCall holds the flags that locate the admin API.
type statusCall struct{ address, config, adapter string }

// get returns the answer of the admin API. The caller must close it.
func (c *statusCall) get() (io.ReadCloser, error) {
	address, err := caddycmd.DetermineAdminAPIAddress(c.address, nil, c.config, c.adapter)
	if err != nil {
		return nil, err
	}
	answer, err := caddycmd.AdminAPIRequest(address, http.MethodGet, statusPath, nil, nil)
	if err != nil {
		return nil, problem{fmt.Errorf("requesting the status from the admin API at %s: %v", address, err)}
	}
	return answer.Body, nil
}

// printStatus prints an answer of the admin API as a table.
func printStatus(w io.Writer, from io.Reader, now time.Time) error {
	var all []status
	if err := json.NewDecoder(from).Decode(&all); err != nil {
		return problem{fmt.Errorf("reading the status: %v", err)}
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "No meta_webhook handler is running.")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tLAST NOTIFICATION\tLAST SUCCESS\tFAILING FOR\tIN FLIGHT\tUNDELIVERED\tOLDEST\tDELIVERED\tDUPLICATE\tFAILED\tREFUSED")
	for i := range all {
		s := &all[i]
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%d\t%d\t%d\t%d\n", s.Name,
			ago(s.LastNotification, now), ago(s.LastSuccess, now), lasting(s.FailingSince, now),
			s.InFlight, s.undelivered(), lasting(s.OldestUndelivered, now),
			s.Events["delivered"], s.Events["duplicate"], s.Events["failed"], s.refused())
	}
	return table.Flush()
}

// undelivered returns the number of undelivered events, with a + if there may
// be more.
func (s *status) undelivered() string {
	if s.Undelivered >= maxUndelivered {
		return strconv.Itoa(maxUndelivered) + "+"
	}
	return strconv.Itoa(s.Undelivered)
}

// refused returns the number of requests that failed a check. All others were
// answered 200, or 5xx so that Meta sends them again.
func (s *status) refused() (n uint64) {
	for _, counts := range []map[string]uint64{s.Verifications, s.Notifications} {
		for result, count := range counts {
			switch result {
			case "ok", "delivery_failed", "in_flight", "overloaded", "dedup_unavailable", "store_full", "store_busy":
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
