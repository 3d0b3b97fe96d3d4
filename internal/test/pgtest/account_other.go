//go:build !unix

package pgtest

import (
	"os/exec"
	"testing"
)

// An account is who runs the server: the one who runs the test.
type account struct{}

func unprivileged(testing.TB) account { return account{} }

func (account) own(string) error { return nil }

func (account) run(*exec.Cmd) {}
