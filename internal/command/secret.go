package command

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// A secretFlag is the flag for the file of a secret, which can also be set in
// the environment. There is no flag for the secret itself: other users of the
// machine can read command lines.
type secretFlag struct {
	what        string // the secret, in words
	flag        string // name of the flag
	variable    string // in the environment
	development string // value in example.Caddyfile

	path string // of the file
}

func appSecretFlag() secretFlag {
	return secretFlag{what: "app secret", flag: "secret-file", variable: "META_APP_SECRET", development: "development-secret"}
}

func verifyTokenFlag() secretFlag {
	return secretFlag{what: "verify token", flag: "verify-token-file", variable: "META_VERIFY_TOKEN", development: "development-token"}
}

func (s *secretFlag) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.path, s.flag, "", fmt.Sprintf("File with the %s (default: $%s)", s.what, s.variable))
}

// given reports whether a file or the environment provides the secret.
func (s *secretFlag) given() bool { return s.path != "" || os.Getenv(s.variable) != "" }

// read returns the secret and where it was found.
func (s *secretFlag) read() (secret, source string, err error) {
	if s.path != "" {
		content, err := os.ReadFile(s.path)
		if err != nil {
			return "", "", fmt.Errorf("--%s: %w", s.flag, err)
		}
		// like the {file.*} placeholder
		secret = strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
		if strings.TrimSpace(secret) == "" {
			return "", "", fmt.Errorf("--%s: %s is empty", s.flag, s.path)
		}
		return secret, s.path, nil
	}
	if secret = os.Getenv(s.variable); strings.TrimSpace(secret) == "" {
		return "", "", fmt.Errorf("missing %s: set %s or use --%s", s.what, s.variable, s.flag)
	}
	return secret, s.variable, nil
}

// readFor is like read, but returns the secret for development if none is given
// and the callback URL is on this machine. No other host should ever accept that
// one.
func (s *secretFlag) readFor(local bool) (secret, source string, err error) {
	if local && !s.given() {
		return s.development, "example.Caddyfile, because " + s.variable + " is not set", nil
	}
	return s.read()
}
