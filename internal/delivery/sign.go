package delivery

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// signingPrefix is what the secrets of Standard Webhooks begin with.
const signingPrefix = "whsec_"

// The sizes that Standard Webhooks allows a secret to have, in bytes.
const (
	minSigningKey = 24
	maxSigningKey = 64
)

// SigningKeys are the secrets that messages are signed with, by the
// specification of Standard Webhooks.
type SigningKeys [][]byte

// ParseSigningKeys parses secrets of Standard Webhooks. An error says which one
// is malformed, and never what it is.
func ParseSigningKeys(secrets []string) (SigningKeys, error) {
	keys := make(SigningKeys, len(secrets))
	for i, secret := range secrets {
		var err error
		if keys[i], err = parseSigningKey(secret); err != nil {
			return nil, fmt.Errorf("value %d %v", i+1, err)
		}
	}
	return keys, nil
}

func parseSigningKey(secret string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(secret, signingPrefix)
	if !ok {
		return nil, errors.New("does not begin with " + signingPrefix)
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, errors.New("is not in base64")
	}
	if len(key) < minSigningKey || len(key) > maxSigningKey {
		return nil, fmt.Errorf("must have %d to %d bytes, and has %d", minSigningKey, maxSigningKey, len(key))
	}
	return key, nil
}

// Sign adds the signature headers of Standard Webhooks to those of the message
// with this id, if there are keys. Webhook-Id is the caller's to set.
func (k SigningKeys) Sign(h http.Header, id string, body []byte, now time.Time) {
	if len(k) == 0 {
		return
	}
	timestamp := strconv.FormatInt(now.Unix(), 10)
	signatures := make([]string, len(k))
	for i, key := range k {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + timestamp + "."))
		mac.Write(body)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	h["Webhook-Timestamp"] = []string{timestamp}
	h["Webhook-Signature"] = []string{strings.Join(signatures, " ")}
}
