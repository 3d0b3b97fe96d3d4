package command

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/sender"
)

type signCommand struct {
	secret secretFlag
	input  inputFlag
}

func newSignCommand() *cobra.Command {
	s := signCommand{secret: appSecretFlag()}
	cmd := &cobra.Command{
		Use:   "sign [--file <path>]",
		Short: "Prints the signature header of a body",
		Long: `
Prints the X-Hub-Signature-256 header with which Meta would send a body. The
signature is an HMAC over every byte, including a line break at the end.

The app secret must be set in META_APP_SECRET or with --secret-file.
`,
		Example: `  caddy meta-webhook sign --file body.json
  curl -H "$(caddy meta-webhook sign --file body.json)" \
      --data-binary @body.json http://localhost:8080/webhooks`,
		Args: cobra.NoArgs,
		RunE: run(s.run),
	}
	s.secret.register(cmd)
	s.input.register(cmd)
	return cmd
}

func (s *signCommand) run(cmd *cobra.Command) error {
	secret, _, err := s.secret.read()
	if err != nil {
		return err
	}
	body, err := s.input.read(cmd)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", sender.SignatureHeader, sender.Sign(secret, body))
	return err
}
