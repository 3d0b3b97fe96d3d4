package metawebhook

import (
	"crypto/sha256"
	"crypto/subtle"
	"io"
	"net/http"
	"net/url"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/secret"
)

// verify returns the challenge of a verification request with this query, if
// its token is right.
func (t tokens) verify(query string) (challenge string, err error) {
	challenge, token, err := parseVerification(query)
	if err != nil {
		return "", err
	}
	if !t.contain(token) {
		return "", errToken
	}
	return challenge, nil
}

// writeChallenge answers a verification request.
func writeChallenge(w http.ResponseWriter, challenge string) error {
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	_, err := io.WriteString(w, challenge) //nolint:gosec // plain text that is not sniffed
	return err
}

// parseVerification reads the query of a verification request. Each of its
// parameters must be there once; others are none of its business.
func parseVerification(query string) (challenge, token string, err error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return "", "", errVerification
	}
	mode, challenges, tokens := values["hub.mode"], values["hub.challenge"], values["hub.verify_token"]
	if len(mode) != 1 || mode[0] != "subscribe" ||
		len(challenges) != 1 || challenges[0] == "" ||
		len(tokens) != 1 {
		return "", "", errVerification
	}
	return challenges[0], tokens[0], nil
}

// tokens are the digests of the verify tokens. Digests have one length, so
// that to compare them takes one time.
type tokens [][sha256.Size]byte

func newTokens(raw []string) (tokens, error) {
	resolved, err := secret.ResolveAll(raw)
	if err != nil {
		return nil, err
	}
	var t tokens
	for _, token := range resolved {
		t = append(t, sha256.Sum256([]byte(token)))
	}
	return t, nil
}

// contain reports whether the token is one of t, in a time that does not tell
// which, or how much of it is right.
func (t tokens) contain(token string) bool {
	digest := sha256.Sum256([]byte(token))
	found := 0
	for i := range t {
		found |= subtle.ConstantTimeCompare(t[i][:], digest[:])
	}
	return found == 1
}
