package command

import (
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/sender"
)

func TestSignRequiresASecret(t *testing.T) {
	cleanEnvironment(t)
	const body = "{}"
	command(t, body, "sign").want(t, 1, "", "missing app secret: set META_APP_SECRET")
	file := textFile(t, testSecret+"\n")
	command(t, body, "sign", "--secret-file", file).want(t, 0, sender.SignatureHeader+": "+sender.Sign(testSecret, []byte(body))+"\n", "")
}
