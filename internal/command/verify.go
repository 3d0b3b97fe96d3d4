package command

import (
	"fmt"
	"net/http"

	"github.com/spf13/cobra"
)

type verifyCommand struct {
	callback callbackFlags
	token    secretFlag
	json     bool
}

func newVerifyCommand() *cobra.Command {
	v := verifyCommand{token: verifyTokenFlag()}
	cmd := &cobra.Command{
		Use:   "verify [--url <url>]",
		Short: "Sends a verification request, and says what is wrong with the answer",
		Long: `
Sends the request with which Meta verifies a callback URL, with a random
challenge, and compares the answer with what Meta wants. If it is not that, the
command says why: a redirect, HTML or other bytes around the challenge, another
status, a certificate of another name or authority, nothing that listens.

With --cert, it also says whether the server asks for a client certificate, and
whether it takes this one.

Meta reaches a callback URL from the internet, and trusts public authorities
alone. From where the command is run, both may look better than they are.

The exit code is 0 if Meta would take the URL, and 2 if not.
`,
		Example: `  caddy meta-webhook verify
  caddy meta-webhook verify --url https://webhooks.example.com/
  caddy meta-webhook verify --url https://webhooks.example.com/ --verify-token-file token
  caddy meta-webhook verify --url https://localhost/webhooks --cacert root.pem \
      --cert client.pem --key client.key`,
		Args: cobra.NoArgs,
		RunE: run(v.run),
	}
	v.callback.register(cmd)
	v.token.register(cmd)
	cmd.Flags().BoolVar(&v.json, "json", false, "Print the result as a line of JSON")
	return cmd
}

// A verifyReport is what --json prints of a verification.
type verifyReport struct {
	OK       bool    `json:"ok"`
	URL      string  `json:"url"`
	Status   int     `json:"status,omitempty"` // none: no answer
	Duration float64 `json:"duration_ms,omitempty"`
	Problem  string  `json:"problem,omitempty"`
}

func (v *verifyCommand) run(cmd *cobra.Command) error {
	to, err := v.callback.open()
	if err != nil {
		return err
	}
	defer to.Close()
	token, source, err := v.token.readFor(to.local)
	if err != nil {
		return err
	}
	a, problem := to.Verify(cmd.Context(), token)
	if a.Status == http.StatusForbidden {
		problem = fmt.Errorf("%w.\nThe verify token was taken from %s", problem, source)
	}
	if v.json {
		r := verifyReport{OK: problem == nil, URL: to.url.Redacted(), Status: a.Status, Duration: milliseconds(a.Took)}
		if problem != nil {
			r.Problem = problem.Error()
		}
		if err := printJSON(cmd, r); err != nil {
			return err
		}
	} else if problem == nil {
		fmt.Fprintf(cmd.OutOrStdout(), "%s in %s: %s gives the challenge back\n", a.StatusText(), short(a.Took), to.url.Redacted())
	}
	if problem != nil {
		return unsuccessful{problem}
	}
	return nil
}
