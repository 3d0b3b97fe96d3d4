package sender

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"unicode/utf8"
)

// Verify sends a verification request with the verify token, and an error
// says what is wrong with the answer, or why there is none.
func (s *Sender) Verify(ctx context.Context, token string) (Answer, error) {
	challenge := newChallenge()
	target := *s.url
	query := target.Query()
	query.Set("hub.mode", "subscribe")
	query.Set("hub.challenge", challenge)
	query.Set("hub.verify_token", token)
	target.RawQuery = query.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return Answer{}, err
	}
	r.Header.Set("User-Agent", verificationAgent)
	a, err := s.send(r)
	if err != nil {
		return a, err
	}
	return a, s.judge(a, challenge)
}

// newChallenge returns what Meta's documentation calls an int.
func newChallenge() string {
	random, err := rand.Int(rand.Reader, big.NewInt(9_000_000_000))
	if err != nil {
		panic(err) // rand.Reader never fails
	}
	return random.Add(random, big.NewInt(1_000_000_000)).String()
}

// judge says what is wrong with the answer to a verification request.
func (s *Sender) judge(a Answer, challenge string) error {
	if a.Status != http.StatusOK {
		return s.refusal(a, verificationHints)
	}
	if string(a.Body) == challenge {
		return nil
	}
	return fmt.Errorf("200 OK, but the body must be the challenge, %s, and nothing else: %s", challenge, difference(a.Body, challenge))
}

// difference says how a body differs from the challenge.
func difference(body []byte, challenge string) string {
	before, after, found := strings.Cut(string(body), challenge)
	switch {
	case len(body) == 0:
		return "it is empty. Something else than the webhook's handler answered"
	case !found && isHTML(body):
		return "it is an HTML page without the challenge. Something else than the webhook's handler answered, perhaps the app or a login page"
	case !found:
		return "got " + Quote(body)
	case isHTML(body):
		return "there is HTML around it. Write the challenge without a template or a layout"
	case before == "\ufeff":
		return "there is a byte order mark in front of it. Save the program's file as UTF-8 without BOM"
	case before == `"` && strings.TrimSpace(after) == `"`:
		return "there are quotes around it. Write it as text, not as JSON"
	case strings.TrimSpace(before+after) == "":
		return fmt.Sprintf("there is white space around it, %q in front and %q behind", before, after)
	}
	return "there is more around it, got " + Quote(body)
}

// isHTML reports whether a body looks like markup.
func isHTML(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(body, "\ufeff \t\r\n"), []byte("<"))
}

// Quote returns the beginning of a body for a terminal, which must not take
// anything in it for a command.
func Quote(body []byte) string {
	const most = 200
	if len(body) <= most {
		return fmt.Sprintf("%q", body)
	}
	end := most
	for end > 0 && !utf8.RuneStart(body[end]) {
		end--
	}
	return fmt.Sprintf("%q and more", body[:end])
}
