package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/admin"
)

type showCommand struct {
	admin adminFlags
	json  bool
}

func newShowCommand() *cobra.Command {
	var s showCommand
	cmd := &cobra.Command{
		Use:   "show <id>",
		Short: "Prints all that is stored of an event",
		Long: `
Prints what an event is, each of its deliveries with every attempt and the start of
the app's answer, what came with it, and its body. An event that came again after
its window was stored again, and is printed again, the latest first.
`,
		Example: `  caddy meta-webhook events show 46395c4626bd01418dfd8c1bcd9482d8
  caddy meta-webhook events show 46395c4626bd01418dfd8c1bcd9482d8 --json`,
		Args: cobra.ExactArgs(1),
		RunE: runArgs(func(cmd *cobra.Command, args []string) error { return s.run(cmd, args[0]) }),
	}
	s.admin.register(cmd)
	cmd.Flags().BoolVar(&s.json, "json", false, "Print each story as a line of JSON")
	return cmd
}

func (s *showCommand) run(cmd *cobra.Command, id string) error {
	if !admin.IsID(id) {
		return fmt.Errorf("%q is not an event's id, which has 32 hex digits", id)
	}
	var stories []admin.Story
	if err := s.admin.get(admin.EventsPath+"/"+id, nil, &stories); err != nil {
		return err
	}
	for i := range stories {
		if s.json {
			if err := printJSON(cmd, &stories[i]); err != nil {
				return err
			}
			continue
		}
		if i > 0 {
			fmt.Fprintln(cmd.OutOrStdout())
		}
		fmt.Fprint(cmd.OutOrStdout(), printable(tell(&stories[i]), "\n\t"))
	}
	return nil
}

// tell returns an event's story as a text.
func tell(s *admin.Story) string {
	var text strings.Builder
	for _, line := range [][2]string{
		{"id", s.ID},
		{"handler", s.Handler},
		{"object", s.Object},
		{"entry", s.Entry},
		{"field", s.Field},
		{"kind", s.Kind},
		{"subject", s.Subject},
		{"conversation", s.Conversation},
		{"received", moment(s.Received)},
	} {
		if line[1] != "" {
			fmt.Fprintf(&text, "%-14s%s\n", line[0], line[1])
		}
	}
	for i := range s.Deliveries {
		tellDelivery(&text, &s.Deliveries[i])
	}
	if len(s.Origin) > 0 {
		fmt.Fprintf(&text, "\ncame with\n%s\n", indented(s.Origin))
	}
	fmt.Fprintf(&text, "\nbody\n%s\n", indented([]byte(s.Body)))
	return text.String()
}

func tellDelivery(text *strings.Builder, d *admin.Delivery) {
	to := d.Destination
	if d.Replay {
		to += " (replay)"
	}
	fmt.Fprintf(text, "\n%s: %s, since %s", to, d.State, moment(d.Since))
	if !d.Settled.IsZero() {
		fmt.Fprintf(text, ", settled %s", moment(d.Settled))
	} else if !d.Due.IsZero() {
		fmt.Fprintf(text, ", due %s", moment(d.Due))
	}
	text.WriteByte('\n')
	for i := range d.Attempts {
		a := &d.Attempts[i]
		status := "-"
		if a.Status != 0 {
			status = strconv.Itoa(a.Status)
		}
		took := time.Duration(a.Took * float64(time.Second)).Round(100 * time.Microsecond)
		line := fmt.Sprintf("  %s  %s  %8s  %s  %s", moment(a.Started), status, took, a.Cause, a.Error)
		fmt.Fprintln(text, strings.TrimRight(line, " "))
		if a.Answer != "" {
			fmt.Fprintf(text, "    %s\n", strings.ReplaceAll(strings.TrimSpace(a.Answer), "\n", "\n    "))
		}
	}
}

// moment formats a time on this machine's clock.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05.000")
}

// indented returns JSON for people, or any other text unchanged.
func indented(text []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, text, "", "  ") != nil {
		return string(text)
	}
	return b.String()
}
