// The signature by which the app knows the gateway.

package metawebhook

import (
	"encoding/base64"
	"strings"
	"testing"
)

// signingSecret returns a secret of n bytes.
func signingSecret(n int) string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", n)))
}

func TestSigningSecretsAreChecked(t *testing.T) {
	t.Setenv("META_TEST_SIGN", signingSecret(32))
	t.Setenv("META_TEST_EMPTY", "")
	for _, tc := range []struct {
		name string
		sign []string
		want string // in the error; none if empty
	}{
		{"none", nil, ""},
		{"shortest", []string{signingSecret(24)}, ""},
		{"longest", []string{signingSecret(64)}, ""},
		{"of the environment", []string{"{env.META_TEST_SIGN}"}, ""},
		{"empty list", []string{}, "at least one"},
		{"empty", []string{signingSecret(24), ""}, "value 2 is empty"},
		{"empty environment", []string{"{env.META_TEST_EMPTY}"}, "{env.META_TEST_EMPTY} is empty"},
		{"no prefix", []string{strings.TrimPrefix(signingSecret(24), "whsec_")}, "value 1 does not begin with whsec_"},
		{"no base64", []string{signingSecret(24), "whsec_" + "kkkk-kkkk"}, "value 2 is not in base64"},
		{"too short", []string{signingSecret(23)}, "value 1 must have 24 to 64 bytes, and has 23"},
		{"too long", []string{signingSecret(65)}, "value 1 must have 24 to 64 bytes, and has 65"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := &Handler{VerifyToken: []string{testToken}, AppSecret: []string{testSecret}}
			h.Sign = tc.sign
			err := provision(t, newContext(t), h)
			switch {
			case tc.want == "" && err != nil:
				t.Fatalf("got error %v, want none", err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), "sign: ") || !strings.Contains(err.Error(), tc.want)):
				t.Fatalf("got error %v, want one of sign with %q", err, tc.want)
			case err != nil && strings.Contains(err.Error(), "kkk"), err != nil && strings.Contains(err.Error(), "a2tr"):
				t.Errorf("got error %v, want nothing of a secret in it", err)
			}
		})
	}
}

func TestNothingIsSignedWithoutAKey(t *testing.T) {
	header := handedOn(t, newNotification(oneEvent)).Header
	for _, name := range []string{"Webhook-Timestamp", "Webhook-Signature"} {
		if got, ok := header[name]; ok {
			t.Errorf("got %s %q, want none", name, got)
		}
	}
}
