package command

import (
	"path/filepath"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/sender"
)

func TestInputs(t *testing.T) {
	cleanEnvironment(t)
	t.Setenv("META_APP_SECRET", testSecret)
	const body = " {\"object\":\"page\"}\r\n"
	file := textFile(t, body)
	header := sender.SignatureHeader + ": " + sender.Sign(testSecret, []byte(body)) + "\n"
	command(t, "", "sign", "--file", file).want(t, 0, header, "")
	command(t, body, "sign").want(t, 0, header, "")
	command(t, body, "sign", "--file", "-").want(t, 0, header, "")
	command(t, "", "sign", "--file", filepath.Join(t.TempDir(), "missing")).want(t, 1, "", "--file: open ")
}
