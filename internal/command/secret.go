package command

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// A secretFlag is a secret that a command needs. It comes from a file or from
// the environment, and never from the command line, which every user of a
// machine can read.
type secretFlag struct {
	what        string // it is
	flag        string // for its file
	variable    string // of the environment
	development string // what example.Caddyfile has

	path string
}

func appSecretFlag() secretFlag {
	return secretFlag{what: "app secret", flag: "secret-file", variable: "META_APP_SECRET", development: "development-secret"}
}

func verifyTokenFlag() secretFlag {
	return secretFlag{what: "verify token", flag: "verify-token-file", variable: "META_VERIFY_TOKEN", development: "development-token"}
}

func accessTokenFlag() secretFlag {
	return secretFlag{what: "app access token", flag: "access-token-file", variable: "META_ACCESS_TOKEN"}
}

func (s *secretFlag) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.path, s.flag, "", fmt.Sprintf("File that holds the %s, instead of %s in the environment", s.what, s.variable))
}

// given reports whether the secret is in a file or in the environment.
func (s *secretFlag) given() bool { return s.path != "" || os.Getenv(s.variable) != "" }

// read returns the secret, and says where it is from.
func (s *secretFlag) read() (secret, source string, err error) {
	if s.path != "" {
		content, err := os.ReadFile(s.path)
		if err != nil {
			return "", "", fmt.Errorf("--%s: %w", s.flag, err)
		}
		// as {file.*} reads it
		secret = strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
		if strings.TrimSpace(secret) == "" {
			return "", "", fmt.Errorf("--%s: %s is empty", s.flag, s.path)
		}
		return secret, s.path, nil
	}
	if secret = os.Getenv(s.variable); strings.TrimSpace(secret) == "" {
		return "", "", fmt.Errorf("the %s is missing: set %s, or name a file by --%s", s.what, s.variable, s.flag)
	}
	return secret, s.variable, nil
}

// readFor is read for a callback URL. On this machine, the secret for
// development serves where no other is given; on another it would only look
// like one.
func (s *secretFlag) readFor(local bool) (secret, source string, err error) {
	if local && !s.given() {
		return s.development, "example.Caddyfile, because " + s.variable + " is not set", nil
	}
	return s.read()
}
