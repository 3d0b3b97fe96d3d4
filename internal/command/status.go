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

// newStatusCommand returns the command that prints the status of the handlers of
// a running Caddy.
func newStatusCommand() *cobra.Command {
	var (
		c      statusCall
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Shows what has become of what Meta has sent",
		Long: `
Asks the admin API of a running Caddy what has become of what came for each
meta_webhook handler since its configuration was first loaded, and prints a line
for each. REFUSED are requests that were refused for what they were, such as
forged ones. With --json, results are told one by one.
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
	flags.BoolVar(&asJSON, "json", false, "Print JSON, with the results one by one")
	flags.StringVar(&c.address, "address", "", "Address of the admin API. Default: that of --config, else "+caddy.DefaultAdminListen)
	flags.StringVarP(&c.config, "config", "c", "", "Configuration that tells the address of the admin API")
	flags.StringVarP(&c.adapter, "adapter", "a", "", "Name of the adapter for --config, if it is not in JSON")
	return cmd
}

// statusPath is where the admin API shows the status.
const statusPath = "/meta_webhook/status"

// mostUndelivered is how many undelivered events the admin API counts.
const mostUndelivered = 10_000

// A status is what the admin API tells of the handlers of one name. A time is
// zero when there is none.
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

// A statusCall is whom to ask for the status.
type statusCall struct{ address, config, adapter string }

// get returns the answer of the admin API.
func (c *statusCall) get() (io.ReadCloser, error) {
	address, err := caddycmd.DetermineAdminAPIAddress(c.address, nil, c.config, c.adapter)
	if err != nil {
		return nil, err
	}
	answer, err := caddycmd.AdminAPIRequest(address, http.MethodGet, statusPath, nil, nil)
	if err != nil {
		return nil, unsuccessful{fmt.Errorf("asking the admin API at %s: %v", address, err)}
	}
	return answer.Body, nil
}

// printStatus prints a table of the statuses that are in JSON.
func printStatus(w io.Writer, from io.Reader, now time.Time) error {
	var all []status
	if err := json.NewDecoder(from).Decode(&all); err != nil {
		return unsuccessful{fmt.Errorf("reading the status: %v", err)}
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

// undelivered tells how many events failed; more are not counted.
func (s *status) undelivered() string {
	if s.Undelivered >= mostUndelivered {
		return strconv.Itoa(mostUndelivered) + "+"
	}
	return strconv.Itoa(s.Undelivered)
}

// refused returns how many requests were refused for what they were.
func (s *status) refused() (n uint64) {
	for _, counts := range []map[string]uint64{s.Verifications, s.Notifications} {
		for result, count := range counts {
			switch result {
			case "ok", "delivery_failed", "dedup_unavailable", "in_flight":
			default:
				n += count
			}
		}
	}
	return n
}

// ago tells how long ago something was.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return lasting(t, now) + " ago"
}

// lasting tells how long something has lasted, to the second.
func lasting(since, now time.Time) string {
	if since.IsZero() {
		return "-"
	}
	return max(0, now.Sub(since)).Round(time.Second).String()
}
