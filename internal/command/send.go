package command

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/observe"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/progress"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/sample"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/sender"
)

// Limits of one invocation.
const (
	maxUpdates = 100_000
	maxRepeats = 100_000
)

// fewRequests is the number of requests up to which each is printed.
const fewRequests = 10

type sendCommand struct {
	callback callbackFlags
	secret   secretFlag
	input    inputFlag

	sample          string
	updates, repeat int
	print, json     bool
}

func newSendCommand() *cobra.Command {
	s := sendCommand{secret: appSecretFlag()}
	cmd := &cobra.Command{
		Use:   "send [--sample <name> [--updates <n>] | --file <path>] [--url <url>]",
		Short: "Sends a signed notification",
		Long: `
Sends a notification to a callback URL, signed with the app secret like those of
the Test button in Meta's App Dashboard, and prints the status, the duration and
the body of the answer.

The notification is a sample with fresh IDs and times, or is read from a file or
stdin and sent unchanged.

Samples, and the types of their events:

` + sampleList() + `
Like Meta, send puts up to 1000 updates into one notification and splits more
into several. With --repeat, it sends the same notifications again, as Meta does
if the answer is not 200.

The exit code is 0 if all answers are 200, and 2 otherwise. Sending stops at the
first request without an answer.
`,
		Example: `  caddy meta-webhook send --sample whatsapp-message
  caddy meta-webhook send --sample page-feed --updates 1000
  caddy meta-webhook send --sample messenger-message --repeat 2
  caddy meta-webhook send --sample instagram-comment --print >body.json
  caddy meta-webhook send --file body.json --url https://webhooks.example.com/ \
      --cert client.pem --key client.key`,
		Args: cobra.NoArgs,
		RunE: run(s.run),
	}
	flags := cmd.Flags()
	s.callback.register(cmd)
	s.secret.register(cmd)
	s.input.register(cmd)
	flags.StringVar(&s.sample, "sample", "", "Sample to send: "+strings.Join(sample.Names(), ", "))
	flags.IntVar(&s.updates, "updates", 1, "Number of updates in the sample")
	flags.IntVar(&s.repeat, "repeat", 0, "Number of times to send the same notifications again")
	flags.BoolVar(&s.print, "print", false, "Print the notifications, one per line, without sending them")
	flags.BoolVar(&s.json, "json", false, "Print each answer as a line of JSON")
	cmd.MarkFlagsMutuallyExclusive("sample", "file")
	cmd.MarkFlagsMutuallyExclusive("updates", "file")
	completeWords(cmd, "sample", sample.Names())
	return cmd
}

// sampleList returns a table of the samples.
func sampleList() string {
	var b strings.Builder
	for _, s := range sample.All {
		fmt.Fprintf(&b, "  %-18s %s\n", s.Name, s.Type)
	}
	return b.String()
}

func (s *sendCommand) run(cmd *cobra.Command) error {
	bodies, err := s.notifications(cmd)
	if err != nil {
		return err
	}
	if s.print {
		for _, body := range bodies {
			fmt.Fprintf(cmd.OutOrStdout(), "%s\n", body)
		}
		return nil
	}
	to, err := s.callback.open()
	if err != nil {
		return err
	}
	defer to.Close()
	secret, source, err := s.secret.readFor(to.local)
	if err != nil {
		return err
	}
	return s.send(cmd, to, bodies, secret, source)
}

// notifications returns the bodies to send.
func (s *sendCommand) notifications(cmd *cobra.Command) ([][]byte, error) {
	switch {
	case s.updates < 1 || s.updates > maxUpdates:
		return nil, fmt.Errorf("--updates: must be between 1 and %d", maxUpdates)
	case s.repeat < 0 || s.repeat > maxRepeats:
		return nil, fmt.Errorf("--repeat: must be between 0 and %d", maxRepeats)
	case s.sample == "" && cmd.Flags().Changed("updates"):
		return nil, fmt.Errorf("--updates: requires --sample")
	case s.sample == "":
		body, err := s.input.read(cmd)
		return [][]byte{body}, err
	}
	kind, ok := sample.Find(s.sample)
	if !ok {
		return nil, unknownWord("sample", s.sample, sample.Names())
	}
	var bodies [][]byte
	for left := s.updates; left > 0; left -= sample.MaxUpdates {
		bodies = append(bodies, kind.Notification(min(left, sample.MaxUpdates), time.Now()))
	}
	return bodies, nil
}

// send sends the notifications and prints the answers.
func (s *sendCommand) send(cmd *cobra.Command, to *callback, bodies [][]byte, secret, source string) error {
	total := len(bodies) * (1 + s.repeat)
	few := total <= fewRequests
	var bar *progress.Bar
	if !few && !s.json {
		bar = progress.New(cmd.ErrOrStderr(), total)
		defer bar.Clear()
	}
	var (
		times  []time.Duration // of answers
		failed int
		last   error
	)
	for i := range total {
		body := bodies[i%len(bodies)]
		a, err := to.Notify(cmd.Context(), secret, body)
		if err == nil {
			err = to.Refusal(a)
		}
		if a.Status != 0 {
			times = append(times, a.Took)
		}
		if err != nil {
			failed++
			last = err
			if a.Status == http.StatusUnauthorized {
				last = fmt.Errorf("%w.\nThe app secret came from %s", err, source)
			}
		}
		if few || s.json || err != nil {
			bar.Clear()
			if err := s.report(cmd, a, len(body), err); err != nil {
				return err
			}
		}
		if a.Status == 0 {
			break
		}
		bar.Step()
	}
	bar.Clear()
	if total == 1 {
		if last != nil {
			return problem{last}
		}
		return nil
	}
	if !s.json && len(times) > 0 {
		slices.Sort(times)
		fmt.Fprintf(cmd.OutOrStdout(), "%d of %d answered 200; median %s, slowest %s\n",
			len(times)-failed, total, short(times[len(times)/2]), short(times[len(times)-1]))
	}
	if last != nil {
		return problem{fmt.Errorf("not every answer was 200; the last failure: %w", last)}
	}
	return nil
}

// A sendReport is what --json prints for a notification.
type sendReport struct {
	Status   int     `json:"status,omitempty"` // absent if there was no answer
	Duration float64 `json:"duration_ms,omitempty"`
	Bytes    int     `json:"bytes"`                // of the notification
	Repeats  int     `json:"duplicates,omitempty"` // events that were delivered before
	Answer   string  `json:"answer,omitempty"`
	Error    string  `json:"error,omitempty"`
}

// report prints the answer to a notification of the given size.
func (s *sendCommand) report(cmd *cobra.Command, a sender.Answer, bytes int, err error) error {
	if s.json {
		r := sendReport{Status: a.Status, Duration: milliseconds(a.Took), Bytes: bytes, Answer: string(a.Body)}
		r.Repeats, _ = strconv.Atoi(a.Header.Get(observe.DuplicatesHeader))
		if err != nil {
			r.Error = err.Error()
		}
		return printJSON(cmd, r)
	}
	if a.Status == 0 {
		return nil
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s in %s\n", a.StatusText(), short(a.Took))
	if n := a.Header.Get(observe.DuplicatesHeader); n != "" {
		fmt.Fprintf(cmd.OutOrStdout(), "  %s of its events came before, and not to the app again: they have the same id\n", n)
	}
	if len(a.Body) > 0 {
		fmt.Fprintf(cmd.OutOrStdout(), "  %s\n", sender.Quote(a.Body))
	}
	return nil
}

// short formats a duration, rounded to the digits that matter.
func short(d time.Duration) string {
	if d < 10*time.Millisecond {
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Millisecond).String()
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Round(time.Microsecond)) / float64(time.Millisecond)
}
