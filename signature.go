package metawebhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"hash"
	"net/http"
	"strings"
	"sync"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/secret"
)

const (
	signatureHeader = "X-Hub-Signature-256"
	signaturePrefix = "sha256="
)

// A signature is an HMAC-SHA256.
type signature [sha256.Size]byte

// parseSignature reads the signature from a notification's header, which must
// have exactly one, of the form sha256= and 64 hex digits.
func parseSignature(header http.Header) (sig signature, err error) {
	values := header[signatureHeader]
	switch {
	case len(values) == 0:
		return sig, errNoSignature
	case len(values) > 1:
		return sig, errRepeatedSignature
	}
	digits, ok := strings.CutPrefix(values[0], signaturePrefix)
	if !ok || len(digits) != hex.EncodedLen(len(sig)) {
		return sig, errMalformedSignature
	}
	if _, err := hex.Decode(sig[:], []byte(digits)); err != nil {
		return signature{}, errMalformedSignature
	}
	return sig, nil
}

// secrets are the app secrets, each as a pool of hash states: to set up an
// HMAC costs as much as to compute that of a short body.
type secrets []*sync.Pool

func newSecrets(raw []string) (secrets, error) {
	resolved, err := secret.ResolveAll(raw)
	if err != nil {
		return nil, err
	}
	var s secrets
	for _, secret := range resolved {
		key := []byte(secret)
		s = append(s, &sync.Pool{New: func() any { return hmac.New(sha256.New, key) }})
	}
	return s, nil
}

// signed reports whether sig is the body's signature with any of the secrets,
// in a time that does not tell with which, or how much of it is right.
func (s secrets) signed(body []byte, sig signature) bool {
	found := 0
	for _, states := range s {
		state := states.Get().(hash.Hash)
		state.Reset()
		state.Write(body)
		var sum signature
		state.Sum(sum[:0])
		states.Put(state)
		found |= subtle.ConstantTimeCompare(sum[:], sig[:])
	}
	return found == 1
}
