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
		Short: "Sends a verification request and explains the answer",
		Long: `
Sends the request with which Meta verifies a callback URL, with a random
challenge, and checks the answer. It explains what is wrong: HTML or other bytes
around the challenge, another status, a certificate for another name or from an
unknown authority, a port on which nothing listens. After a redirect, which Meta
does not follow, it looks for the right URL on the same host.

With --cert, it also reports whether the server asks for a client certificate
and accepts this one.

Meta connects from the internet and trusts public certificate authorities only,
so a callback URL that works from this machine may still fail for Meta.

The exit code is 0 if Meta would accept the URL, and 2 otherwise.
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

// A verifyReport is what --json prints for a verification.
type verifyReport struct {
	OK       bool    `json:"ok"`
	URL      string  `json:"url"`
	Status   int     `json:"status,omitempty"` // absent if there was no answer
	Duration float64 `json:"duration_ms,omitempty"`
	Problem  string  `json:"problem,omitempty"`
	Warning  string  `json:"warning,omitempty"`
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
	a, err := to.Verify(cmd.Context(), token)
	if a.Status == http.StatusForbidden {
		err = fmt.Errorf("%w.\nThe verify token came from %s", err, source)
	}
	warning := plusWarning(to.url)
	if warning != "" {
		cmd.PrintErrln("Warning:", warning)
	}
	if v.json {
		r := verifyReport{OK: err == nil, URL: to.url.Redacted(), Status: a.Status, Duration: milliseconds(a.Took), Warning: warning}
		if err != nil {
			r.Problem = err.Error()
		}
		if err := printJSON(cmd, r); err != nil {
			return err
		}
	} else if err == nil {
		fmt.Fprintf(cmd.OutOrStdout(), "%s in %s: %s returned the challenge\n", a.StatusText(), short(a.Took), to.url.Redacted())
	}
	if err != nil {
		return problem{err}
	}
	return nil
}
