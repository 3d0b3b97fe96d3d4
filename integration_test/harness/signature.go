package harness

import (
	"net/http"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Secrets of Standard Webhooks.
const (
	OldSecret   = "whsec_b2xkIHNlY3JldCBvZiB0aGUgd2ViaG9va3M="
	NewSecret   = "whsec_bmV3IHNlY3JldCBvZiB0aGUgd2ViaG9va3M="
	OtherSecret = "whsec_YW5vdGhlciBzZWNyZXQgb2YgdGhlIHdlYmhvb2tz"
)

// CheckSignature returns what the library of Standard Webhooks, with a secret,
// says of a request.
func CheckSignature(t *testing.T, secret, body string, header http.Header) error {
	t.Helper()
	webhook, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	return webhook.Verify([]byte(body), header)
}
